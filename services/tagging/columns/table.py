"""Everybody of a tenant by number, with columns of what is wanted of them.

Whoever changes is put in anew under another number, and the former number is dead: nothing within a column is ever
changed. Once many are dead, the living are numbered anew.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from libs.conditions.calendar import Calendar
from libs.conditions.feature import features_of_did
from libs.conditions.filters import value_check
from libs.conditions.matching import asks
from libs.conditions.tree import (
    All,
    Amount,
    AnyOf,
    Clause,
    Condition,
    Did,
    EdgeValue,
    Moment,
    Not,
    Segment,
    Stage,
    Tag,
    Tier,
    Trait,
)
from libs.runtime.clock import Micros
from services.tagging.columns.grown import Grown
from services.tagging.columns.runs import Mask, Runs
from services.tagging.columns.scalars import Spans, Values
from services.tagging.columns.wanted import Wanted
from services.tagging.domain.names import STAGE, TIER

_ID_BYTES: Final = 16
_MANY_DEAD: Final = 4
"""The living are numbered anew when more than one in so many numbers is dead."""

_EDGES: Final = frozenset({"first", "last"})

FeatureColumn = Runs | Spans | Values


class Table:
    """The columns that are wanted, and who has which number."""

    def __init__(self, wanted: Wanted, calendar: Calendar) -> None:
        self.wanted: Final = wanted
        self.calendar: Final = calendar
        self.features: Final[Mapping[int, FeatureColumn]] = {
            one.key: Spans(calendar) if one.shape == "span" else Values() if one.shape in _EDGES else Runs(one)
            for one in wanted.features
        }
        self.traits: Final[Mapping[str, Values]] = {name: Values() for name in wanted.traits}
        self.held: Final[Mapping[str, Values]] = {name: Values() for name in wanted.names}
        self._ids = Grown("B")
        self._alive = Grown("B")
        self._order: NDArray[np.int64] | None = None  # of the numbers by the ids that they are of
        self._later: dict[bytes, int] = {}  # the numbers that are not in that order, and alive

    @property
    def people(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self._alive.all))

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        order = 0 if self._order is None else self._order.nbytes
        return order + sum(one.nbytes for one in (self._ids, self._alive, *self._columns()))

    def put(self, person: bytes) -> int:
        """The number of somebody who has none, or none any more."""
        number = len(self._alive)
        self._ids.fresh.frombytes(person)
        self._alive.fresh.append(1)
        return number

    def settle(self) -> None:
        """Take note of all who were put in."""
        if self._order is not None:
            fresh, begin = self._ids.fresh.tobytes(), len(self._alive.all)
            ids = (fresh[at : at + _ID_BYTES] for at in range(0, len(fresh), _ID_BYTES))
            self._later |= {person: number for number, person in enumerate(ids, begin)}
        for one in (self._ids, self._alive, *self._columns()):
            one.settle()

    def order(self) -> None:
        """Make it known who has which number; nobody may have two, so it must be before anybody is dropped."""
        self._order, self._later = np.argsort(self._people(), kind="stable"), {}

    def drop(self, people: Collection[bytes]) -> None:
        """Let people have no number, those who have one."""
        order = self._order
        assert order is not None, "nobody is dropped before all have come"
        alive, rest = self._alive.all, []
        for person in people:
            number = self._later.pop(person, None)
            if number is None:
                rest.append(person)
            else:
                alive[number] = 0
        if rest and len(order):
            known, wanted = self._people()[: len(order)], np.array(rest, f"S{_ID_BYTES}")
            numbers = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
            alive[numbers[known[numbers] == wanted]] = 0

    def tidy(self) -> None:
        """Number the living anew, if it is time to."""
        alive = self._living
        if (len(alive) - self.people) * _MANY_DEAD <= len(alive):
            return
        numbers = np.where(alive, np.cumsum(alive) - 1, -1).astype(np.int32)
        self._ids.keep(self._ids.all.reshape(-1, _ID_BYTES)[alive].reshape(-1))
        self._alive.keep(self._alive.all[alive])
        for column in self._columns():
            column.renumber(numbers)
        self.order()

    def count(self, condition: Condition, now: Micros) -> int | None:
        """How many people meet a condition; None where a column can't say."""
        found = self._meeting(condition, now)
        return None if found is None else int(np.count_nonzero(found & self._living))

    def met(self, condition: Condition, now: Micros) -> set[bytes] | None:
        """Who they are; for tests, since nothing is laid out for it."""
        found = self._meeting(condition, now)
        if found is None:
            return None
        ids = self._ids.all.reshape(-1, _ID_BYTES)[found & self._living]
        return {one.tobytes() for one in ids}

    @property
    def _living(self) -> Mask:
        return self._alive.all.view(np.bool_)

    @property
    def _size(self) -> int:
        return len(self._alive.all)

    def _people(self) -> NDArray[Any]:
        """The id of each number, as an array that can be put in order."""
        return self._ids.all.view(f"S{_ID_BYTES}")

    def _columns(self) -> list[FeatureColumn]:
        return [*self.features.values(), *self.traits.values(), *self.held.values()]

    def _meeting(self, condition: Condition, now: Micros) -> Mask | None:
        match condition:
            case All(parts):
                return self._joined(np.logical_and, parts, now, nothing=True)
            case AnyOf(parts):
                return self._joined(np.logical_or, parts, now, nothing=False)
            case Not(part):
                found = self._meeting(part, now)
                return None if found is None else ~found
            case Did():
                return self._did(condition, now)
            case Trait(name, test, negated):
                passes = value_check(Clause(name, test, negated), self.calendar)  # type: ignore[arg-type]  # no date
                return self.traits[name].meeting(passes, self._size, nothing=passes(None))
            case _:
                return self._held(condition)

    def _joined(self, join: np.ufunc, parts: tuple[Condition, ...], now: Micros, *, nothing: bool) -> Mask | None:
        found = np.full(self._size, nothing)
        for part in parts:
            one = self._meeting(part, now)
            if one is None:
                return None
            join(found, one, out=found)
        return found

    def _did(self, did: Did, now: Micros) -> Mask | None:
        columns = [self.features[one.key] for one in features_of_did(did, self.calendar.zone.key)]
        today = self.calendar.day(now)
        match columns, did.test:
            case [Runs() as numbers], Amount() as amount:
                return numbers.meeting(amount, now, today, self._size, None)
            case [Runs() as numbers, Runs() as counts], Amount() as amount:
                return numbers.meeting(amount, now, today, self._size, counts)
            case [Spans() as spans], Moment() as moment:
                return spans.meeting(moment, now, today, self._size)
            case [Values() as values], EdgeValue(_, of, test, negated):
                return values.meeting(value_check(Clause(of, test, negated), self.calendar), self._size)
        raise AssertionError("each feature has the column of its shape")

    def _held(self, condition: Condition) -> Mask | None:
        match condition:
            case Tag(key, None):
                return self.held[key].meeting(_anything, self._size)
            case Tag(key, test, negated) if test is not None:
                return self.held[key].meeting(lambda one: asks(one, test, negated, self.calendar), self._size)
            case Segment(key):
                return self.held[f"segment:{key}"].meeting(_anything, self._size)
            case Stage(keys):
                return self.held[STAGE].meeting(lambda one: one in keys, self._size)
            case Tier(keys):
                return self.held[TIER].meeting(lambda one: one in keys, self._size)
        raise AssertionError("`wanted_of` lets nothing else pass")


def _anything(_: Any) -> bool:
    return True
