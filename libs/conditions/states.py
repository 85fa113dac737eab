"""What a feature keeps of events: one kind of state for each way of asking, all in which order can't be seen.

Each kind notes what an event brings and unites two states; both give the same for any order and any grouping. Nothing
is forgotten but by rules that commute, too: what is too long before the newest, and of too much the oldest. A day, or a
moment, among what is kept at the end was so all along, in whichever order the rest came.
States are plain dicts and lists of whole numbers and texts, so that they are stored as they are.
"""

from bisect import insort
from collections.abc import Callable
from typing import Any, Final, Protocol

from libs.conditions.event import scalar_order
from libs.conditions.windows import MOST_DAYS
from libs.runtime.clock import Micros

OLDER: Final = -(2**31)
"""The day under which stands all that lies before the days that are kept."""

MOST_VALUES: Final = 1000
MOST_TIMES: Final = 1000
MOST_KEYED: Final = 2000

State = Any
Join = Callable[[int, int], int]


class Kind(Protocol):
    """One way to keep what events bring: a moment and its day, a key, and a number, or another value."""

    # Plain arguments, for a tuple of them would be made for every feature of every event.
    def noted(self, state: State | None, at: Micros, day: int, key: str, what: Any) -> State:
        """The state with one more; the state given changes, and None is that of nothing."""
        ...

    def united(self, a: State, b: State) -> State:
        """Both together, as a new state."""
        ...


class Daily:
    """Day → number. Of the days before the newest `keep` one number stands under `OLDER`."""

    __slots__ = ("_join", "_keep")

    def __init__(self, join: Join, keep: int = MOST_DAYS) -> None:
        self._join = join
        self._keep = keep

    def noted(self, state: dict[int, int] | None, at: Micros, day: int, key: str, what: Any) -> dict[int, int]:
        if state is None:
            return {day: what}
        known = state.get(day)
        if known is not None:
            state[day] = self._join(known, what)
            return state
        newest = max(state)
        if day <= newest - self._keep:
            self._add(state, OLDER, what)
        else:
            state[day] = what
            if day > newest and min(state) <= day - self._keep:
                self._fold_older(state, day)
        return state

    def united(self, a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
        both = dict(a)
        for day, number in b.items():
            self._add(both, day, number)
        self._fold_older(both, max(both))
        return both

    def _add(self, state: dict[int, int], day: int, number: int) -> None:
        known = state.get(day)
        state[day] = number if known is None else self._join(known, number)

    def _fold_older(self, state: dict[int, int], newest: int) -> None:
        for day in [day for day in state if OLDER < day <= newest - self._keep]:
            self._add(state, OLDER, state.pop(day))


class KeyedDaily:
    """Day → key → number, for the newest `keep` days, and for so many of the newest pairs of day and key."""

    __slots__ = ("_join", "_keep")

    def __init__(self, join: Join, keep: int) -> None:
        self._join = join
        self._keep = keep

    def noted(
        self, state: dict[int, dict[str, int]] | None, at: Micros, day: int, key: str, what: Any
    ) -> dict[int, dict[str, int]]:
        if state is None:
            return {day: {key: what}}
        of_day = state.get(day)
        known = None if of_day is None else of_day.get(key)
        if of_day is not None and known is not None:
            of_day[key] = self._join(known, what)
        elif of_day is not None:
            of_day[key] = what
            self._bound(state)
        elif day > max(state) - self._keep:
            state[day] = {key: what}
            self._bound(state)
        return state

    def united(self, a: dict[int, dict[str, int]], b: dict[int, dict[str, int]]) -> dict[int, dict[str, int]]:
        both = {day: dict(keys) for day, keys in a.items()}
        for day, keys in b.items():
            mine = both.setdefault(day, {})
            for key, number in keys.items():
                known = mine.get(key)
                mine[key] = number if known is None else self._join(known, number)
        self._bound(both)
        return both

    def _bound(self, state: dict[int, dict[str, int]]) -> None:
        oldest = max(state) - self._keep
        if min(state) <= oldest:
            for day in [day for day in state if day <= oldest]:
                del state[day]
        over = sum(map(len, state.values())) - MOST_KEYED
        while over > 0:
            day = min(state)
            of_day = state[day]
            if len(of_day) <= over:
                over -= len(of_day)
                del state[day]
            else:
                for key in sorted(of_day)[:over]:
                    del of_day[key]
                over = 0


class LastDays:
    """Key → the last day that has it, for so many keys of the newest."""

    __slots__ = ()

    def noted(self, state: dict[str, int] | None, at: Micros, day: int, key: str, what: Any) -> dict[str, int]:
        if state is None:
            return {key: day}
        known = state.get(key)
        if known is None or known < day:
            state[key] = day
            if known is None and len(state) > MOST_VALUES:
                del state[min(state, key=lambda one: (state[one], one))]
        return state

    def united(self, a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        both = dict(a)
        for key, day in b.items():
            both[key] = max(day, both.get(key, day))
        if len(both) > MOST_VALUES:
            newest = sorted(both.items(), key=lambda one: (one[1], one[0]))[-MOST_VALUES:]
            return dict(newest)
        return both


class Times:
    """[moment, key, number] in order, of the `keep` microseconds before the newest, and so many of the newest."""

    __slots__ = ("_keep",)

    def __init__(self, keep: Micros) -> None:
        self._keep = keep

    def noted(self, state: list[list[Any]] | None, at: Micros, day: int, key: str, what: Any) -> list[list[Any]]:
        entry: list[Any] = [at, key, what]
        if state is None:
            return [entry]
        if entry >= state[-1]:
            state.append(entry)
            if state[0][0] <= at - self._keep or len(state) > MOST_TIMES:
                self._bound(state)
        elif entry[0] > state[-1][0] - self._keep:
            insort(state, entry)
            self._bound(state)
        return state

    def united(self, a: list[list[Any]], b: list[list[Any]]) -> list[list[Any]]:
        both = sorted(a + b)
        self._bound(both)
        return both

    def _bound(self, state: list[list[Any]]) -> None:
        oldest = state[-1][0] - self._keep
        if len(state) > MOST_TIMES:
            del state[:-MOST_TIMES]
        gone = 0
        while state[gone][0] <= oldest:
            gone += 1
        if gone:
            del state[:gone]


class Span:
    """[first moment, last moment]."""

    __slots__ = ()

    def noted(self, state: list[Micros] | None, at: Micros, day: int, key: str, what: Any) -> list[Micros]:
        if state is None:
            return [at, at]
        state[0] = min(state[0], at)
        state[1] = max(state[1], at)
        return state

    def united(self, a: list[Micros], b: list[Micros]) -> list[Micros]:
        return [min(a[0], b[0]), max(a[1], b[1])]


class AtEdge:
    """[moment, value] of the first, or the last."""

    __slots__ = ("_first",)

    def __init__(self, *, first: bool) -> None:
        self._first = first

    def noted(self, state: list[Any] | None, at: Micros, day: int, key: str, what: Any) -> list[Any]:
        said = [at, what]
        return said if state is None else self.united(state, said)

    def united(self, a: list[Any], b: list[Any]) -> list[Any]:
        earlier, later = (a, b) if _place(a) <= _place(b) else (b, a)
        return list(earlier if self._first else later)


def _place(said: list[Any]) -> tuple[Micros, tuple[str, str]]:
    return said[0], scalar_order(said[1])
