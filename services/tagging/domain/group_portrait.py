"""What a group of people is like beside everyone: of one characteristic, how its values are spread over both."""

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.tagging.domain.intervals import Estimate, median_difference, ratio, share

BINS: Final = 10
MOST_ROWS: Final = 20
ENOUGH: Final = 5
"""People expected on each side of a comparison, at least, for it to be more than chance (Cochran 1954)."""

Numbers = NDArray[np.int64]
"""Values in ten-thousandths, in order."""


class Compared(msgspec.Struct, frozen=True, gc=False):
    """How many people of a group, and of everyone, something is true of.

    `index` is 100 where it is as common in the group as among everyone, `lift` how many times as common it is as among
    the rest; both rest on one interval and are None where they can't be told. `telling` is whether there are
    enough people, and the interval leaves no doubt that the group differs.
    """

    group: int
    everyone: int
    share: Estimate
    share_of_everyone: float
    index: Estimate | None
    lift: Estimate | None
    enough: bool

    @property
    def telling(self) -> bool:
        return self.enough and self.lift is not None and not self.lift.low <= 1 <= self.lift.high


class Row(NamedTuple):
    """One value; of numbers, all from `low` to `high`, both included. `values` counts what one row has in common."""

    value: str
    compared: Compared
    low: int = 0
    high: int = 0
    values: int = 1


class Spread(NamedTuple):
    """Quartiles of the numbers of a group and of everyone, in ten-thousandths.

    `shift` is by how much the group's median is above that of the rest, None where too few have a number.
    """

    quartiles: tuple[int, int, int]
    quartiles_of_everyone: tuple[int, int, int]
    shift: Estimate | None


class Distribution(NamedTuple):
    """One characteristic. `known` compares who has a value at all; with `of_known`, rows compare only those.

    Otherwise to have none is an answer like others, which `none` compares. `rest` are the values that have no row of
    their own. `distance` is the share of the group that would have to be otherwise for it to be like the rest: 0 to 1.
    """

    rows: Sequence[Row]
    known: Compared
    of_known: bool
    none: Compared | None
    rest: Row | None
    distance: float
    spread: Spread | None = None


class Sizes(NamedTuple):
    """How many people a group has, and how many there are, the group among them."""

    group: int
    everyone: int

    def compared(self, group: int, everyone: int) -> Compared:
        """What is true of so many of the group, and of so many of all, the group among them."""
        others = self.everyone - self.group
        shared = share(group, self.group)
        assert shared is not None, "nobody is in the group"
        lift = ratio(group, self.group, everyone - group, others)
        common = everyone / self.everyone
        index = None if lift is None else Estimate(*(self._index(one) for one in lift))
        fewest = min(everyone, self.everyone - everyone) * min(self.group, others) / self.everyone
        return Compared(group, everyone, shared, common, index, lift, enough=fewest >= ENOUGH)

    def _index(self, lift: float) -> float:
        """The index that a lift comes to, for everyone is the group and the rest."""
        part = self.group / self.everyone
        return 100 / part if isinf(lift) else 100 * lift / (part * lift + 1 - part)


def of_values(
    sizes: Sizes,
    counts: Mapping[str, tuple[int, int]],
    order: Sequence[str] = (),
    most: int = MOST_ROWS,
    *,
    of_known: bool = False,
) -> Distribution:
    """The distribution of values that a person has one of, from how many of the group and of everyone have each.

    Rows come in `order`, all of it; otherwise the commonest of the group first, so many at the most.
    """
    known = Sizes(sum(group for group, _ in counts.values()), sum(all_ for _, all_ in counts.values()))
    if of_known and not known.group:
        return _of_nobody(sizes, known)
    base = known if of_known else sizes
    ranked = sorted(counts, key=lambda value: (-counts[value][0], -counts[value][1], value))
    named = list(order) if order else ranked[:most]
    shown = set(named)
    rows = [Row(value, base.compared(*counts.get(value, (0, 0)))) for value in named]
    others = [value for value in ranked if value not in shown]
    rest = None
    if others:
        together = base.compared(sum(counts[one][0] for one in others), sum(counts[one][1] for one in others))
        rest = Row("", together, values=len(others))
    without = _without(base, *known)
    none = base.compared(*without) if without[1] else None
    distance = _distance(base, [*counts.values(), without])
    return Distribution(rows, sizes.compared(*known), of_known, none, rest, distance)


def of_flag(sizes: Sizes, group: int, everyone: int) -> Distribution:
    """The distribution of something that a person has or has not."""
    has = sizes.compared(group, everyone)
    distance = _distance(sizes, [(group, everyone), _without(sizes, group, everyone)])
    return Distribution([Row("", has)], has, False, None, None, distance)


def of_numbers(sizes: Sizes, group: Numbers, others: Numbers, bins: int = BINS) -> Distribution:
    """The distribution of numbers, both in order, over bins of as many people each, more where many have one value.

    Rows compare those who have a number.
    """
    everyone = np.sort(np.concatenate((group, others)), kind="stable")
    known = Sizes(len(group), len(everyone))
    if not known.group:
        return _of_nobody(sizes, known)
    ends = np.unique([_quantile(everyone, step, bins) for step in range(1, bins + 1)])
    of_group, of_all = (np.searchsorted(values, ends, side="right") for values in (group, everyone))
    counts = list(zip(np.diff(of_group, prepend=0).tolist(), np.diff(of_all, prepend=0).tolist(), strict=True))
    begins = [0, *of_all.tolist()]
    rows = [
        Row("", known.compared(*counts[index]), int(everyone[begins[index]]), int(end))
        for index, end in enumerate(ends)
    ]
    spread = Spread(_quartiles(group), _quartiles(everyone), median_difference(group, others))
    return Distribution(rows, sizes.compared(*known), True, None, None, _distance(known, counts), spread)


def _of_nobody(sizes: Sizes, known: Sizes) -> Distribution:
    """Where nobody of the group has a value."""
    return Distribution([], sizes.compared(*known), True, None, None, 0.0)


def _without(sizes: Sizes, group: int, everyone: int) -> tuple[int, int]:
    return sizes.group - group, sizes.everyone - everyone


def _distance(sizes: Sizes, parts: Sequence[tuple[int, int]]) -> float:
    """Total variation: half of what all shares of the group and of the rest differ by."""
    others = sizes.everyone - sizes.group
    if not others:
        return 0.0
    return sum(abs(group / sizes.group - (all_ - group) / others) for group, all_ in parts) / 2


def _quantile(values: Numbers, part: int, of: int) -> int:
    """The value at a nearest rank: one that somebody has."""
    return int(values[-(-part * len(values) // of) - 1])


def _quartiles(values: Numbers) -> tuple[int, int, int]:
    return _quantile(values, 1, 4), _quantile(values, 2, 4), _quantile(values, 3, 4)
