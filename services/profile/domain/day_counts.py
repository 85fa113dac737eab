"""Sums by day, exact, and bounded by time: the days before the newest `DAYS` are kept as one sum.

The bound hangs on the newest day *in the counts*, never on the clock. A day within it at the end was within it all
along, so that the order of arrival can't be seen in the result.
"""

from collections.abc import Mapping
from typing import Final

DayCounts = dict[int, int]
"""Day → sum; under `OLDER` the sum of all days before the newest `DAYS`."""

DAYS: Final = 400
OLDER: Final = -(2**31)

# Sums stop here, the most that the wire and the snapshot can hold. Only sums of non-negative numbers can come near
# (2**53 minor units an order), and for those stopping commutes.
LARGEST_SUM: Final = 2**63 - 1


def add(counts: DayCounts, day: int, amount: int) -> None:
    """Count an amount on a day."""
    known = counts.get(day)
    if known is not None:
        known += amount
        counts[day] = known if known < LARGEST_SUM else LARGEST_SUM  # noqa: FURB136  the call would cost 60 ns of 100
        return
    newest = max(counts) if counts else day
    if day <= newest - DAYS:
        counts[OLDER] = min(counts.get(OLDER, 0) + amount, LARGEST_SUM)
        return
    counts[day] = amount
    if day > newest and min(counts) <= day - DAYS:
        _fold_older(counts, day)


def union(a: Mapping[int, int], b: Mapping[int, int]) -> DayCounts:
    """Both together, as new counts."""
    united = dict(a)
    for day, amount in b.items():
        united[day] = min(united.get(day, 0) + amount, LARGEST_SUM)
    if united and min(united) <= (newest := max(united)) - DAYS:
        _fold_older(united, newest)
    return united


def total(counts: Mapping[int, int]) -> int:
    """All that was ever counted."""
    known = sum(counts.values())
    return known if known < LARGEST_SUM else LARGEST_SUM  # noqa: FURB136  as above


def within(counts: Mapping[int, int], today: int, days: int) -> int:
    """What was counted on the last `days` days, today included; exact for up to `DAYS`."""
    since = today - days
    return min(sum([amount for day, amount in counts.items() if since < day <= today]), LARGEST_SUM)


def _fold_older(counts: DayCounts, newest: int) -> None:
    gone = [day for day in counts if OLDER < day <= newest - DAYS]
    if gone:
        counts[OLDER] = min(counts.get(OLDER, 0) + sum([counts.pop(day) for day in gone]), LARGEST_SUM)
