"""A person as people look at one: identifiers with their values, which parts of them, and former ids."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.people.identifiers import IdentifierRules
from libs.people.spans import WHOLE, AtTimes, Cut, Span, own_id, since
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.naming import PersonId
from services.identity.domain.resolution import Resolution
from services.identity.domain.standing import Mark

Place = tuple[Key, Span]
"""An identifier and a span of it."""


class Identifier(msgspec.Struct, frozen=True, gc=False):
    """An identifier in plain. `recorded_at` is when it was first recorded, None where a decision alone speaks of it."""

    key: Key
    type: str = ""
    value: str = ""
    recorded_at: Micros | None = None

    def __str__(self) -> str:
        return f"{self.type} {self.value}" if self.value else f"{self.type or 'identifier'} {self.key.hex()[:8]}…"


class Member(msgspec.Struct, frozen=True, gc=False):
    """An identifier of a person; `cut` is how it is cut where not all of it is theirs, and `span` which part is."""

    identifier: Identifier
    verified: bool = False
    mark: Mark | None = None
    span: Span = WHOLE
    cut: Cut | None = None


class Person(msgspec.Struct, frozen=True, gc=False):
    """One person, the strongest identifier first; `former_ids` are those that they had and that still find them."""

    id: PersonId
    members: tuple[Member, ...] = ()
    former_ids: tuple[PersonId, ...] = ()


class Whose(msgspec.Struct, frozen=True, gc=False):
    """Whom an identifier names; `known` tells whether it was ever seen or decided about."""

    person: PersonId
    known: bool = False
    mark: Mark | None = None
    cut: bool = False


def places_of(found: Resolution, person: PersonId) -> set[Place]:
    """The identifiers and spans that are a person's, in a resolution that holds all of them."""
    places = {(key, WHOLE) for key, one in found.people.items() if one == person}
    places.update(place for place, tied in found.spans.items() if tied.person == person)
    places.update(
        (key, since(time))
        for key, cut in found.cuts.items()
        if isinstance(cut, AtTimes)
        for time in cut.times
        if own_id(key, since(time)) == person and (key, since(time)) not in found.spans
    )
    founded_by_span = any(own_id(*place) == person for place in places)
    if not founded_by_span and found.person_of(person) == person:
        places.add((person, WHOLE))
    return places


def person_in(
    found: Resolution,
    person: PersonId,
    evidence: Evidence,
    known: Mapping[Key, Identifier],
    rules: IdentifierRules,
    former_ids: Iterable[PersonId] = (),
) -> Person:
    """A person as a resolution has them."""
    proven = {
        key
        for both, together in evidence.pairs.items()
        for key, proofs in zip(both, together.proofs, strict=True)
        if proofs
    }
    members = [
        Member(known.get(key) or Identifier(key), key in proven, found.marks.get(key), span, found.cuts.get(key))
        for key, span in places_of(found, person)
    ]
    return Person(person, tuple(sorted(members, key=lambda one: _weakness(one, rules))), tuple(sorted(former_ids)))


def _weakness(member: Member, rules: IdentifierRules) -> tuple[object, ...]:
    type_ = rules.types.get(member.identifier.type)
    rank = type_.rank if type_ else (True, 9, 0)
    return rank, not member.verified, member.identifier.recorded_at or 0, member.identifier.key, member.span
