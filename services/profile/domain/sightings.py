"""Identifiers seen with a person, as sent; how to normalise them is known only when somebody reads."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain.interaction import Interaction
from services.profile.domain.registers import keep_greatest, put

Sightings = dict[tuple[str, str], Micros]
"""(type, value as sent) → when last."""

SIGHTINGS_KEPT: Final = 200
_LONGEST: Final = 512

Normalise = Callable[[str, str], str | None]
"""(type, value as sent) → normalised value, or None where it names nobody."""


class SeenIdentifier(msgspec.Struct, frozen=True, gc=False):
    """An identifier seen with the person; `verified` if it ever came with proof."""

    type: str
    value: str
    verified: bool
    last_seen_at: Micros


def see(seen: Sightings, proven: Sightings, said: Interaction, at: Micros) -> None:
    """Record the identifiers of an interaction.

    Proof is kept apart from sight: one register for both would forget proof when it forgets the sight that carried it.
    """
    identifiers = said.identifiers
    if isinstance(identifiers, dict):
        for type_, value in identifiers.items():
            if type(value) is str:
                _note(seen, type_, value, at)
            elif isinstance(value, list):
                for one in value:
                    _note(seen, type_, str(one), at)
            elif value is not None:
                _note(seen, type_, str(value), at)
    else:
        for identifier in identifiers:
            _note(seen, identifier.type, str(identifier.value), at)
            if identifier.verified:
                _note(proven, identifier.type, str(identifier.value), at)
        keep_greatest(proven, SIGHTINGS_KEPT)
    keep_greatest(seen, SIGHTINGS_KEPT)


def seen_identifiers(seen: Sightings, proven: Sightings, normalise: Normalise) -> tuple[SeenIdentifier, ...]:
    """The identifiers by their normalised values, last seen first."""
    last: dict[tuple[str, str], Micros] = {}
    for key, at in _normalised(seen, normalise) + _normalised(proven, normalise):
        last[key] = max(at, last.get(key, at))
    with_proof = {key for key, _ in _normalised(proven, normalise)}
    newest_first = sorted(last.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(SeenIdentifier(*key, key in with_proof, at) for key, at in newest_first)


def _note(sightings: Sightings, type_: str, value: str, at: Micros) -> None:
    if len(type_) + len(value) <= _LONGEST:
        put(sightings, (type_, value), at)


def _normalised(sightings: Mapping[tuple[str, str], Micros], normalise: Normalise) -> list[tuple[tuple[str, str], int]]:
    return [
        ((type_, normal), at)
        for (type_, value), at in sightings.items()
        if (normal := normalise(type_, value)) is not None
    ]
