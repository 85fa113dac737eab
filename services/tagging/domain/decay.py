"""A score by evidence: points that fade by halves, added up in whole numbers, and squashed at the very end.

    raw(D)   = Σ weight x pieces(day) x 2^(-(D - day) / half_life)      over days of the last 399
    score(D) = 1 - 2^(-raw / half_at), and 0 where raw is below 0

The fading is the exponential forgetting of Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay" (ICDE 2009). The
squashing is the noisy-or of Pearl, "Probabilistic Reasoning in Intelligent Systems" (1988), chapter 4.3: each
`half_at` points leave half of the doubt that was left.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import expm1, log
from typing import Final, NamedTuple

from libs.conditions.numbers import SCALE
from libs.conditions.windows import MOST_DAYS
from services.tagging.domain.score import ByEvidence, Days, Scored, level_of

FORGOTTEN: Final = MOST_DAYS - 1
"""Evidence so many days old counts nothing. It is a day less than is kept: what is folded of tomorrow while here it is
still today changes nothing of today.
"""

ONE: Final = 2**32
"""What a piece of today counts."""

_HALF: Final = log(2)
_ALL_BUT_NOTHING: Final = 64
"""So many times `half_at` leaves less doubt than any number tells."""


class Contribution(NamedTuple):
    """What one kind of evidence brings: how many pieces count, and how many points they are, faded as they are."""

    about: str
    pieces: int
    points: float


def scored(score: ByEvidence, kept: Sequence[Days], day: int) -> Scored:
    """The score of a day; `kept` are the days of each kind of evidence. What lies ahead of the day does not count."""
    pieces = sum(_pieces(days, day) for days in kept)
    if pieces < score.needed:
        return Scored(None, "", pieces)
    value = squashed(_raw(score, kept, day), score.half_at)
    return Scored(value, level_of(score.levels, value), pieces)


def contributions(score: ByEvidence, kept: Sequence[Days], day: int) -> list[Contribution]:
    """What each kind of evidence brings to the score of a day."""
    table = decay(score.half_life)
    return [
        Contribution(one.about, _pieces(days, day), one.weight * _faded(days, day, table) / (ONE * SCALE))
        for one, days in zip(score.evidence, kept, strict=True)
    ]


def changes_on(score: ByEvidence, kept: Sequence[Days], day: int, sides: Collection[int]) -> int | None:
    """A day until which time alone leaves the score, from this day on, at its level and on its side of `sides`.

    These are in ten-thousandths; a score of just as many is on the upper side. The day may be too early, never too
    late, and is None if time alone never changes it. Neither the length of the past nor of the future is walked.
    """
    ahead = min((one for days in kept for one in days if one > day), default=None)
    fades = _fades_on(score, kept, day, {*sides, *(level.least for level in score.levels)})
    return fades if ahead is None else ahead if fades is None else min(ahead, fades)


def squashed(raw: int, half_at: int) -> int:
    """Points, in ten-thousandths x `ONE`, as ten-thousandths of a score."""
    return 0 if raw <= 0 else int(-SCALE * expm1(-_HALF * (raw / (half_at * ONE))))


@lru_cache(maxsize=256)
def decay(half_life: int) -> tuple[int, ...]:
    """What a piece counts by its age in days."""
    return tuple(round(ONE * 2 ** (-age / half_life)) for age in range(FORGOTTEN))


@lru_cache(maxsize=4096)
def _least_raw(value: int, half_at: int) -> int | None:
    """The fewest points that are squashed to so much; None where none are."""
    low, high = 0, _ALL_BUT_NOTHING * half_at * ONE
    if squashed(high, half_at) < value:
        return None
    while low < high:
        middle = (low + high) // 2
        if squashed(middle, half_at) < value:
            low = middle + 1
        else:
            high = middle
    return low


def _pieces(days: Days, day: int) -> int:
    return sum(number for of, number in days.items() if day - FORGOTTEN < of <= day)


def _faded(days: Days, day: int, table: Sequence[int]) -> int:
    return sum(number * table[day - of] for of, number in days.items() if day - FORGOTTEN < of <= day)


def _raw(score: ByEvidence, kept: Sequence[Days], day: int) -> int:
    table = decay(score.half_life)
    return sum(one.weight * _faded(days, day, table) for one, days in zip(score.evidence, kept, strict=True))


def _fades_on(score: ByEvidence, kept: Sequence[Days], day: int, sides: Collection[int]) -> int | None:
    """When what counts today has faded, or is forgotten, so far that it may matter."""
    counted: dict[int, int] = {}
    weights: dict[int, int] = {}
    for one, days in zip(score.evidence, kept, strict=True):
        for of, number in days.items():
            if day - FORGOTTEN < of <= day:
                counted[of] = counted.get(of, 0) + number
                weights[of] = weights.get(of, 0) + abs(one.weight) * number
    spare = sum(counted.values()) - score.needed
    if spare < 0:
        return None
    too_few = _too_few_on(counted, spare)
    table, raw = decay(score.half_life), _raw(score, kept, day)
    bounds = [least for side in sides if side > 0 and (least := _least_raw(side, score.half_at)) is not None]
    low = max((one for one in bounds if one <= raw), default=None)
    high = min((one for one in bounds if one > raw), default=None)
    # Numbers of the table are rounded by half of one at most: today, then, and on the way from one to the other.
    rounding = 2 * sum(weights.values()) + 1
    # Until the first piece is forgotten, everything fades alike. Beyond that, as if all that will be forgotten went or
    # stayed as suits worst. Both hold, so the later counts.
    first_gone = min(weights) + FORGOTTEN - day
    alike = min(_until(raw, table, low, high, rounding), first_gone)
    gone = sum(weight * table[-1] for weight in weights.values())
    apart = _until(raw, table, low, high, rounding + gone)
    after = max(alike, apart)
    if after >= FORGOTTEN and low is None:
        return too_few
    fades = day + min(after, FORGOTTEN)
    return fades if too_few is None else min(fades, too_few)


def _too_few_on(counted: Days, spare: int) -> int | None:
    """The day on which so many pieces are forgotten that there are too few of them."""
    for of in sorted(counted):
        spare -= counted[of]
        if spare < 0:
            return of + FORGOTTEN
    return None


def _until(raw: int, table: Sequence[int], low: int | None, high: int | None, slack: int) -> int:
    """The first number of days from 1 on after which points may have left what lies between two bounds.

    What fades goes towards 0. It can't reach what lies beyond, but by rounding.
    """

    def safe(days: int) -> bool:
        faded = raw * table[days] // ONE
        highest = faded if raw < 0 else raw * table[1] // ONE
        return (low is None or faded - slack >= low) and (high is None or highest + slack < high)

    first, last = 1, FORGOTTEN
    while first < last:
        middle = (first + last) // 2
        if safe(middle):
            first = middle + 1
        else:
            last = middle
    return first
