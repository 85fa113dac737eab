"""What a feature counts or sums of everybody: of each person, or each value of `per` of a person, a run of numbers that
lie on days or moments. The answers are those of `libs.conditions.amounts` and `sliding`, for all runs at once.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from libs.conditions.feature import Feature
from libs.conditions.numbers import LARGEST, ONCE, SCALE, Bound
from libs.conditions.sliding import Gauge
from libs.conditions.states import State
from libs.conditions.tree import Amount
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import Micros
from services.tagging.columns.grown import Code, Grown

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_EDGES: Final[Mapping[str, tuple[np.ufunc, int]]] = {
    "min": (np.minimum, np.iinfo(np.int64).max),
    "max": (np.maximum, np.iinfo(np.int64).min),
}


class Runs:
    """The states of one feature by the number of whom they are of.

    `fits` is false once a number was so large that a sum might not fit into 64 bits: then nothing is answered.
    """

    __slots__ = ("_feature", "_newest", "_numbers", "_places", "_starts", "fits", "owners")

    def __init__(self, feature: Feature) -> None:
        place: Code = "q" if feature.shape == "times" else "i"
        self._feature = feature
        self.fits = True
        self.owners = Grown("i")
        self._starts = Grown("q")
        self._newest = Grown(place)  # of all that is kept of a person, in whichever run it lies
        self._places = Grown(place)
        self._numbers = Grown("q")

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(one.nbytes for one in (self.owners, self._starts, self._newest, self._places, self._numbers))

    def put(self, owner: int, state: State) -> None:
        """Take in the state of somebody who has none yet."""
        feature = self._feature
        if not self.fits:
            return
        if feature.shape == "times":
            for entries in [state] if feature.per is None else _by_key(state):
                self._run(owner, state[-1][0], [at for at, _, _ in entries], [number for _, _, number in entries])
        elif feature.shape == "distinct":
            self._run(owner, max(state.values()), state.values(), [1] * len(state))
        else:
            for numbers in [state] if feature.per is None else _turned(state):
                self._run(owner, max(state), numbers.keys(), numbers.values())

    def settle(self) -> None:
        """Take note of all that was put: too large numbers are found here, and not one by one."""
        fresh = self._numbers.fresh
        if fresh and (max(fresh) > LARGEST or min(fresh) < -LARGEST):
            self.fits = False
        for one in (self.owners, self._starts, self._newest, self._places, self._numbers):
            one.settle()

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Let owners have other numbers; of those whose number is below 0, nothing stands."""
        owners, lengths = numbers[self.owners.all], self._lengths()
        kept = owners >= 0
        entries, lengths = np.repeat(kept, lengths), lengths[kept]
        self.owners.keep(owners[kept])
        self._starts.keep(np.cumsum(lengths) - lengths)
        self._newest.keep(self._newest.all[kept])
        self._places.keep(self._places.all[entries])
        self._numbers.keep(self._numbers.all[entries])

    def meeting(self, amount: Amount, now: Micros, today: int, people: int, counts: "Runs | None") -> Mask | None:
        """Who of so many people meets an amount; of an average, `counts` says how many each number stands for.

        None where that can't be said.
        """
        if not self.fits or (counts is not None and not self._goes_with(counts)):
            return None
        inside = self.inside(amount, now, today)
        if amount.measure == "distinct" and self._feature.shape == "times":  # each value is a run
            values = np.bincount(self.owners.all[self._there(inside)], minlength=people)
            return _within(amount.bound or ONCE, values, unit=SCALE)
        holding = self._holding(amount, inside, None if counts is None else counts.inside(amount, now, today), counts)
        found = np.full(people, amount.per is None and Gauge(amount.measure, amount.bound).whole({}, None).holds)
        if amount.per is None:
            found[self.owners.all] = holding
        else:  # what has nothing in the window does not hold, not even what nothing would meet
            found[self.owners.all[holding & self._there(inside)]] = True
        return found

    def summed(self, inside: Mask | None) -> Numbers:
        """The sum of each run, as far as it lies inside."""
        numbers = self._numbers.all
        return self._summed(numbers if inside is None else numbers * inside)

    def inside(self, amount: Amount, now: Micros, today: int) -> Mask | None:
        """Which numbers lie in the window; None for all."""
        match amount.window:
            case Days(days):
                length, until = days, today
            case Hours():
                length, until = amount.window.micros, now
            case _:
                return None
        newest, places = self._newest.all, self._places.all
        if len(newest) and newest.max() > until:  # a window never ends before the newest that is kept
            since = np.maximum(newest.astype(np.int64), until) - length
            return np.asarray(places > np.repeat(since, self._lengths()))
        return np.asarray(places > until - length)

    def _run(self, owner: int, newest: int, places: Iterable[int], numbers: Iterable[int]) -> None:
        start = len(self._places)
        try:
            self._numbers.fresh.extend(numbers)
        except OverflowError:
            self.fits = False
            return
        self.owners.fresh.append(owner)
        self._starts.fresh.append(start)
        self._newest.fresh.append(newest)
        self._places.fresh.extend(places)

    def _goes_with(self, counts: "Runs") -> bool:
        """Two features of the same events have the same runs, unless they were folded from different ones."""
        return counts.fits and np.array_equal(self.owners.all, counts.owners.all)

    def _holding(self, amount: Amount, inside: Mask | None, counted: Mask | None, counts: "Runs | None") -> Mask:
        """Which runs hold."""
        bound = amount.bound
        if amount.measure in _EDGES:
            found = self._there(inside)
            return found if bound is None else found & _within(bound, self._at_edge(amount, inside))
        if amount.measure == "average":
            of = self._readings(inside) if counts is None else counts.summed(counted)
            return (of > 0) & _within(bound or Bound(), self.summed(inside), of=np.maximum(of, 1))
        if bound is None:
            return self._there(inside)
        return _within(bound, self.summed(inside), unit=1 if amount.measure == "sum" else SCALE)

    def _at_edge(self, amount: Amount, inside: Mask | None) -> Numbers:
        join, never = _EDGES[amount.measure]
        if not len(self.owners):
            return np.empty(0, np.int64)
        numbers = self._numbers.all
        found: Numbers = join.reduceat(
            numbers if inside is None else np.where(inside, numbers, never), self._starts.all
        )
        return found

    def _there(self, inside: Mask | None) -> Mask:
        """Which runs have anything inside."""
        return self._readings(inside) > 0

    def _readings(self, inside: Mask | None) -> Numbers:
        """How many numbers of each run lie inside."""
        return self._lengths() if inside is None else self._summed(inside)

    def _summed(self, numbers: NDArray[Any]) -> Numbers:
        """The sum of each run, from one sum that goes on over all: where it overflows, differences are right again."""
        if not len(self.owners):
            return np.empty(0, np.int64)
        ends = np.append(self._starts.all[1:], len(self._places)) - 1
        sums: Numbers = np.diff(np.cumsum(numbers, dtype=np.int64)[ends], prepend=0)
        return sums

    def _lengths(self) -> Numbers:
        return np.diff(self._starts.all, append=len(self._places))


def _within(bound: Bound, numbers: Numbers, *, unit: int = 1, of: Numbers | None = None) -> Mask:
    """`Bound.holds` of `number * unit / of`, in which nothing is multiplied, so that nothing overflows."""
    holds = np.ones(len(numbers), np.bool_)
    floor = numbers if of is None else numbers // of
    ceiling = numbers if of is None else -(-numbers // of)
    if bound.low is not None:
        holds &= ceiling > bound.low // unit if bound.low_open else floor >= -(-bound.low // unit)
    if bound.high is not None:
        holds &= floor < -(-bound.high // unit) if bound.high_open else ceiling <= bound.high // unit
    return holds


def _by_key(entries: Iterable[list[Any]]) -> Iterable[list[list[Any]]]:
    by_key: dict[str, list[list[Any]]] = {}
    for entry in entries:
        by_key.setdefault(entry[1], []).append(entry)
    return by_key.values()


def _turned(state: Mapping[int, Mapping[str, int]]) -> Iterable[dict[int, int]]:
    turned: dict[str, dict[int, int]] = {}
    for day, keys in state.items():
        for key, number in keys.items():
            turned.setdefault(key, {})[day] = number
    return turned.values()
