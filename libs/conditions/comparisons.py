"""What can be asked of one value: of a property of an event, of a trait, of a tag."""

from typing import Final

import msgspec

from libs.conditions.numbers import Bound

Scalar = str | int | float | bool


class OneOf(msgspec.Struct, frozen=True, gc=False):
    """It is one of these; 3 and 3.0 are the same, true and 1 and "1" are not."""

    values: tuple[Scalar, ...]

    # To Python true equals 1: whoever asks for the one would share what is kept for the other.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneOf) and self._told_apart() == other._told_apart()

    __hash__ = msgspec.Struct.__hash__  # which a class that says what is equal would lose

    def _told_apart(self) -> list[tuple[bool, Scalar]]:
        return [(isinstance(one, bool), one) for one in self.values]


class Exists(msgspec.Struct, frozen=True, gc=False):
    """It is there and not null."""


class InBound(msgspec.Struct, frozen=True, gc=False):
    """It is a number, or a text that writes one, within a bound."""

    bound: Bound


class Contains(msgspec.Struct, frozen=True, gc=False):
    """It is a text with this in it, in capitals or not."""

    text: str


class StartsWith(msgspec.Struct, frozen=True, gc=False):
    """It is a text that starts with this, in capitals or not."""

    text: str


class EndsWith(msgspec.Struct, frozen=True, gc=False):
    """It is a text that ends with this, in capitals or not."""

    text: str


class Dated(msgspec.Struct, frozen=True, gc=False):
    """It is a date or a time on one of these days of the tenant's calendar, both included; None is no end."""

    first: int | None
    last: int | None


class Anniversary(msgspec.Struct, frozen=True, gc=False):
    """It is a date whose day of the year is at most so many days ahead, or behind, in the person's zone.

    Of 29 February the anniversary in other years is 28 February.
    """

    days_before: int = 0
    days_after: int = 0


class Years(msgspec.Struct, frozen=True, gc=False):
    """It is a date that lies so many full years back in the person's zone, as ages are counted."""

    bound: Bound


class FromToday(msgspec.Struct, frozen=True, gc=False):
    """It is a date so many days ahead of the person's today; what is past is negative. None is no end."""

    at_least: int | None
    at_most: int | None


Timeless = OneOf | Exists | InBound | Contains | StartsWith | EndsWith | Dated
DatePart = Anniversary | Years | FromToday
Test = Timeless | DatePart

EXISTS: Final = Exists()
