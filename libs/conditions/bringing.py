"""What an event brings to a feature, compiled: the keys and numbers that it has for what is measured."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Several
from functools import partial
from typing import Any

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event, entries_of, key_of, property_of, scalar_of, value_at, values_in
from libs.conditions.feature import Feature
from libs.conditions.features import Section
from libs.conditions.filters import check_of_entry
from libs.conditions.numbers import fixed
from libs.conditions.states import Brought
from libs.runtime.clock import Micros

Look = Callable[[str], Any]
Step = Callable[[Section, Event, Micros, int], None]
"""Notes what an event of a day brings in the section that its feature stands in."""


def step_of(feature: Feature, calendar: Calendar) -> Step:
    """How a feature takes in an event that passed its filter."""
    key, noted, dates = feature.key, feature.kind.noted, feature.dates
    if feature.filter.each is None and feature.per is None and feature.of is None and dates is None:
        return _plain_step(key, noted)
    things, brought_by = _things(feature, calendar), _brought(feature)

    def step(section: Section, event: Event, at: Micros, day: int) -> None:
        if dates is not None:
            if (dates.first is not None and day < dates.first) or (dates.last is not None and day > dates.last):
                return
            day = 0  # all days are one: none is ever left behind, nor moves a window
        for look in things(event):
            for brought in brought_by(look, at, day):
                section[key] = noted(section.get(key), brought)

    return step


def _plain_step(key: int, noted: Callable[[Any, Brought], Any]) -> Step:
    def step(section: Section, event: Event, at: Micros, day: int) -> None:
        section[key] = noted(section.get(key), Brought(at, day, "", 1))

    return step


def _things(feature: Feature, calendar: Calendar) -> Callable[[Event], Iterable[Look]]:
    each = feature.filter.each
    if each is None:
        return lambda event: (partial(property_of, event),)
    listed, passes = each.property, check_of_entry(each.clauses, calendar)
    return lambda event: (partial(value_at, entry) for entry in entries_of(event.properties, listed) if passes(entry))


def _brought(feature: Feature) -> Callable[[Look, Micros, int], Iterator[Brought]]:
    of, per, counted = feature.of, feature.per, feature.counted
    if feature.shape in {"first", "last"}:
        assert of is not None, "the value of a property is kept"
        return partial(_value, of)

    def brought(look: Look, at: Micros, day: int) -> Iterator[Brought]:
        numbers: Several[int] = (1,) if of is None else _numbers(look(of))
        for key in ("",) if per is None else keys_in(look(per)):
            for number in numbers:
                yield Brought(at, day, key, 1 if counted else number)

    return brought


def _value(of: str, look: Look, at: Micros, day: int) -> Iterator[Brought]:
    value = scalar_of(look(of))
    if value is not None:
        yield Brought(at, day, "", 0, value)


def keys_in(value: Any) -> Iterable[str]:
    """The keys of a value, each once."""
    if type(value) is list:
        return dict.fromkeys(key for one in values_in(value) if (key := key_of(one)) is not None)
    key = key_of(value)
    return () if key is None else (key,)


def _numbers(value: Any) -> Several[int]:
    if type(value) is list:
        return [number for one in values_in(value) if (number := fixed(one)) is not None]
    number = fixed(value)
    return () if number is None else (number,)
