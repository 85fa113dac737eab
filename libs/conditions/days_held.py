"""On which days conditions hold, of all days at once: each as a whole number, a bit for each half of a day.

The bit 2n is the beginning of the day n, counted from some first day, and 2n + 1 is the day with its events; what is
negative holds for ever. So `all`, `any` and `not` are `&`, `|` and `~`. Each day comes into a window once and leaves it
once, so that an answer costs as much as there are days, however long the window is.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from itertools import accumulate
from operator import and_, or_
from typing import Final, NamedTuple

from libs.conditions.feature import Feature
from libs.conditions.features import Features
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.states import OLDER
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Moment, Not
from libs.conditions.windows import Between, Days, Ever, Window
from libs.runtime.clock import Micros

ALWAYS: Final = -1
NEVER: Final = 0
FAR: Final = 2**120
"""More than any sum."""


class Passing(NamedTuple):
    """The days of a window, and the bits at which they come and leave, in the order of time.

    `order` has the place of a day among `days` as it comes, and as it leaves, behind all of those.
    """

    days: list[int]
    bits: list[int]
    order: list[int]


class Past:
    """What is kept of a person, whose days are counted from the first."""

    __slots__ = ("_passing", "features", "first")

    def __init__(self, features: Features, first: int) -> None:
        self.features: Final = features
        self.first: Final = first
        self._passing: dict[tuple[int, Window], Passing] = {}

    def passing(self, key: int, numbers: Mapping[int, int], window: Window) -> Passing:
        """How the days of what is kept under a key pass through a window."""
        found = self._passing.get((key, window))
        if found is None:
            found = self._passing[key, window] = _passing(numbers, window, self.first)
        return found


DaysReader = Callable[[Past], int]
"""The days on which something holds of a person."""

Weigh = Callable[[int, int], int]


class _Limits(NamedTuple):
    """Between what the sum must lie of what the days in the window bring.

    A day brings what is weighed of its number and of how many that stands for, or else its number.
    """

    least: int
    most: int
    weigh: Weigh | None = None


def days_reader(condition: Condition, leaf: Callable[[Did], DaysReader]) -> DaysReader:
    """The function that finds the days on which a condition holds, by those of its leaves."""
    match condition:
        case All(parts) | AnyOf(parts):
            join, readers = and_ if isinstance(condition, All) else or_, [days_reader(part, leaf) for part in parts]
            return lambda past: reduce(join, [read(past) for read in readers])
        case Not(part):
            read = days_reader(part, leaf)
            return lambda past: ~read(past)
        case _:
            assert isinstance(condition, Did), "which was checked"
            return leaf(condition)


def days_of_moment(moment: Moment, kept: Feature, day_of: Callable[[Micros], int]) -> DaysReader:
    """A `did` that asks for its first time."""
    section, key = kept.section, kept.key

    def read(past: Past) -> int:
        span = past.features.sections[section].get(key)
        if span is None:
            return NEVER
        day = day_of(span[0])
        known = ALWAYS << 2 * (day - past.first) + 1
        lies = known
        match moment.window:
            case Days(days):
                lies &= ~(ALWAYS << 2 * (day - past.first + days))
            case Between() as dates if not _dated(day, dates):
                lies = NEVER
        return lies if moment.inside else known & ~lies

    return read


def days_of_amount(amount: Amount, kept: tuple[Feature, ...]) -> DaysReader:
    """A `did` that measures; `kept` are the numbers by day, and for an average how many each stands for."""
    (section, key), counted = (kept[0].section, kept[0].key), kept[1:]
    window, limits, reaches_back = amount.window, list(_limits(amount)), _reaches_back(amount.window)

    def read(past: Past) -> int:
        numbers = past.features.sections[section].get(key) or {}
        counts = numbers
        for one in counted:
            counts = past.features.sections[one.section].get(one.key) or {}
        passing = past.passing(key, numbers, window)
        held = ALWAYS
        for least, most, weigh in limits:
            if weigh is None:
                weights = [numbers[day] for day in passing.days]
                older = numbers.get(OLDER, 0) if reaches_back else 0
            else:
                weights = [weigh(numbers[day], counts[day]) for day in passing.days]
                older = weigh(numbers[OLDER], counts[OLDER]) if reaches_back and OLDER in numbers else 0
            held &= _within(passing, weights, older, least, most)
        return held

    return read


def _within(passing: Passing, weights: list[int], older: int, least: int, most: int) -> int:
    """When the sum of what is in the window lies between two numbers."""
    steps = [*weights, *[-weight for weight in weights]]
    was = least <= older <= most
    held = ALWAYS if was else NEVER
    sums = accumulate(map(steps.__getitem__, passing.order), initial=older)
    next(sums)
    for bit, lies in zip(passing.bits, [least <= total <= most for total in sums], strict=True):
        if lies is not was:
            was = lies
            held ^= ALWAYS << bit
    return held


def _passing(numbers: Mapping[int, int], window: Window, first: int) -> Passing:
    days = sorted(numbers)
    if days and days[0] == OLDER:
        del days[0]
    if isinstance(window, Between):
        days = [day for day in days if _dated(day, window)]
    bits = [2 * (day - first) + 1 for day in days]
    if not isinstance(window, Days):
        return Passing(days, bits, list(range(len(days))))
    bits += [2 * (day - first + window.days) for day in days]
    order = sorted(range(len(bits)), key=bits.__getitem__)
    return Passing(days, [bits[place] for place in order], order)


def _limits(amount: Amount) -> Iterator[_Limits]:
    """What a measure comes to: sums that must lie within limits, all of them."""
    bound = amount.bound or Bound()
    match amount.measure:
        case "count" if amount.bound:
            yield _Limits(_least(bound, SCALE), _most(bound, SCALE))
        case "sum" if amount.bound:
            yield _Limits(_least(bound), _most(bound))
        case "count" | "sum":
            yield _Limits(1, FAR, lambda _, __: 1)
        case "average":
            yield _Limits(1, FAR, lambda _, count: count)
            if bound.low is not None:
                low = bound.low
                yield _Limits(int(bound.low_open), FAR, lambda number, count: number - low * count)
            if bound.high is not None:
                high = bound.high
                yield _Limits(int(bound.high_open), FAR, lambda number, count: high * count - number)
        case "min" | "max" as measure:
            least, most = _least(bound), _most(bound)
            # One day beyond what the least or greatest may be forbids it, and one within allows it.
            if measure == "min":
                yield _Limits(0, 0, lambda number, _: int(number < least))
                yield _Limits(1, FAR, lambda number, _: int(number <= most))
            else:
                yield _Limits(0, 0, lambda number, _: int(number > most))
                yield _Limits(1, FAR, lambda number, _: int(number >= least))
        case measure:
            raise AssertionError(f"{measure} is not kept by the day")


def _least(bound: Bound, unit: int = 1) -> int:
    """The least whole number of units that meets a bound."""
    if bound.low is None:
        return -FAR
    return bound.low // unit + 1 if bound.low_open else -(-bound.low // unit)


def _most(bound: Bound, unit: int = 1) -> int:
    if bound.high is None:
        return FAR
    return -(-bound.high // unit) - 1 if bound.high_open else bound.high // unit


def _dated(day: int, dates: Between) -> bool:
    return (dates.first is None or day >= dates.first) and (dates.last is None or day <= dates.last)


def _reaches_back(window: Window) -> bool:
    """Whether all that is older than what is kept lies in a window."""
    return isinstance(window, Ever) or (isinstance(window, Between) and window.first is None)
