"""The commonest questions, answered in a fraction of the time: at least so many, or so much, of late.

What only has to be large enough falls as time goes on, as long as no number is negative: nothing needs to be sorted
until it holds. Everything else is left to the general way, which would answer these the same.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from libs.conditions.calendar import Calendar
from libs.conditions.feature import Feature
from libs.conditions.numbers import SCALE
from libs.conditions.seen import NO, Reader, Result, Seen
from libs.conditions.tree import Amount
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import Micros


def rising_reader(amount: Amount, feature: Feature, calendar: Calendar, general: Reader) -> Reader | None:
    """A quick answer to a measure that rises with its events; None for one that does not."""
    bound = amount.bound
    if amount.measure not in {"count", "sum"} or bound is None or bound.high is not None:
        return None
    if bound.low is None or bound.low <= 0 or bound.low_open:
        return None
    unit = SCALE if amount.measure == "count" else 1
    asked = _Asked(feature.section, feature.key, -(-bound.low // unit), unit)
    match amount.window:
        case Days(days):
            fall = _Fall(asked.low, days, calendar)
            return _of_days(asked, fall, general) if amount.per is None else _of_days_by_key(asked, fall, general)
        case Hours():
            micros = amount.window.micros
            by_key = amount.per is not None
            return _of_hours_by_key(asked, micros, general) if by_key else _of_hours(asked, micros, general)
        case _:
            return None


class _Asked(NamedTuple):
    section: int
    key: int
    low: int
    unit: int


class _Fall(NamedTuple):
    low: int
    days: int
    calendar: Calendar

    def at(self, numbers: Mapping[int, int], since: int, total: int) -> Micros:
        """The moment at which too much will have left the window."""
        for day in sorted(numbers):
            if day > since:
                total -= numbers[day]
                if total < self.low:
                    return self.calendar.start_of(day + self.days)
        raise AssertionError("nothing is left and still enough")


def _of_days(asked: _Asked, fall: _Fall, general: Reader) -> Reader:
    section, key, low, unit = asked
    days, falls_at = fall.days, fall.at

    def read(seen: Seen) -> Result:
        held = seen.features.section(section)
        state: Mapping[int, int] | None = None if held is None else held.get(key)
        if state is None:
            return Result(False, None, (0, 1))
        today = seen.today
        since = today - days
        total = 0
        for day, number in state.items():
            if day > since:
                if day > today or number < 0:
                    return general(seen)
                total += number
        if total < low:
            return Result(False, None, (total * unit, 1))
        return Result(True, falls_at(state, since, total), (total * unit, 1))

    return read


def _of_days_by_key(asked: _Asked, fall: _Fall, general: Reader) -> Reader:
    section, key, low, unit = asked
    days, start_of = fall.days, fall.calendar.start_of

    def read(seen: Seen) -> Result:
        held = seen.features.section(section)
        state: Mapping[int, Mapping[str, int]] | None = None if held is None else held.get(key)
        if state is None:
            return NO
        since = seen.today - days
        totals: dict[str, int] = {}
        falls: dict[str, int] = {}
        for day in sorted(state, reverse=True):
            if day <= since:
                break
            if day > seen.today:
                return general(seen)
            for of, number in state[day].items():
                if number < 0:
                    return general(seen)
                total = totals[of] = totals.get(of, 0) + number
                if total >= low:
                    falls.setdefault(of, day)
        return _most(totals, start_of(max(falls.values()) + days) if falls else None, unit)

    return read


def _of_hours(asked: _Asked, micros: Micros, general: Reader) -> Reader:
    section, key, low, unit = asked

    def read(seen: Seen) -> Result:
        held = seen.features.section(section)
        state: list[list[Any]] | None = None if held is None else held.get(key)
        if state is None:
            return Result(False, None, (0, 1))
        since = max(seen.now, state[-1][0]) - micros
        total, falls = 0, None
        for at, _, number in reversed(state):
            if at <= since:
                break
            if number < 0:
                return general(seen)
            total += number
            if falls is None and total >= low:
                falls = at + micros
        return Result(falls is not None, falls, (total * unit, 1))

    return read


def _of_hours_by_key(asked: _Asked, micros: Micros, general: Reader) -> Reader:
    section, key, low, unit = asked

    def read(seen: Seen) -> Result:
        held = seen.features.section(section)
        state: list[list[Any]] | None = None if held is None else held.get(key)
        if state is None:
            return NO
        since = max(seen.now, state[-1][0]) - micros
        totals: dict[str, int] = {}
        falls: dict[str, Micros] = {}
        for at, of, number in reversed(state):
            if at <= since:
                break
            if number < 0:
                return general(seen)
            total = totals[of] = totals.get(of, 0) + number
            if total >= low:
                falls.setdefault(of, at + micros)
        return _most(totals, max(falls.values()) if falls else None, unit)

    return read


def _most(totals: Mapping[str, int], falls_at: Micros | None, unit: int) -> Result:
    """The answer for the key that has most, of equals the first; it holds until the last of those that do falls."""
    if not totals:
        return NO
    most = max(totals.values())
    key = min(key for key, total in totals.items() if total == most)
    return Result(falls_at is not None, falls_at, (most * unit, 1), None, key)
