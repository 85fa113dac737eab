"""Traits: what every source says of a person, and which of it survives.

Each (name, source, verified) is a register of its own and the newest value stands in it. Choosing between sources waits
until somebody reads, because a choice made while folding would hang on the order of arrival.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain.registers import keep_greatest, put

TraitKey = tuple[str, str, bool]
"""Name, source, verified."""
TraitSaid = tuple[Micros, bytes, bytes]
"""When, event id, value as JSON; `null` where the source took it back."""

TRAITS_KEPT: Final = 500
LONGEST_NAME: Final = 256
LONGEST_VALUE: Final = 4096
"""Bytes of a value as JSON; the timeline keeps longer ones, the portrait does not."""

_FORM_WITH_PROOF: Final = frozenset({"value", "verified"})
_NULL: Final = b"null"
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder().decode


class Trait(msgspec.Struct, frozen=True, gc=False):
    """A surviving value, where it comes from, and what the other sources say, strongest first."""

    value: Any
    source: str
    verified: bool
    occurred_at: Micros
    event_id: bytes
    others: tuple["Trait", ...] = ()


def say(
    registers: dict[TraitKey, TraitSaid], traits: Mapping[str, Any], source: str, at: Micros, event_id: bytes
) -> int:
    """Record traits; answers how many were too long to keep.

    A value is unverified unless it comes as `{"value": …, "verified": true}`. A null takes back whatever the source
    said before, verified or not.
    """
    too_long = 0
    for name, said in traits.items():
        verified = False
        value = said
        if type(said) is dict and said.keys() == _FORM_WITH_PROOF:
            value, verified = said["value"], said["verified"] is True
        json = _encode(value)
        if len(json) > LONGEST_VALUE or len(name) > LONGEST_NAME:
            too_long += 1
            continue
        put(registers, (name, source, verified), (at, event_id, json))
        if json == _NULL:
            put(registers, (name, source, not verified), (at, event_id, json))
    keep_greatest(registers, TRAITS_KEPT)
    return too_long


def survivors(registers: Mapping[TraitKey, TraitSaid], ranks: Mapping[str, int]) -> dict[str, Trait]:
    """Traits by name: verified before not, then the source of the higher rank (0 unless given), then the newest."""
    said: dict[str, list[Trait]] = {}
    for (name, source, verified), (at, event_id, json) in registers.items():
        if json != _NULL:
            said.setdefault(name, []).append(Trait(_decode(json), source, verified, at, event_id))
    return {name: _strongest(traits, ranks) for name, traits in sorted(said.items())}


def _strongest(traits: list[Trait], ranks: Mapping[str, int]) -> Trait:
    if len(traits) == 1:
        return traits[0]

    def strength(trait: Trait) -> tuple[bool, int, Micros, bytes, str]:
        return trait.verified, ranks.get(trait.source, 0), trait.occurred_at, trait.event_id, trait.source

    first, *others = sorted(traits, key=strength, reverse=True)
    return msgspec.structs.replace(first, others=tuple(others))
