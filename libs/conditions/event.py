"""An event as conditions see it, and how its properties are found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import LARGEST
from libs.conditions.tree import HOUR_OF_DAY, SOURCE
from libs.runtime.clock import Micros

LONGEST_KEY: Final = 128
"""Characters of a value by which events are grouped; of longer ones the beginning counts."""

_NOTHING: Final[Mapping[str, Any]] = {}


class Event(msgspec.Struct, frozen=True, gc=False):
    """What happened: `name` in snake_case, `occurred_at` clamped to its arrival, the rest as collected.

    `traits` are what the event says of its person, as the document has them: a value, or `{"value": …, "verified": …}`.
    """

    id: bytes
    name: str
    occurred_at: Micros
    properties: Mapping[str, Any] = _NOTHING
    traits: Mapping[str, Any] = _NOTHING
    source: str = ""


def value_at(properties: Mapping[str, Any], path: str) -> Any:
    """The value of a property, None where there is none; "cart.total" is also the total within the cart."""
    value = properties.get(path)
    if value is not None or "." not in path:
        return value
    inside: Any = properties
    for name in path.split("."):
        if not isinstance(inside, dict):
            return None
        inside = inside.get(name)
    return inside


def look_up(path: str, calendar: Calendar) -> Callable[[Event], Any]:
    """What finds a property of events; the same as `property_of`, the path looked at once."""
    if path == SOURCE:
        return lambda event: event.source or None
    if path == HOUR_OF_DAY:
        return lambda event: calendar.hour(event.occurred_at)
    if "." in path:
        return lambda event: value_at(event.properties, path)
    return lambda event: event.properties.get(path)


def property_of(event: Event, calendar: Calendar, path: str) -> Any:
    """The value of a property of an event, its source and its hour by the tenant's calendar included."""
    if path == HOUR_OF_DAY:
        return calendar.hour(event.occurred_at)
    return event.source or None if path == SOURCE else value_at(event.properties, path)


def entries_of(properties: Mapping[str, Any], path: str) -> Sequence[Mapping[str, Any]]:
    """The entries of a list that are objects; none where there is no list."""
    value = value_at(properties, path)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else ()


def values_in(value: Any) -> Sequence[Any]:
    """The values that a property has: the entries of a list, or itself; nulls are none."""
    if isinstance(value, list):
        return [one for one in value if one is not None]
    return () if value is None else (value,)


def key_of(value: Any) -> str | None:
    """The text by which equal values are known; None for what can't be one: an object, a list, an empty text."""
    kind = type(value)
    if kind is str:
        return value[:LONGEST_KEY] or None
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def scalar_of(value: Any) -> Scalar | None:
    """What is kept of a value, the first entry of a list; None for what is no scalar, or a number beyond measure."""
    for one in values_in(value):
        if isinstance(one, str):
            return one[:LONGEST_KEY] or None
        if isinstance(one, bool) or (isinstance(one, int | float) and -LARGEST <= one <= LARGEST):
            return one
        return None
    return None


def scalar_order(scalar: Scalar) -> tuple[str, str]:
    """What puts scalars into one order, whatever their types."""
    return key_of(scalar) or "", type(scalar).__name__
