"""A portrait as bytes: to be stored, and to be compared."""

from hashlib import blake2b
from typing import Final

import msgspec

from services.profile.domain.portrait import Portrait

_write: Final = msgspec.msgpack.Encoder().encode
_read: Final = msgspec.msgpack.Decoder(Portrait).decode


def encode(portrait: Portrait) -> bytes:
    """The portrait as msgpack. Equal portraits may differ here in the order of entries."""
    return _write(portrait)


def decode(state: bytes) -> Portrait:
    """The portrait that was encoded; raises `msgspec.ValidationError` for what is none."""
    return _read(state)


def fingerprint(portrait: Portrait) -> bytes:
    """16 bytes that are equal for equal portraits, however they came about."""
    activity = [
        (name, known.first, known.last, sorted(known.days.items())) for name, known in portrait.activity.items()
    ]
    spending = [
        (currency, sorted(known.orders.items()), sorted(known.minor.items()), msgspec.structs.astuple(known)[2:])
        for currency, known in portrait.spending.items()
    ]
    affinities = [
        (dimension, key, sorted(days.items()))
        for dimension, known in portrait.affinities.items()
        for key, days in known.items()
    ]
    canonical = (
        portrait.interactions,
        portrait.first_seen,
        portrait.last_seen,
        sorted(portrait.traits.items()),
        sorted(portrait.seen.items()),
        sorted(portrait.proven.items()),
        sorted(activity),
        sorted(spending),
        sorted(affinities),
        sorted(portrait.hours.items()),
        portrait.recent,
        sorted(portrait.consents.items()),
        sorted(portrait.ignored.items()),
        sorted(portrait.trimmed.items()),
    )
    return blake2b(_write(canonical), digest_size=16).digest()
