"""The commonest questions, answered in a fraction of the time: at least so many, or so much, of late.

What only has to be large enough falls as time goes on, as long as no number is negative: counted from the newest on,
what makes it enough is what will leave last before it is too little.
Everything else is left to the general way, which would answer these the same.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from libs.conditions.calendar import Calendar
from libs.conditions.feature import Feature
from libs.conditions.numbers import SCALE, shown
from libs.conditions.seen import NO, Reader, Seen
from libs.conditions.standing import Answer
from libs.conditions.tree import Amount
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import Micros

_NOTHING: Final = Answer(holds=False, value=0)


def rising_reader(amount: Amount, feature: Feature, calendar: Calendar, general: Reader) -> Reader | None:
    """A quick answer to a measure that rises with its events; None for one that does not."""
    bound = amount.bound
    if amount.measure not in {"count", "sum"} or bound is None or bound.high is not None:
        return None
    if bound.low is None or bound.low <= 0 or bound.low_open:
        return None
    counts = amount.measure == "count"
    asked = _Asked(feature.section, feature.key, -(-bound.low // SCALE) if counts else bound.low, counts)
    match amount.window:
        case Days(days):
            by_key = amount.per is not None
            return (_of_days_by_key if by_key else _of_days)(asked, days, calendar.start_of, general)
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
    counts: bool


def _of_days(asked: _Asked, days: int, start_of: Callable[[int], Micros], general: Reader) -> Reader:
    section, key, low, counts = asked

    def read(seen: Seen) -> Answer:
        state: Mapping[int, int] | None = seen.sections[section].get(key)
        if state is None:
            return _NOTHING
        today = seen.today
        since = today - days
        total, last = 0, None
        for day in sorted(state, reverse=True):
            if day <= since:
                break
            number = state[day]
            if day > today or number < 0:
                return general(seen)
            total += number
            if last is None and total >= low:
                last = day
        falls_at = None if last is None else start_of(last + days)
        return Answer(last is not None, falls_at, total if counts else shown(total))

    return read


def _of_days_by_key(asked: _Asked, days: int, start_of: Callable[[int], Micros], general: Reader) -> Reader:
    section, key, low, counts = asked

    def read(seen: Seen) -> Answer:
        state: Mapping[int, Mapping[str, int]] | None = seen.sections[section].get(key)
        if state is None:
            return NO
        today = seen.today
        since = today - days
        totals: dict[str, int] = {}
        last = None
        for day in sorted(state, reverse=True):
            if day <= since:
                break
            if day > today:
                return general(seen)
            for of, number in state[day].items():
                if number < 0:
                    return general(seen)
                total = totals[of] = totals.get(of, 0) + number
                if last is None and total >= low:
                    last = day
        return _most(totals, None if last is None else start_of(last + days), counts)

    return read


def _of_hours(asked: _Asked, micros: Micros, general: Reader) -> Reader:
    section, key, low, counts = asked

    def read(seen: Seen) -> Answer:
        state: list[list[Any]] | None = seen.sections[section].get(key)
        if state is None:
            return _NOTHING
        since = max(seen.now, state[-1][0]) - micros
        total, falls_at = 0, None
        for at, _, number in reversed(state):
            if at <= since:
                break
            if number < 0:
                return general(seen)
            total += number
            if falls_at is None and total >= low:
                falls_at = at + micros
        return Answer(falls_at is not None, falls_at, total if counts else shown(total))

    return read


def _of_hours_by_key(asked: _Asked, micros: Micros, general: Reader) -> Reader:
    section, key, low, counts = asked

    def read(seen: Seen) -> Answer:
        state: list[list[Any]] | None = seen.sections[section].get(key)
        if state is None:
            return NO
        since = max(seen.now, state[-1][0]) - micros
        totals: dict[str, int] = {}
        falls_at = None
        for at, of, number in reversed(state):
            if at <= since:
                break
            if number < 0:
                return general(seen)
            total = totals[of] = totals.get(of, 0) + number
            if falls_at is None and total >= low:
                falls_at = at + micros
        return _most(totals, falls_at, counts)

    return read


def _most(totals: Mapping[str, int], falls_at: Micros | None, counts: bool) -> Answer:
    """The answer for the key that has most, of equals the first; it holds until the last of those that do falls:
    of those, whose newest alone are enough, which going back from the newest is the first to be met.
    """
    if not totals:
        return NO
    most = max(totals.values())
    key = min([key for key, total in totals.items() if total == most])
    return Answer(falls_at is not None, falls_at, most if counts else shown(most), key)
