"""How far chance alone may move what is counted: intervals for a share, a ratio of shares, a difference of medians.

A group is read as a draw from customers of its kind: its figures are exact, and the intervals say how much of them
another such draw would repeat. All are of 95 %.
"""

from math import comb, inf, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Z: Final = NormalDist().inv_cdf(0.975)

_PRECISE: Final = 1e-7
_COUNTED: Final = 1_000
"""Up to so many values the chance of a rank is counted exactly; the normal curve is as good for more."""


class Estimate(NamedTuple):
    """A figure and the ends of its interval; `high` may be infinite, and so may `value` with it."""

    value: float
    low: float
    high: float


def share(part: int, of: int) -> Estimate | None:
    """A share with the score interval of Wilson (1927), which is right for rare things and for few; None of nobody."""
    if of == 0:
        return None
    shared, over = part / of, 1 + Z * Z / of
    middle = (shared + Z * Z / (2 * of)) / over
    half = Z * sqrt(shared * (1 - shared) / of + Z * Z / (4 * of * of)) / over
    low = 0.0 if part == 0 else max(0.0, middle - half)
    return Estimate(shared, low, 1.0 if part == of else min(1.0, middle + half))


def ratio(part: int, of: int, other: int, of_other: int) -> Estimate | None:
    """How many times the share of others a share is, with the score interval of Koopman (1984).

    None where either is of nobody or both shares are 0. It needs no correction where one share is 0 or 1.
    """
    if of == 0 or of_other == 0 or part + other == 0:
        return None
    value = part * of_other / (of * other) if other else inf
    reverse = _highest(other, of_other, part, of)
    return Estimate(value, 1 / reverse, _highest(part, of, other, of_other))


def median_difference(values: NDArray[np.int64], others: NDArray[np.int64]) -> Estimate | None:
    """By how much the median of values is above that of others, as Price and Bonett (2002) bound it, whatever the
    distributions; both sorted. None where there are fewer than two of either.
    """
    if min(len(values), len(others)) < 2:  # noqa: PLR2004  one value has no spread
        return None
    difference = _median(values) - _median(others)
    half = Z * sqrt(_variance_of_median(values) + _variance_of_median(others))
    return Estimate(difference, difference - half, difference + half)


def _highest(part: int, of: int, other: int, of_other: int) -> float:
    """The greatest ratio of two shares that what was counted does not contradict."""
    if other == 0:
        return inf
    low = part * of_other / (of * other) or _PRECISE * of_other / (of * other)
    high = 2 * low
    while _contradicts(high, part, of, other, of_other) <= Z * Z:
        low, high = high, 2 * high
    while high - low > _PRECISE * low:
        middle = (low + high) / 2
        if _contradicts(middle, part, of, other, of_other) <= Z * Z:
            low = middle
        else:
            high = middle
    return high


def _contradicts(ratio_: float, part: int, of: int, other: int, of_other: int) -> float:
    """Pearson's chi-square of the counts, if shares had this ratio and were otherwise as likely as can be."""
    both, all_ = part + other, of + of_other
    linear = ratio_ * (of + other) + part + of_other
    root = sqrt(max(0.0, linear * linear - 4 * ratio_ * all_ * both))
    shared = 2 * ratio_ * both / (linear + root)  # so written, nothing cancels out
    return _deviation(part, of, shared) + _deviation(other, of_other, shared / ratio_)


def _deviation(part: int, of: int, shared: float) -> float:
    spread = of * shared * (1 - shared)
    return (part - of * shared) ** 2 / spread if spread > 0 else 0.0


def _median(values: NDArray[np.int64]) -> float:
    half = len(values) // 2
    return float(values[half]) if len(values) % 2 else (float(values[half - 1]) + float(values[half])) / 2


def _variance_of_median(values: NDArray[np.int64]) -> float:
    count = len(values)
    rank = max(1, round((count + 1) / 2 - sqrt(count)))
    far = (
        NormalDist().inv_cdf(1 - _chance_below(rank, count))
        if count <= _COUNTED
        else (count + 1 - 2 * rank) / sqrt(count)
    )
    return float(((float(values[count - rank]) - float(values[rank - 1])) / (2 * far)) ** 2)


def _chance_below(rank: int, count: int) -> float:
    """That fewer than `rank` of so many values lie under the median."""
    return sum(comb(count, below) for below in range(rank)) / (1 << count)
