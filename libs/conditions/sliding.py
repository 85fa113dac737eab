"""Windows over numbers that lie on moments or days: what is measured now, and when time alone will change the answer.

A window only ever loses its oldest numbers as time goes on. So the answers to come are those of what is left when the
oldest are taken away one by one, and the first that differs tells the moment of the change.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from libs.conditions.numbers import SCALE, Bound
from libs.conditions.tree import Measure
from libs.runtime.clock import Micros

Numbers = Mapping[int, int]
Leaves = Callable[[int], Micros]
"""When what lies on a day, or at a moment, leaves the window."""

_SUMS: Final = ("count", "sum", "distinct")


class Slid(msgspec.Struct, frozen=True, gc=False):
    """Whether a bound holds, until when at least, and `number / of` as measured; `of` is 0 where nothing is."""

    holds: bool
    changes_at: Micros | None
    number: int
    of: int


class Gauge:
    """One measure and one bound; numbers are counts for `count` and `distinct`, else ten-thousandths."""

    __slots__ = ("_add", "_bound", "_low", "_measure", "_unit")

    def __init__(self, measure: Measure, bound: Bound | None) -> None:
        self._measure = measure
        self._bound = bound
        self._unit = SCALE if measure in {"count", "distinct"} else 1
        self._add = {"min": min, "max": max}.get(measure, int.__add__)
        # A count that only has to be large enough can be answered without looking at what is left when.
        rising = bound is not None and bound.high is None and not bound.low_open and self._unit == SCALE
        self._low = -(-bound.low // SCALE) if rising and bound is not None and bound.low is not None else None

    def whole(self, numbers: Numbers, counts: Numbers | None) -> Slid:
        """The answer over all numbers, which never leave; `counts` says how many each stands for, for an average."""
        return self._answer(list(numbers.values()), None if counts is None else list(counts.values()), [], None)

    def sliding(self, numbers: Numbers, counts: Numbers | None, since: int, leaves: Leaves) -> Slid:
        """The answer over the numbers that lie after `since`."""
        places = [place for place in numbers if place > since]
        if self._low is not None and self._low > 0:
            return self._risen(numbers, places, leaves)
        places.sort()
        held = None if counts is None else [counts[place] for place in places]
        return self._answer([numbers[place] for place in places], held, places, leaves)

    def _risen(self, numbers: Numbers, places: list[int], leaves: Leaves) -> Slid:
        low, total = self._low, 0
        assert low is not None
        for place in places:
            total += numbers[place]
        if total < low:
            return Slid(holds=False, changes_at=None, number=total * SCALE, of=1)
        left = total
        places.sort()
        for place in places:
            left -= numbers[place]
            if left < low:
                return Slid(True, leaves(place), total * SCALE, 1)
        raise AssertionError("nothing is left and still enough")

    def _answer(self, numbers: list[int], counts: list[int] | None, places: list[int], leaves: Leaves | None) -> Slid:
        """Go from the newest to the oldest, so that each step has what will be left when all older ones are gone."""
        number, of = 0, 0
        holds = self._holds(number, of)
        answers = [holds]
        for index in range(len(numbers) - 1, -1, -1):
            number = numbers[index] if not of else self._add(number, numbers[index])
            of += 1 if counts is None else counts[index]
            holds = self._holds(number, of)
            answers.append(holds)
        changes_at = None
        if leaves is not None:
            for gone, place in enumerate(places, start=1):
                if answers[len(numbers) - gone] is not holds:
                    changes_at = leaves(place)
                    break
        if self._measure == "average":
            return Slid(holds, changes_at, number, of)
        return Slid(holds, changes_at, number * self._unit, 1 if of or self._measure in _SUMS else 0)

    def _holds(self, number: int, of: int) -> bool:
        bound = self._bound
        if bound is None:
            return of > 0
        if self._measure == "average":
            return of > 0 and bound.holds(number, of)
        if not of and self._measure not in _SUMS:
            return False
        return bound.holds(number * self._unit)
