"""Stretches of time that end now, or lie between two dates; and how their lengths are written."""

import re
from datetime import date
from typing import Final

import msgspec

from libs.runtime.clock import SECOND, Micros

MOST_DAYS: Final = 400
MOST_HOURS: Final = 72
HOUR: Final[Micros] = 3600 * SECOND

_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,3})([dh])").fullmatch
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Ever(msgspec.Struct, frozen=True, gc=False):
    """All of the past."""


class Days(msgspec.Struct, frozen=True, gc=False):
    """The last so many days of the tenant's calendar, today included."""

    days: int


class Hours(msgspec.Struct, frozen=True, gc=False):
    """The last so many hours, to the microsecond; what happened exactly so long ago is outside."""

    hours: int

    @property
    def micros(self) -> Micros:
        return self.hours * HOUR


class Between(msgspec.Struct, frozen=True, gc=False):
    """From one day of the tenant's calendar to another, both included, counted from 1970-01-01; None is no end."""

    first: int | None
    last: int | None


Window = Ever | Days | Hours | Between
Length = Days | Hours
EVER: Final = Ever()


def read_length(text: str) -> Length | None:
    """Read "7d" or "36h"; None for what is neither, whatever its size."""
    found = _WRITTEN(text)
    if found is None:
        return None
    number = int(found[1])
    return Days(number) if found[2] == "d" else Hours(number)


def write_length(length: Length) -> str:
    """The text that `read_length` reads."""
    return f"{length.days}d" if isinstance(length, Days) else f"{length.hours}h"


def read_day(text: str) -> int | None:
    """Read "2026-11-11" as days since 1970-01-01; None for what is no date."""
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        return None


def write_day(day: int) -> str:
    """The text that `read_day` reads."""
    return date.fromordinal(day + _EPOCH).isoformat()
