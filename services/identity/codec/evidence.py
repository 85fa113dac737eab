"""Evidence and what was resolved from it as rows keep them: MessagePack of the domain's own types."""

from typing import Final

import msgspec

from libs.people.spans import AtTimes, ByIdentifier, BySession, Cut
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Sight, Together
from services.identity.domain.refusal import Refusal

Proofs = tuple[tuple[Sight, ...], tuple[Sight, ...]]

_NO_PROOFS: Final[Proofs] = ((), ())
_BY_SESSION: Final = 1
_BY_IDENTIFIER: Final = 2


class _Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`last` is None where there was but one sight."""

    first: Sight
    count: int = 1
    last: Sight | None = None
    proofs: Proofs = _NO_PROOFS


_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(_Row).decode
_decode_sight = msgspec.msgpack.Decoder(Sight).decode
_decode_cut = msgspec.msgpack.Decoder(int | tuple[Micros, ...]).decode
_decode_refusals = msgspec.msgpack.Decoder(tuple[Refusal, ...]).decode


def pack_together(together: Together) -> bytes:
    """What is known of a pair."""
    last = None if together.last == together.first else together.last
    return _encode(_Row(together.first, together.count, last, together.proofs))


def unpack_together(data: bytes) -> Together:
    """The opposite of `pack_together`."""
    row = _decode_row(data)
    return Together(row.first, row.last or row.first, row.count, row.proofs)


def pack_sight(sight: Sight) -> bytes:
    """The sight of a login."""
    return _encode(sight)


def unpack_sight(data: bytes) -> Sight:
    """The opposite of `pack_sight`."""
    return _decode_sight(data)


def pack_cut(cut: Cut) -> bytes:
    """How an identifier is cut."""
    match cut:
        case BySession():
            return _encode(_BY_SESSION)
        case ByIdentifier():
            return _encode(_BY_IDENTIFIER)
        case AtTimes(times):
            return _encode(times)


def unpack_cut(data: bytes) -> Cut:
    """The opposite of `pack_cut`."""
    cut = _decode_cut(data)
    if isinstance(cut, tuple):
        return AtTimes(cut)
    return BySession() if cut == _BY_SESSION else ByIdentifier()


def pack_refusals(refusals: tuple[Refusal, ...]) -> bytes:
    """Why a pair joins nobody."""
    return _encode(refusals)


def unpack_refusals(data: bytes) -> tuple[Refusal, ...]:
    """The opposite of `pack_refusals`."""
    return _decode_refusals(data)
