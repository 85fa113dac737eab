"""Why these are one person, and why those are not: in event ids."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Literal

import msgspec

from libs.people.spans import WHOLE, AtTimes, Span, own_id, since, span_of
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key, Pair, pair
from services.identity.domain.following import BY_HAND, Followed
from services.identity.domain.graph import NO_PROOF
from services.identity.domain.naming import PersonId
from services.identity.domain.refusal import Refusal
from services.identity.domain.resolution import NO_MARKS, Resolution, resolve
from services.identity.domain.standing import Case, Mark

Place = tuple[Key, Span]
"""An identifier and a span of it."""

How = Literal[
    "seen",  # they came together in one interaction
    "verified",  # and the address of the two came with proof
    "linked",  # somebody decided so
    "logged_in",  # the second was logged in within that session of the first
    "beside",  # the second came along with the first, which names nobody itself
]


class Step(msgspec.Struct, frozen=True, gc=False):
    """What makes two places one person: `count` is how often the two were seen together since."""

    a: Place
    b: Place
    how: How
    at: Micros
    event_id: bytes
    count: int = 0


class Apart(msgspec.Struct, frozen=True, gc=False):
    """Why two are not one person.

    `forbidden` are the pairs between the two people that are never one person. `refused` are the edges that would have
    to be followed to get from one to the other, the fewest that do; none where nothing seen leads there at all.
    """

    forbidden: tuple[Pair, ...] = ()
    refused: tuple[Refusal, ...] = ()


class Explanation:
    """The reasons of one resolution; `inside` and `given` are as in `resolve`, for a case of some neighbourhoods."""

    def __init__(self, case: Case, inside: Collection[Key] | None = None, given: Mapping[Key, Mark] = NO_MARKS) -> None:
        followed: list[Followed] = []
        self.found: Resolution = resolve(case, inside, given, followed)
        self._case = case
        self._steps: dict[Place, list[Step]] = {}
        for step in (*map(self._followed, followed), *self._lodged()):
            self._steps.setdefault(step.a, []).append(step)
            self._steps.setdefault(step.b, []).append(step)

    def person_of(self, place: Place) -> PersonId:
        """Whose a place is."""
        tied = self.found.spans.get(place)
        if tied is not None:
            return tied.person
        return own_id(*place) if place[1] != WHOLE else self.found.person_of(place[0])

    def why_one(self, a: Place, b: Place) -> tuple[Step, ...]:
        """The shortest chain of evidence from one place to another; empty where they are not one person."""
        came_by = self._walk(a)
        chain: list[Step] = []
        while b in came_by:
            chain.append(came_by[b])
            b = _other(came_by[b], b)
        return tuple(reversed(chain))

    def why_person(self, place: Place) -> tuple[Step, ...]:
        """What made a place's person, one step for each place but one, the nearest first."""
        return tuple(self._walk(place).values())

    def why_two(self, a: Place, b: Place) -> Apart:
        """What keeps two places from being one person."""
        one, two = self.person_of(a), self.person_of(b)
        if one == two:
            return Apart()
        forbidden = [
            (low, high)
            for low, high in self._case.forbidden()
            if (one in self._people_of(low) and two in self._people_of(high))
            or (two in self._people_of(low) and one in self._people_of(high))
        ]
        return Apart(tuple(sorted(forbidden)), self._fewest_refusals(a, b))

    def _people_of(self, key: Key) -> set[PersonId]:
        """Whose an identifier is and was; the sessions of a shared one are nobody's account of who they are."""
        cut = self.found.cuts.get(key)
        spans = map(since, cut.times) if isinstance(cut, AtTimes) else ()
        return {self.person_of((key, span)) for span in (WHOLE, *spans)}

    def _walk(self, start: Place) -> dict[Place, Step]:
        """How each place of a person is first reached, but the one where the walk starts."""
        came_by: dict[Place, Step] = {}
        waiting = deque([start])
        while waiting:
            place = waiting.popleft()
            for step in self._from(place):
                other = _other(step, place)
                if other != start and other not in came_by:
                    came_by[other] = step
                    waiting.append(other)
        return came_by

    def _fewest_refusals(self, a: Place, b: Place) -> tuple[Refusal, ...]:
        """A walk for which what was followed is free and what was refused costs one."""
        refused: dict[Place, list[tuple[Place, Refusal]]] = {}
        for refusals in self.found.refused.values():
            for refusal in refusals:
                here, there = (self._place(key, refusal.at) for key in refusal.pair)
                refused.setdefault(here, []).append((there, refusal))
                refused.setdefault(there, []).append((here, refusal))
        walked: dict[Place, tuple[Refusal, ...]] = {}
        waiting: deque[tuple[Place, tuple[Refusal, ...]]] = deque([(a, ())])
        while waiting:
            place, paid = waiting.popleft()
            if place in walked:
                continue
            walked[place] = paid
            if place == b:
                return paid
            waiting.extendleft((_other(step, place), paid) for step in self._from(place))
            waiting.extend((other, (*paid, refusal)) for other, refusal in refused.get(place, ()))
        return ()

    def _from(self, place: Place) -> list[Step]:
        """The steps at a place in an order that does not hang on how the case was read."""
        return sorted(self._steps.get(place, ()), key=lambda step: (step.at, step.event_id, step.a, step.b))

    def _followed(self, one: Followed) -> Step:
        at, _, low, high, event_id, _, _, proven, _ = one.edge
        together = self._case.evidence.pairs.get((low, high))
        how: How = "linked" if proven == BY_HAND else "seen" if proven == NO_PROOF else "verified"
        return Step((low, one.low), (high, one.high), how, at, event_id, together.count if together else 0)

    def _lodged(self) -> Iterator[Step]:
        evidence = self._case.evidence
        for (key, span), tied in self.found.spans.items():
            if tied.to == key:
                continue
            sight = evidence.logins.get((key, span, tied.to))
            how: How = "logged_in" if sight is not None else "beside"
            sight = sight or evidence.pairs[pair(key, tied.to)].first
            to = self._place(tied.to, sight.occurred_at)
            yield Step((key, span), to, how, sight.occurred_at, sight.event_id)

    def _place(self, key: Key, at: Micros) -> Place:
        cut = self.found.cuts.get(key)
        return key, span_of(cut, at, "", None) if isinstance(cut, AtTimes) else WHOLE


def _other(step: Step, place: Place) -> Place:
    return step.b if step.a == place else step.a
