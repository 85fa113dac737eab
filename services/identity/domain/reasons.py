"""An explanation as it is told: which evidence joins, which does not, and why, in words and in event ids."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from libs.people.spans import WHOLE, Cut, Span
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Evidence, Key, Pair, Sight, Together, pair
from services.identity.domain.explanation import Apart, Explanation, How, Step
from services.identity.domain.naming import PersonId
from services.identity.domain.person import Identifier, Member, Person, Place, places_of
from services.identity.domain.refusal import Reason, Refusal
from services.identity.domain.resolution import Resolution
from services.identity.domain.sentences import Words
from services.identity.domain.standing import Case, Mark

MOST_REFUSED: Final = 200


class Edge(msgspec.Struct, frozen=True, gc=False):
    """Two identifiers, the smaller key first, what was seen of them together, and what came of it."""

    one: Member
    other: Member
    outcome: Literal["JOINED"] | Reason
    reason: str
    event_ids: tuple[bytes, ...]
    at: Micros
    basis: How | None = None
    together: Together | None = None


class HistoryInParts(msgspec.Struct, frozen=True, gc=False):
    """A cut identifier, and whose its parts are where that is somebody else."""

    identifier: Identifier
    cut: Cut
    mark: Mark | None
    parts: tuple[tuple[Span, PersonId], ...]
    reason: str


class Explained(msgspec.Struct, frozen=True, gc=False):
    """The answer to why two are one person or not, or why a person is one."""

    same: bool
    people: tuple[Person, ...]
    chain: tuple[Edge, ...]
    refused: tuple[Edge, ...]
    cuts: tuple[HistoryInParts, ...]
    summary: str


class Findings:
    """What an explanation has to say about one place, or about two; `keys` are the identifiers that it speaks of."""

    def __init__(self, explanation: Explanation, case: Case, one: Place, other: Place | None = None) -> None:
        self.one, self.other = one, other
        self.explanation, self.case = explanation, case
        self.found = explanation.found
        ids = [explanation.person_of(place) for place in (one, other) if place is not None]
        self.people = tuple(dict.fromkeys(ids))
        self.same = len(self.people) == 1
        self.why_two = Apart()
        if other is None:
            self.steps = explanation.why_person(one)
            self.refusals = self._refusals_of(self.people[0])
        elif self.same:
            self.steps = explanation.why_one(one, other)
            self.refusals = ()
        else:
            self.steps = ()
            self.why_two = explanation.why_two(one, other)
            self.refusals = self.why_two.refused
        self.keys = frozenset(self._keys())

    def told(self, people: Iterable[Person], known: Mapping[Key, Identifier], words: Words) -> Explained:
        """The whole answer; `known` has all `keys`."""
        teller = _Teller(self.case, self.found, known, words)
        forbidden = (teller.forbidden(both) for both in self.why_two.forbidden)
        return Explained(
            same=self.same,
            people=tuple(people),
            chain=tuple(map(teller.step, self.steps)),
            refused=(*forbidden, *map(teller.refusal, self.refusals)),
            cuts=tuple(self._cuts(known, words)),
            summary=self._summary(words),
        )

    def _refusals_of(self, person: PersonId) -> tuple[Refusal, ...]:
        keys = {key for key, _ in places_of(self.found, person)}
        refused = (those for both, those in self.found.refused.items() if not keys.isdisjoint(both))
        return tuple(sorted((one for those in refused for one in those), key=lambda one: (one.at, one))[:MOST_REFUSED])

    def _keys(self) -> Iterator[Key]:
        for person in self.people:
            yield from (key for key, _ in places_of(self.found, person))
        for step in self.steps:
            yield from (step.a[0], step.b[0])
        for refusal in self.refusals:
            yield from (*refusal.pair, *refusal.identifiers)
        for both in self.why_two.forbidden:
            yield from both
        yield from (place[0] for place in (self.one, self.other) if place is not None)

    def _cuts(self, known: Mapping[Key, Identifier], words: Words) -> Iterator[HistoryInParts]:
        for key in sorted(self.keys & self.found.cuts.keys()):
            cut = self.found.cuts[key]
            parts = sorted((span, tied.person) for (one, span), tied in self.found.spans.items() if one == key)
            mark = self.found.marks.get(key)
            yield HistoryInParts(known.get(key) or Identifier(key), cut, mark, tuple(parts), words.cut(key, cut))

    def _summary(self, words: Words) -> str:
        one = self.one[0]
        if self.other is not None:
            other = self.other[0]
            return words.one_person(one, other, len(self.steps)) if self.same else words.apart(one, other, self.why_two)
        members = len(places_of(self.found, self.people[0]))
        return words.whole(one, members, len(self.steps)) if self.steps else words.alone(one)


class _Teller:
    """Turns what was found into edges."""

    def __init__(self, case: Case, found: Resolution, known: Mapping[Key, Identifier], words: Words) -> None:
        self._case, self._found, self._known, self._words = case, found, known, words

    def step(self, step: Step) -> Edge:
        """A step of a chain."""
        both = step.a[0], step.b[0]
        events = _events(self._case.evidence, both, step.event_id)
        return self._edge((step.a, step.b), "JOINED", self._words.step(step), events, step.at, step.how)

    def refusal(self, refusal: Refusal) -> Edge:
        """An edge that joins nobody."""
        decided = self._case.decisions.links.get(refusal.pair)
        event_id = decided.event_id if decided and refusal.reason == "UNLINKED" else refusal.event_id
        events = _events(self._case.evidence, refusal.pair, event_id)
        return self._edge(_whole(refusal.pair), refusal.reason, self._words.refusal(refusal), events, refusal.at)

    def forbidden(self, both: Pair) -> Edge:
        """A decision that two are never one person."""
        register = self._case.decisions.forbidden[both]
        reason = self._words.forbidden(both)
        return self._edge(_whole(both), "FORBIDDEN", reason, (register.event_id,), register.recorded_at)

    def _edge(
        self,
        both: tuple[Place, Place],
        outcome: Literal["JOINED"] | Reason,
        reason: str,
        event_ids: tuple[bytes, ...],
        at: Micros,
        basis: How | None = None,
    ) -> Edge:
        a, b = sorted(both)
        together = self._case.evidence.pairs.get((a[0], b[0]))
        proofs = together.proofs if together else ((), ())
        one, other = (self._member(*place, verified=bool(sights)) for place, sights in zip((a, b), proofs, strict=True))
        return Edge(one, other, outcome, reason, event_ids, at, basis, together)

    def _member(self, key: Key, span: Span, *, verified: bool) -> Member:
        known, found = self._known.get(key) or Identifier(key), self._found
        return Member(known, verified, found.marks.get(key), span, found.cuts.get(key))


def _whole(both: Pair) -> tuple[Place, Place]:
    return (both[0], WHOLE), (both[1], WHOLE)


def _events(evidence: Evidence, both: tuple[Key, Key], event_id: bytes) -> tuple[bytes, ...]:
    """The first event that showed two together, those with proof, and the one that decided, each once."""
    together = evidence.pairs.get(pair(*both))
    sights: list[Sight] = [together.first, *together.proofs[0], *together.proofs[1]] if together else []
    return tuple(dict.fromkeys([*(sight.event_id for sight in sights), event_id]))
