"""The way of an event to the features and definitions that it affects, and to no others.

By its name to filters; of these, those that ask for one of a few values of a property are found by the value that the
event has, so that a hundred definitions about a hundred categories cost an event of one category no more than one.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from libs.conditions.bringing import Step, step_of
from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import OneOf
from libs.conditions.event import Event, look_up
from libs.conditions.feature import Feature, Filter
from libs.conditions.features import Features
from libs.conditions.filters import Check, check_of, tagged
from libs.runtime.clock import Micros


@dataclass(frozen=True, slots=True)
class Route:
    """One filter: what is left to check, the features it feeds, and the definitions that read these."""

    check: Check | None
    section: int
    steps: tuple[Step, ...]
    definitions: frozenset[str]

    def take(self, features: Features, event: Event, at: Micros, day: int, affected: set[str]) -> None:
        """Fold an event that was led here."""
        if self.check is not None and not self.check(event):
            return
        section = features.own_section(self.section)
        for step in self.steps:
            step(section, event, at, day)
        affected |= self.definitions


@dataclass(slots=True)
class Fork:
    """The filters that ask for one of a few values of a property, by these values."""

    looked_up: Callable[[Event], Any]
    routes: dict[Any, list[Route]] = field(default_factory=dict)

    def led(self, event: Event) -> Iterable[Route]:
        """The routes for an event, each once."""
        value = self.looked_up(event)
        if type(value) is str:
            return self.routes.get(value, ())
        return () if value is None else _led(self.routes, value)


@dataclass(slots=True)
class Junction:
    """All filters for events of one name."""

    always: list[Route] = field(default_factory=list)
    forks: dict[str, Fork] = field(default_factory=dict)

    def take(self, features: Features, event: Event, day: int, affected: set[str]) -> None:
        """Fold an event of that name into every feature that it affects."""
        at = event.occurred_at
        for route in self.always:
            route.take(features, event, at, day, affected)
        for fork in self.forks.values():
            for route in fork.led(event):
                route.take(features, event, at, day, affected)


def junctions(readers: Mapping[Feature, AbstractSet[str]], calendar: Calendar) -> dict[str, Junction]:
    """The junction of every event name, given the definitions that read each feature."""
    by_filter: dict[Filter, list[Feature]] = {}
    for feature in readers:
        by_filter.setdefault(feature.filter, []).append(feature)
    found: dict[str, Junction] = {}
    for filter_, features in by_filter.items():
        narrowest = filter_.narrowest
        route = Route(
            check_of([clause for clause in filter_.where if clause not in narrowest], calendar),
            features[0].section,
            tuple(step_of(feature, calendar) for feature in features),
            frozenset().union(*(readers[feature] for feature in features)),
        )
        for name in filter_.events:
            junction = found.setdefault(name, Junction())
            if not narrowest:
                junction.always.append(route)
            for clause in narrowest:
                assert isinstance(clause.test, OneOf), "one of few values"
                if clause.property not in junction.forks:
                    junction.forks[clause.property] = Fork(look_up(clause.property, calendar))
                routes = junction.forks[clause.property].routes
                for value in {tagged(value) for value in clause.test.values}:
                    routes.setdefault(value, []).append(route)
    return found


def _led(routes: Mapping[Any, list[Route]], value: Any) -> Iterable[Route]:
    """The routes for a value that is no text, each once."""
    values = value if type(value) is list else [value]
    led = {
        id(route): route
        for one in values
        if isinstance(one, str | int | float)
        for route in routes.get(tagged(one), ())
    }
    return led.values()
