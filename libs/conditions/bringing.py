"""What an event brings to a feature, compiled: the keys and numbers that it has for what is measured."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Several
from functools import partial
from typing import Any, Final

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event, entries_of, key_of, look_up, property_of, scalar_of, value_at, values_in
from libs.conditions.feature import Feature
from libs.conditions.features import Section
from libs.conditions.filters import check_of_entry
from libs.conditions.numbers import fixed
from libs.conditions.tree import Each
from libs.conditions.windows import Between
from libs.runtime.clock import Micros

Look = Callable[[str], Any]
Step = Callable[[Section, Event, Micros, int], None]
"""Notes what an event of a day brings in the section that its feature stands in."""

_ONE: Final = (("", 1),)


def step_of(feature: Feature, calendar: Calendar) -> Step:
    """How a feature takes in an event that passed its filter."""
    if feature.filter.each is not None:
        return _each_step(feature, feature.filter.each, calendar)
    if feature.dates is not None:
        return _dated_step(_event_step(feature, calendar), feature.dates)
    return _event_step(feature, calendar)


def _event_step(feature: Feature, calendar: Calendar) -> Step:
    key, noted = feature.key, feature.kind.noted
    if feature.of is None and feature.per is None:

        def step(section: Section, event: Event, at: Micros, day: int) -> None:
            section[key] = noted(section.get(key), at, day, "", 1)

        return step
    if feature.of is not None and feature.per is None and feature.shape not in {"first", "last"}:
        return _number_step(feature, look_up(feature.of, calendar))
    if feature.of is None and feature.per is not None:
        return _key_step(feature, look_up(feature.per, calendar))
    brought = _brought(feature)

    def step_of_values(section: Section, event: Event, at: Micros, day: int) -> None:
        for of, what in brought(partial(property_of, event, calendar)):
            section[key] = noted(section.get(key), at, day, of, what)

    return step_of_values


def _number_step(feature: Feature, looked_up: Callable[[Event], Any]) -> Step:
    """The commonest, without making lists of one."""
    key, noted, counted = feature.key, feature.kind.noted, feature.counted

    def step(section: Section, event: Event, at: Micros, day: int) -> None:
        value = looked_up(event)
        for number in _numbers(value) if type(value) is list else (fixed(value),):
            if number is not None:
                section[key] = noted(section.get(key), at, day, "", 1 if counted else number)

    return step


def _key_step(feature: Feature, looked_up: Callable[[Event], Any]) -> Step:
    key, noted = feature.key, feature.kind.noted

    def step(section: Section, event: Event, at: Micros, day: int) -> None:
        for of in keys_in(looked_up(event)):
            section[key] = noted(section.get(key), at, day, of, 1)

    return step


def _each_step(feature: Feature, each: Each, calendar: Calendar) -> Step:
    key, noted, brought = feature.key, feature.kind.noted, _brought(feature)
    listed, passes = each.property, check_of_entry(each.clauses, calendar)

    def step(section: Section, event: Event, at: Micros, day: int) -> None:
        for entry in entries_of(event.properties, listed):
            if passes(entry):
                for of, what in brought(partial(value_at, entry)):
                    section[key] = noted(section.get(key), at, day, of, what)

    return _dated_step(step, feature.dates) if feature.dates is not None else step


def _dated_step(step: Step, dates: Between) -> Step:
    first, last = dates.first, dates.last

    def dated(section: Section, event: Event, at: Micros, day: int) -> None:
        if (first is None or day >= first) and (last is None or day <= last):
            step(section, event, at, 0)  # all days are one: none is ever left behind

    return dated


def _brought(feature: Feature) -> Callable[[Look], Iterable[tuple[str, Any]]]:
    of, per, counted = feature.of, feature.per, feature.counted
    if feature.shape in {"first", "last"}:
        assert of is not None, "the value of a property is kept"
        return partial(_value, of)
    if of is None:
        return (lambda _: _ONE) if per is None else lambda look: [(key, 1) for key in keys_in(look(per))]
    if per is None:
        return lambda look: [("", 1 if counted else number) for number in _numbers(look(of))]
    return lambda look: [(key, 1 if counted else number) for key in keys_in(look(per)) for number in _numbers(look(of))]


def _value(of: str, look: Look) -> Iterator[tuple[str, Any]]:
    value = scalar_of(look(of))
    if value is not None:
        yield "", value


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
