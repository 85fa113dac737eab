"""One thing of each person: when something happened first and last, or one of not too many values."""

from collections.abc import Callable
from typing import Any, Final, assert_never

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.conditions.calendar import Calendar
from libs.conditions.states import State
from libs.conditions.tree import Moment
from libs.conditions.windows import Between, Days, Ever, Hours
from libs.runtime.clock import Micros
from services.tagging.columns.grown import Grown
from services.tagging.columns.runs import Mask

MOST_VALUES: Final = 65_536
"""Different values of one column: each is looked at by itself for every question."""

_json: Final = msgspec.json.Encoder(order="sorted").encode


class Spans:
    """The first and the last moment, and their days; the answers are those of `libs.conditions.moments`."""

    __slots__ = ("_calendar", "_days", "_moments", "_owners", "fits")

    def __init__(self, calendar: Calendar) -> None:
        self.fits = True
        self._calendar = calendar
        self._owners = Grown("i")
        self._moments = {"first": Grown("q"), "last": Grown("q")}
        self._days = {"first": Grown("i"), "last": Grown("i")}

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(one.nbytes for one in self._all())

    def put(self, owner: int, state: State) -> None:
        """Take in the state of somebody who has none yet."""
        self._owners.fresh.append(owner)
        for edge, at in zip(("first", "last"), state, strict=True):
            self._moments[edge].fresh.append(at)
            self._days[edge].fresh.append(self._calendar.day(at))

    def settle(self) -> None:
        """Take note of all that was put."""
        for one in self._all():
            one.settle()

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Let owners have other numbers; of those whose number is below 0, nothing stands."""
        owners = numbers[self._owners.all]
        kept = owners >= 0
        for one in self._all():
            one.keep(owners[kept] if one is self._owners else one.all[kept])

    def meeting(self, moment: Moment, now: Micros, today: int, people: int) -> Mask:
        """Who of so many people has a first, or last, moment that lies where it is asked for."""
        found = np.zeros(people, np.bool_)
        found[self._owners.all[self._lie(moment, now, today) == moment.inside]] = True
        return found

    def _lie(self, moment: Moment, now: Micros, today: int) -> Mask:
        days = self._days[moment.edge].all
        match moment.window:
            case Ever():
                return np.ones(len(days), np.bool_)
            case Days(length):
                return np.asarray(days > np.maximum(self._days["last"].all, today) - length)
            case Hours():
                newest = np.maximum(self._moments["last"].all, now)
                return np.asarray(self._moments[moment.edge].all > newest - moment.window.micros)
            case Between(first, last):
                lie = np.ones(len(days), np.bool_) if first is None else days >= first
                return lie if last is None else lie & (days <= last)
            case _:
                assert_never(moment.window)

    def _all(self) -> list[Grown]:
        return [self._owners, *self._moments.values(), *self._days.values()]


class Values:
    """A value of each person who has one. `fits` is false once there are too many: then nothing is answered."""

    __slots__ = ("_codes", "_known", "_owners", "_values", "fits")

    def __init__(self) -> None:
        self.fits = True
        self._owners = Grown("i")
        self._codes = Grown("i")
        self._values: list[Any] = []
        self._known: dict[str | bytes, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory, those of the few values left out."""
        return self._owners.nbytes + self._codes.nbytes

    def put(self, owner: int, value: Any) -> None:
        """Take in the value of somebody who has none yet."""
        key = value if type(value) is str else _json(value)
        code = self._known.get(key)
        if code is None:
            code = len(self._values)
            if code >= MOST_VALUES:
                self.fits = False
                return
            self._known[key] = code
            self._values.append(value)
        self._owners.fresh.append(owner)
        self._codes.fresh.append(code)

    def settle(self) -> None:
        """Take note of all that was put."""
        self._owners.settle()
        self._codes.settle()

    def renumber(self, numbers: NDArray[np.int32]) -> None:
        """Let owners have other numbers; of those whose number is below 0, nothing stands."""
        owners = numbers[self._owners.all]
        kept = owners >= 0
        self._codes.keep(self._codes.all[kept])
        self._owners.keep(owners[kept])

    def meeting(self, passes: Callable[[Any], bool], people: int, *, nothing: bool = False) -> Mask | None:
        """Who of so many people has a value that passes; `nothing` is the answer for who has none."""
        if not self.fits:
            return None
        passing = np.fromiter((passes(value) for value in self._values), np.bool_, len(self._values))
        found = np.full(people, nothing)
        found[self._owners.all] = passing[self._codes.all]
        return found
