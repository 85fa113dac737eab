"""On which days conditions hold, of all days at once: each as a whole number, a bit for each half of a day.

The bit 2n is the beginning of the day n, counted from some first day, and 2n + 1 is the day with its events; what is
negative holds for ever. So `all`, `any` and `not` are `&`, `|` and `~`. Each day comes into a window once and leaves it
once, so that an answer costs as much as there are days, however long the window is.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, or_
from typing import Final

from libs.conditions.feature import Feature
from libs.conditions.features import Features
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.states import OLDER
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Measure, Moment, Not
from libs.conditions.windows import Between, Days, Ever, Window
from libs.runtime.clock import Micros

DaysReader = Callable[[Features, int], int]
"""The days on which something holds of a person, counted from the one given."""

Weighed = tuple[int, int]
"""What a day brings to a measure: see `_weigher`."""

ALWAYS: Final = -1
NEVER: Final = 0


def begun(day: int) -> int:
    """From the beginning of a day on; the day is counted from the first."""
    return ALWAYS << 2 * day


def whole(day: int) -> int:
    """From the events of a day on."""
    return ALWAYS << 2 * day + 1


def days_reader(condition: Condition, leaf: Callable[[Did], DaysReader]) -> DaysReader:
    """The function that finds the days on which a condition holds, by those of its leaves."""
    match condition:
        case All(parts) | AnyOf(parts):
            join, readers = and_ if isinstance(condition, All) else or_, [days_reader(part, leaf) for part in parts]
            return lambda features, first: reduce(join, (read(features, first) for read in readers))
        case Not(part):
            read = days_reader(part, leaf)
            return lambda features, first: ~read(features, first)
        case _:
            assert isinstance(condition, Did), "which was checked"
            return leaf(condition)


def days_of_moment(moment: Moment, kept: Feature, day_of: Callable[[Micros], int]) -> DaysReader:
    """A `did` that asks for its first time."""
    section, key = kept.section, kept.key

    def read(features: Features, first: int) -> int:
        span = features.sections[section].get(key)
        if span is None:
            return NEVER
        day = day_of(span[0])
        known = whole(day - first)
        lies = known
        match moment.window:
            case Days(days):
                lies &= ~begun(day - first + days)
            case Between() as dates if not dated(day, dates):
                lies = NEVER
        return lies if moment.inside else known & ~lies

    return read


def days_of_amount(amount: Amount, kept: tuple[Feature, ...]) -> DaysReader:
    """A `did` that measures; `kept` are the numbers by day, and for an average how many each stands for."""
    places = [(one.section, one.key) for one in kept]
    window, weigh, holds = amount.window, _weigher(amount.measure, amount.bound), _holder(amount)

    def read(features: Features, first: int) -> int:
        numbers, *others = (features.sections[section].get(key, _NOTHING) for section, key in places)
        counts = others[0] if others else None
        days = sorted(
            day for day in numbers if day != OLDER and (not isinstance(window, Between) or dated(day, window))
        )
        weighed = [weigh(numbers[day], 1 if counts is None else counts[day]) for day in days]
        total, of = 0, 0
        if OLDER in numbers and _reaches_back(window):
            total, of = weigh(numbers[OLDER], 1 if counts is None else counts[OLDER])
        comes = [2 * (day - first) + 1 for day in days]
        leaves = [2 * (day - first + window.days) for day in days] if isinstance(window, Days) else []
        return _swept(comes, leaves, weighed, (total, of), holds)

    return read


def _swept(
    comes: list[int], leaves: list[int], weighed: list[Weighed], older: Weighed, holds: Callable[[int, int], bool]
) -> int:
    """Let what days bring come into the window and leave it, and note where the answer turns."""
    total, of = older
    held = holds(total, of)
    bits = ALWAYS if held else NEVER
    coming, leaving, last = 0, 0, len(comes)
    while coming < last or leaving < len(leaves):
        if coming < last and not (leaves and leaves[leaving] < comes[coming]):
            at, (number, count) = comes[coming], weighed[coming]
            total, of, coming = total + number, of + count, coming + 1
        else:
            at, (number, count) = leaves[leaving], weighed[leaving]
            total, of, leaving = total - number, of - count, leaving + 1
        if holds(total, of) is not held:
            held = not held
            bits ^= ALWAYS << at
    return bits


def _weigher(measure: Measure, bound: Bound | None) -> Callable[[int, int], Weighed]:
    """What the number of a day, and how many it stands for, add: to a sum, and to what it is of.

    Of a least or greatest value, days are added that forbid the answer, and days that allow it.
    """
    match measure:
        case "count":
            return lambda number, count: (number * SCALE, count)
        case "sum" | "average":
            return lambda number, count: (number, count)
        case "min" | "max":
            limits = bound or Bound()
            lower = Bound(low=limits.low, low_open=limits.low_open).holds
            upper = Bound(high=limits.high, high_open=limits.high_open).holds
            within, other = (lower, upper) if measure == "min" else (upper, lower)
            return lambda number, _: (0, int(other(number))) if within(number) else (1, 0)
        case _:
            raise AssertionError(f"{measure} is not kept by the day")


def _holder(amount: Amount) -> Callable[[int, int], bool]:
    bound, measure = amount.bound, amount.measure
    if measure in {"min", "max"}:
        return lambda forbid, allow: forbid == 0 and allow > 0
    if bound is None:
        return lambda _, of: of > 0
    passes = bound.holds
    if measure == "average":
        return lambda total, of: of > 0 and passes(total, of)
    return lambda total, _: passes(total)


def dated(day: int, dates: Between) -> bool:
    """Whether a day lies between dates."""
    return (dates.first is None or day >= dates.first) and (dates.last is None or day <= dates.last)


def _reaches_back(window: Window) -> bool:
    """Whether all that is older than what is kept lies in a window."""
    match window:
        case Ever():
            return True
        case Between(first):
            return first is None
        case _:
            return False


_NOTHING: Final[Mapping[int, int]] = {}
