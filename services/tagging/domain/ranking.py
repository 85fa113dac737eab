"""A score by rank: where somebody's number lies among everybody's, who are cut into parts of equal size.

Everybody is measured as of the beginning of the day of a cut, before anything of that day. The thresholds are the
exact percentiles of these numbers by nearest rank: the j-th of p parts ends at number ceil(n x j / p) of n in order
(https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method), so equal numbers are always in one part. Until the
next cut people move between the parts by what they do, and the thresholds stay.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from libs.conditions.numbers import SCALE
from libs.conditions.states import OLDER
from libs.conditions.tree import Amount
from libs.conditions.windows import Days as Window
from services.tagging.domain.decay import Contribution
from services.tagging.domain.score import UNKNOWN, ByRank, Days, Scored, level_of
from services.tagging.domain.score_reading import LONGEST_RANKED

_ALWAYS: Final = OLDER - 1


def thresholds(numbers: Sequence[int], parts: int) -> tuple[int, ...]:
    """The last number of each part but the highest; none where there are no numbers, which must be in order."""
    count = len(numbers)
    return tuple(numbers[-(-count * part // parts) - 1] for part in range(1, parts)) if numbers else ()


def number_at_cut(rank: ByRank, kept: Sequence[Days], day: int) -> int | None:
    """What somebody counts among everybody at a cut, before anything of its day; None for nothing.

    Days of a first or last moment that are longer ago than is ever ranked are all the same: whether they are still
    kept apart hangs on what happened since.
    """
    number = _number(rank, kept, day, day - 1)
    return number if number is None or rank.edge is None else max(number, day - LONGEST_RANKED)


def number_on(rank: ByRank, kept: Sequence[Days], day: int) -> int | None:
    """What is measured of somebody on a day, with what has happened of it: ten-thousandths, rounded down, or the day of
    a first or last moment. None where nothing is, or the tag's condition does not hold.
    """
    return _number(rank, kept, day, day)


def scored(rank: ByRank, cut: Sequence[int], kept: Sequence[Days], day: int) -> Scored:
    """The score of a day by the thresholds of a cut."""
    value = _value(rank, cut, number_on(rank, kept, day))
    return UNKNOWN if value is None else Scored(value, level_of(rank.levels, value), 1)


def contributions(rank: ByRank, kept: Sequence[Days], day: int) -> list[Contribution]:
    """What is measured of somebody on a day, or the day of their moment; nothing where nothing is."""
    number = number_on(rank, kept, day)
    if number is None:
        return []
    return [Contribution("rank", 1, number if rank.edge is not None else number / SCALE)]


def changes_on(rank: ByRank, cut: Sequence[int], kept: Sequence[Days], day: int) -> int | None:
    """The first day after this one on which the score is another by time alone; None for never. It may be too early."""
    ahead = min((one for days in kept for one in days if one > day), default=None)
    leaves = None if rank.edge is not None else _leaves_on(rank, cut, kept, day)
    return leaves if ahead is None else ahead if leaves is None else min(ahead, leaves)


def _value(rank: ByRank, cut: Sequence[int], number: int | None) -> int | None:
    """The share of everybody whose part is no higher, in ten-thousandths; None where there is no cut, or number."""
    if number is None or not cut:
        return None
    return (bisect_left(cut, number) + 1) * SCALE // rank.parts


def _number(rank: ByRank, kept: Sequence[Days], today: int, last: int) -> int | None:
    """What is measured on a day of what lies on no later one than another."""
    since = _since(rank, today)
    days = [one for one in kept[0] if since < one <= last]
    if not days:
        return None
    if rank.edge is not None:
        return max(days) if rank.edge == "last" else min(days)
    return _bounded(rank, sum(kept[0][one] for one in days), _readings(rank, kept, days))


def _since(rank: ByRank, today: int) -> int:
    test = rank.did.test
    assert isinstance(test, Amount)
    return today - test.window.days if isinstance(test.window, Window) else _ALWAYS


def _readings(rank: ByRank, kept: Sequence[Days], days: Sequence[int]) -> int:
    return sum(kept[1][one] for one in days) if len(kept) > 1 else 1


def _bounded(rank: ByRank, total: int, readings: int) -> int | None:
    test = rank.did.test
    assert isinstance(test, Amount)
    total = total * SCALE if test.measure == "count" else total
    if test.bound is not None and not test.bound.holds(total, readings):
        return None
    return total // readings


def _leaves_on(rank: ByRank, cut: Sequence[int], kept: Sequence[Days], today: int) -> int | None:
    """The first day on which enough has left the window for another score."""
    test = rank.did.test
    assert isinstance(test, Amount)
    if not isinstance(test.window, Window):
        return None
    days = sorted(one for one in kept[0] if today - test.window.days < one <= today)
    before, *later = [_value(rank, cut, one) for one in _emptying(rank, kept, days)] or [None]
    return next((day + test.window.days for day, one in zip(days, later, strict=True) if one != before), None)


def _emptying(rank: ByRank, kept: Sequence[Days], days: Sequence[int]) -> Iterator[int | None]:
    """What is measured of all these days, and then as one after the other leaves."""
    total, readings = sum(kept[0][one] for one in days), _readings(rank, kept, days)
    for gone in days:
        yield _bounded(rank, total, readings)
        total -= kept[0][gone]
        readings -= kept[1][gone] if len(kept) > 1 else 0
    yield None
