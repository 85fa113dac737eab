"""The machine of a lifecycle, run over the days of one person.

It begins in the initial stage on the first day of anything that its moves read. In each phase of a day, moves are made
until none applies. Where they would go round, those of the round cancel out: of its stages, the first that is declared
stands. So a look at a day on which no answer is another changes nothing, and only days are looked at that may matter:
days with events, and those on which time alone changes an answer.

All of it is a function of what is kept by the day, so of what happened: not of order, of batches, nor of when it was
asked. What was known by a day comes out the same whatever happens later.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from libs.conditions.by_day import ByDay, Phase, Walk
from libs.conditions.calendar import Zones
from libs.conditions.features import Features
from libs.conditions.one_way import falls
from libs.conditions.tree import Condition
from libs.runtime.clock import Micros

NEVER: Final = 2**31
"""A day after all others."""


class Move(msgspec.Struct, frozen=True, gc=False):
    """From any of these stages to another, on the day on which a condition holds."""

    sources: tuple[str, ...]
    to: str
    condition: Condition


class Entered(NamedTuple):
    """A stage that somebody came to in a phase of a day, by which move; at first by none, from none."""

    day: int
    phase: Phase
    former: str | None
    stage: str
    move: int | None


class Course(NamedTuple):
    """Every stage that somebody came to, in order; and `ahead` those of the next day on which time alone moves them."""

    entered: tuple[Entered, ...] = ()
    ahead: tuple[Entered, ...] = ()

    @property
    def leaves_on(self) -> int | None:
        """The day on which time alone moves them on; None if it never does."""
        return self.ahead[0].day if self.ahead else None

    @property
    def last(self) -> Entered | None:
        """How they came to where they are; None for somebody who is in no stage."""
        return self.entered[-1] if self.entered else None

    def stage_on(self, day: int) -> str | None:
        """The stage at the end of a day; None before the first."""
        index = bisect_right(self.entered, day, key=lambda one: one.day)
        return self.entered[index - 1].stage if index else None


def move_name(index: int) -> str:
    """The name of a move's condition in a plan."""
    return f"stage/{index}"


def moves_by_name(moves: Sequence[Move]) -> dict[str, Condition]:
    """The conditions of moves, by their names in a plan."""
    return {move_name(index): move.condition for index, move in enumerate(moves)}


class _Way(NamedTuple):
    """A move as it leads out of one stage; `hears` has the bits of what events may make it hold by."""

    name: str
    move: int
    to: str
    hears: int


class Machine:
    """The moves of a lifecycle, compiled for a tenant's calendar; it never changes.

    Of those that lead out of a stage, the first that holds is made.
    """

    def __init__(self, stages: Sequence[str], initial: str, moves: Sequence[Move], zones: Zones) -> None:
        """The conditions of moves have to pass `check_by_day`."""
        self.by_day: Final = ByDay(moves_by_name(moves), zones)
        self.initial: Final = initial
        self.place: Final = {stage: place for place, stage in enumerate(stages)}
        heard = {name: 0 if falls(move) else self.by_day.reads[name] for name, move in moves_by_name(moves).items()}
        self.ways: Final[dict[str, Sequence[_Way]]] = {
            stage: [
                _Way(move_name(index), index, move.to, heard[move_name(index)])
                for index, move in enumerate(moves)
                if stage in move.sources
            ]
            for stage in stages
        }

    def course(self, features: Features, today: int) -> Course:
        """What somebody went through until the end of a day, or of the last one with events if that comes later."""
        walk = Walk(self.by_day, features)
        days = walk.days
        if not days:
            return Course()
        run = _Run(self, walk, days[0])
        for day in days:
            while run.due <= day:
                run.look(run.due, "begun")
            run.look(day, "whole")
        while run.due <= today:
            run.look(run.due, "begun")
        reached = len(run.entered)
        while run.due < NEVER and len(run.entered) == reached:
            run.look(run.due, "begun")
        return Course(tuple(run.entered[:reached]), tuple(run.entered[reached:]))


class _Run:
    """Where somebody is. `due` is the next day on which time alone may move them, `until` the same for each way."""

    __slots__ = ("_day_of", "_machine", "_until", "_walk", "due", "entered", "stage")

    def __init__(self, machine: Machine, walk: Walk, first: int) -> None:
        self._machine = machine
        self._walk = walk
        self._day_of = machine.by_day.calendar.day
        self._until: list[int] | None = None
        self.stage = machine.initial
        self.due = first
        self.entered = [Entered(first, "begun", None, machine.initial, None)]

    def look(self, day: int, phase: Phase) -> None:
        """Make the moves of a phase; only what events or time may have changed is answered."""
        new = self._walk.go(day, phase)
        way = self._open(day, new)
        if way is None:
            return
        path = [(self.stage, -1)]
        while way is not None:
            self._until = None
            self.stage = way.to
            if any(stage == way.to for stage, _ in path):
                self._stand(path, day)
                break
            path.append((way.to, way.move))
            way = self._open(day, new)
        for (former, _), (stage, move) in pairwise(path):
            self.entered.append(Entered(day, phase, former, stage, move))

    def _open(self, day: int, new: int) -> _Way | None:
        """The first way out of the stage that is open; if none is, `due` says until when at least."""
        ways, until = self._machine.ways[self.stage], self._until
        if until is None:
            until = self._until = [day] * len(ways)
        answer, due = self._walk.answer, NEVER
        for index, (name, _, _, hears) in enumerate(ways):
            lasts = until[index]
            if lasts <= day or hears & new:
                found = answer(name)
                if found.holds:
                    return ways[index]
                lasts = until[index] = self._day_after(day, found.changes_at)
            due = min(due, lasts)
        self.due = due
        return None

    def _stand(self, path: list[tuple[str, int]], day: int) -> None:
        """End a round, which began anew with the stage that is entered for the second time."""
        machine, answer = self._machine, self._walk.answer
        stages = [stage for stage, _ in path]
        around = stages[stages.index(self.stage) :]
        self.stage = min(around, key=machine.place.__getitem__)
        del path[stages.index(self.stage) + 1 :]
        self.due = NEVER
        for stage in around:  # any answer that was heard on the way round may end it
            for way in machine.ways[stage]:
                found = answer(way.name)
                self.due = min(self.due, self._day_after(day, found.changes_at))
                if found.holds:
                    break

    def _day_after(self, day: int, at: Micros | None) -> int:
        return NEVER if at is None else max(day + 1, self._day_of(at))
