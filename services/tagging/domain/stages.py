"""The machine of a lifecycle, run over the days of one person.

It begins in the initial stage on the first day of anything that its moves read. In each phase of a day, moves are made
until none applies. Where they would go round, those of the round cancel out: of its stages, the first that is declared
stands. So a look at a day on which no answer is another changes nothing, and only days are looked at on which one is.

All of it is a function of what is kept by the day, so of what happened: not of order, of batches, nor of when it was
asked. What was known by a day comes out the same whatever happens later.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from libs.conditions.by_day import ByDay, Phase
from libs.conditions.calendar import Zones
from libs.conditions.features import Features
from libs.conditions.tree import Condition


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


class Machine:
    """The moves of a lifecycle, compiled for a tenant's calendar; it never changes.

    Of those that lead out of a stage, the first that holds is made.
    """

    def __init__(self, stages: Sequence[str], initial: str, moves: Sequence[Move], zones: Zones) -> None:
        """The conditions of moves have to pass `check_by_day`."""
        self.by_day: Final = ByDay(moves_by_name(moves), zones)
        self.initial: Final = initial
        self.place: Final = {stage: place for place, stage in enumerate(stages)}
        self.leads_to: Final = [move.to for move in moves]
        self.ways: Final = {
            stage: sum(1 << index for index, move in enumerate(moves) if stage in move.sources) for stage in stages
        }
        """The moves out of each stage, as bits."""

    def course(self, features: Features, today: int) -> Course:
        """What somebody went through until the end of a day, or of the last one with events if that comes later."""
        answers = self.by_day.answers(features)
        if answers is None:
            return Course()
        last = max(today, answers.last)
        entered = [Entered(answers.first, "begun", None, self.initial, None)]
        holding, reached = 0, 0
        for day, phase, turned in answers.turns():
            if day > last:
                reached = reached or len(entered)
                if len(entered) > reached:
                    break
            holding ^= turned
            stage = entered[-1].stage
            if self.ways[stage] & holding:
                for (former, _), (to, move) in pairwise(self._path(stage, holding)):
                    entered.append(Entered(day, phase, former, to, move))
        reached = reached or len(entered)
        return Course(tuple(entered[:reached]), tuple(entered[reached:]))

    def _path(self, stage: str, holding: int) -> list[tuple[str, int]]:
        """The stages that are come to from one, each with its move; a round ends in the first of it that is declared.

        `holding` are the moves whose conditions hold, as bits.
        """
        stages, moves = [stage], [-1]
        while open_ := self.ways[stages[-1]] & holding:
            move = (open_ & -open_).bit_length() - 1
            to = self.leads_to[move]
            if to in stages:
                around = stages[stages.index(to) :]
                end = stages.index(min(around, key=self.place.__getitem__)) + 1
                return list(zip(stages[:end], moves[:end], strict=True))
            stages.append(to)
            moves.append(move)
        return list(zip(stages, moves, strict=True))
