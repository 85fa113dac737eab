"""Whether values and events meet what is asked of them, one at a time."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, assert_never

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import (
    Contains,
    Dated,
    EndsWith,
    Exists,
    InBound,
    OneOf,
    Scalar,
    StartsWith,
    Timeless,
)
from libs.conditions.dates import day_of
from libs.conditions.event import Event, entries_of, property_of, value_at, values_in
from libs.conditions.numbers import fixed
from libs.conditions.tree import Clause, Elements

Lookup = Callable[[str], Any]


def meets(event: Event, where: Iterable[Clause | Elements], calendar: Calendar) -> bool:
    """Whether an event meets all clauses."""
    return all(_meets(event, clause, calendar) for clause in where)


def meets_all(lookup: Lookup, clauses: Iterable[Clause], calendar: Calendar) -> bool:
    """Whether something whose properties are looked up meets all clauses."""
    return all(asks(lookup(one.property), one.test, one.negated, calendar) for one in clauses)


def asks(value: Any, test: Timeless, negated: bool, calendar: Calendar) -> bool:
    """Whether a value passes a test; of a list one entry is enough, and what is not there passes none."""
    return any(passes(one, test, calendar) for one in values_in(value)) != negated


def passes(value: Any, test: Timeless, calendar: Calendar) -> bool:  # noqa: PLR0911  a case for each kind
    """Whether one value, which is no list, passes a test."""
    match test:
        case OneOf(wanted):
            return any(same(value, one) for one in wanted)
        case Exists():
            return True
        case InBound(bound):
            number = fixed(value)
            return number is not None and bound.holds(number)
        case Contains(text):
            return isinstance(value, str) and text.casefold() in value.casefold()
        case StartsWith(text):
            return isinstance(value, str) and value.casefold().startswith(text.casefold())
        case EndsWith(text):
            return isinstance(value, str) and value.casefold().endswith(text.casefold())
        case Dated(first, last):
            day = day_of(value, calendar)
            return day is not None and (first is None or day >= first) and (last is None or day <= last)
        case _:
            assert_never(test)


def same(value: Any, wanted: Scalar) -> bool:
    """Whether two scalars are one value: 3 and 3.0 are, true and 1 are not."""
    return (isinstance(value, bool) is isinstance(wanted, bool)) and bool(value == wanted)


def _meets(event: Event, clause: Clause | Elements, calendar: Calendar) -> bool:
    match clause:
        case Clause():
            return meets_all(lambda path: property_of(event, calendar, path), (clause,), calendar)
        case Elements(path, quantifier, clauses):
            entries = entries_of(event.properties, path)
            met = [meets_all(partial(value_at, entry), clauses, calendar) for entry in entries]
            return any(met) if quantifier == "any" else bool(met) and all(met)
        case _:
            assert_never(clause)
