"""Dates and times as values: read into days, and asked for anniversaries, ages and distances from today."""

from calendar import isleap
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, assert_never

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Anniversary, DatePart, FromToday, Years
from libs.conditions.numbers import SCALE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = date(1970, 1, 1).toordinal()
_LAST: Final = date.max.toordinal() - _FIRST
_DATE_LENGTH: Final = len("2026-11-11")


def day_of(value: Any, calendar: Calendar) -> int | None:
    """The day that a text names, in days since 1970-01-01; None for what is neither a date nor a time.

    A date, and a time without an offset, name their own day; a time with an offset the day of the calendar.
    """
    if not isinstance(value, str):
        return None
    try:
        if len(value) <= _DATE_LENGTH:
            return date.fromisoformat(value).toordinal() - _FIRST
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return moment.toordinal() - _FIRST
        return calendar.day((moment - _EPOCH) // timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return None


def part_holds(test: DatePart, day: int, today: int) -> bool:
    """Whether a day passes a test on some day."""
    match test:
        case Anniversary(before, after):
            return any(-after <= each - today <= before for each in _anniversaries(day, today))
        case Years(bound):
            return bound.holds(years(day, today) * SCALE)
        case FromToday(low, high):
            ahead = day - today
            return (low is None or ahead >= low) and (high is None or ahead <= high)
        case _:
            assert_never(test)


def part_changes(test: DatePart, day: int, today: int) -> int | None:
    """The first later day on which a day may pass where it did not, or the reverse; None if there is none."""
    match test:
        case Anniversary(before, after):
            days = [edge for each in _anniversaries(day, today) for edge in (each - before, each + after + 1)]
        case Years():
            days = list(_anniversaries(day, today))
        case FromToday(low, high):
            days = [day - high] if high is not None else []
            if low is not None:
                days.append(day - low + 1)
        case _:
            assert_never(test)
    return min((each for each in days if today < each <= _LAST), default=None)


def years(day: int, today: int) -> int:
    """Full years from a day to today; negative if it lies ahead."""
    then, now = date.fromordinal(day + _FIRST), date.fromordinal(today + _FIRST)
    passed = _anniversary(then, now.year) <= today
    return now.year - then.year - (0 if passed else 1)


def _anniversaries(day: int, today: int) -> Iterator[int]:
    """The anniversaries of the years around a day."""
    then, year = date.fromordinal(day + _FIRST), date.fromordinal(today + _FIRST).year
    return (_anniversary(then, each) for each in (year - 1, year, year + 1, year + 2))


def _anniversary(then: date, year: int) -> int:
    of_month = 28 if (then.month, then.day) == (2, 29) and not isleap(year) else then.day
    return date(year, then.month, of_month).toordinal() - _FIRST
