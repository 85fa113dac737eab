"""A tag over a history, as it comes and goes: by events, and by time without any."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from libs.conditions.comparisons import Scalar
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing
from libs.runtime.clock import Micros
from services.tagging.domain.asked import Asked
from services.tagging.domain.tag import TagDefinition


class Change(NamedTuple):
    """From this moment on somebody has another value of a tag, about `of`; None for not having it."""

    at: Micros
    person: str
    value: Scalar | None
    of: str


def replay(definition: TagDefinition, events: Iterable[tuple[str, Event]], zone: str) -> Iterator[Change]:
    """Every change, in the order of time, to the last event; `events` come in that order, with who did it."""
    following = _Following(definition, zone)
    for person, event in events:
        yield from following.until(event.occurred_at)
        yield from following.happened(person, event)


class _Following:
    def __init__(self, definition: TagDefinition, zone: str) -> None:
        self._definition = definition
        self._plan = Plan(definition.conditions(), zone)
        self._features: dict[str, Features] = {}
        self._held: dict[str, tuple[Scalar | None, str]] = {}
        self._due: list[tuple[Micros, str]] = []
        self._due_at: dict[str, Micros | None] = {}

    def happened(self, person: str, event: Event) -> Iterator[Change]:
        """What an event changes."""
        if self._plan.fold(self._features.setdefault(person, Features()), event):
            yield from self._look(person, event.occurred_at)

    def until(self, now: Micros) -> Iterator[Change]:
        """What time alone changes up to a moment."""
        while self._due and self._due[0][0] <= now:
            at, person = heappop(self._due)
            if self._due_at[person] == at:  # else an event has moved it since
                yield from self._look(person, at)

    def _look(self, person: str, now: Micros) -> Iterator[Change]:
        features = self._features[person]
        standing = Standing(traits=self._plan.traits(features, {}))
        answer = self._plan.asking(features, standing, now)
        found = self._definition.verdict(Asked(answer, features, standing, {}, now, self._plan.zones.tenant))
        self._due_at[person] = found.changes_at
        if found.changes_at is not None:
            heappush(self._due, (found.changes_at, person))
        has = found.value, found.of
        if has != self._held.get(person, (None, "")):
            self._held[person] = has
            yield Change(now, person, *has)
