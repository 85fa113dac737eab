"""Folding another service's events: checkpoints, handler, dead letters and outputs in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from msgspec.structs import replace

from libs.eventlog.checkpoint import Checkpoints, Fenced, Step
from libs.eventlog.dead_letters import PARKED_KEYS, Aside, DeadLetters, Kind, Letter, letters_in
from libs.eventlog.event import Batch, NewEvent, halves
from libs.eventlog.verdict import Done, Output, Park, Refused, Retry, Verdict, verdict_on

ConnectionT = TypeVar("ConnectionT")
ConnectionT_contra = TypeVar("ConnectionT_contra", contravariant=True)

Handler = Callable[[ConnectionT, Sequence[Batch]], Awaitable[Verdict]]
"""Folds events in the transaction given and answers with what follows from them, touching nothing else.

A batch is contiguous, but two batches of a partition may have a hole between them. Whatever a handler remembers between
calls must hold without the calls in between: they may have been undone, or made by another replica.
"""


class Outlet(Protocol[ConnectionT_contra]):
    """Where outputs go."""

    async def emit(self, connection: ConnectionT_contra, outputs: Sequence[Output]) -> None:
        """Record outputs in the caller's transaction."""
        ...


class AppendsIn(Protocol[ConnectionT_contra]):
    """A log that takes events within a transaction of the caller's."""

    async def append_in(self, connection: ConnectionT_contra, events: Sequence[NewEvent]) -> object:
        """Append; the events are there when the transaction commits."""
        ...


@dataclass(frozen=True, slots=True)
class OwnLog(Generic[ConnectionT]):
    """The outlet of a consumer that acts: its service's own log."""

    log: AppendsIn[ConnectionT]

    async def emit(self, connection: ConnectionT, outputs: Sequence[Output]) -> None:
        """See `Outlet.emit`."""
        await self.log.append_in(connection, [output.event for output in outputs])


class ParkingFull(Exception):
    """As many keys are parked as may be: it is the release that is broken, not the events. Nothing moves on."""

    def __init__(self, limit: int, cause: str) -> None:
        super().__init__(f"{limit} keys are parked, which is the limit; the next one: {cause}")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Folding(Generic[ConnectionT]):
    """The transactions of one consumer of one log, whether its events are live, retried or replayed."""

    name: str
    log: str
    checkpoints: Checkpoints[ConnectionT]
    letters: DeadLetters[ConnectionT]
    handler: Handler[ConnectionT]
    outlet: Outlet[ConnectionT]
    parked_keys: int = PARKED_KEYS

    async def fold(self, batches: Sequence[Batch], positions: dict[int, int]) -> None:
        """Fold batches that join the checkpoints; `positions` moves along with these, as far as they came.

        What the handler can't fold is found by bisection and parked, and everything else flows on. Raises `Fenced`,
        `ParkingFull`, or what passes with time.
        """
        try:
            await self._fold_together(batches)
        except Fenced:
            raise
        except Exception as error:
            verdict = verdict_on(error)
            if isinstance(verdict, Retry):
                raise
            if sum(len(batch.events) for batch in batches) > 1:
                for half in halves(batches):
                    await self.fold(half, positions)
                return
            await self._park(batches[0], verdict)
        positions.update({batch.partition: batch.last_position for batch in batches})

    async def hand_over(self, connection: ConnectionT, batches: Sequence[Batch]) -> None:
        """Let the handler fold batches and record what follows. Raises `Refused`, or what broke."""
        verdict = await self.handler(connection, batches)
        if not isinstance(verdict, Done):
            raise Refused(verdict)
        if verdict.outputs:
            await self.outlet.emit(connection, verdict.outputs)

    async def _fold_together(self, batches: Sequence[Batch]) -> None:
        steps = steps_over(batches)
        async with self.checkpoints.advance(steps) as connection:
            aside = await self.letters.aside(connection, steps)
            if aside:
                batches, waiting = _parted(batches, aside)
                if waiting:
                    await self.letters.park(connection, waiting)
            if batches:
                await self.hand_over(connection, batches)

    async def _park(self, batch: Batch, verdict: Park) -> None:
        """Move the checkpoint over the one event of a batch, and keep it as the letter that its key stands before."""
        steps = steps_over([batch])
        (letter,) = letters_in(batch)
        async with self.checkpoints.advance(steps) as connection:
            parked = (await self.letters.aside(connection, steps)).keys
            if len(parked) >= self.parked_keys:
                raise ParkingFull(self.parked_keys, verdict.reason)
            await self.letters.park(connection, [replace(letter, kind=Kind.FAILED, cause=verdict.reason)])


def steps_over(batches: Sequence[Batch]) -> list[Step]:
    """The moves of the checkpoints over batches that join, by partition."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for batch in batches:
        first.setdefault(batch.partition, batch.first_position)
        last[batch.partition] = batch.last_position
    return [Step(partition, first[partition] - 1, last[partition]) for partition in sorted(first)]


def _parted(batches: Sequence[Batch], aside: Aside) -> tuple[list[Batch], list[Letter]]:
    """What is to be folded of batches, and what waits behind letters of its key."""
    flowing: list[Batch] = []
    waiting: list[Letter] = []
    for batch in batches:
        dropped = {position for partition, position in aside.dropped if partition == batch.partition}
        parked = [one for one in letters_in(batch) if (one.tenant, one.key) in aside.keys] if aside.keys else []
        waiting += [one for one in parked if one.position not in dropped]
        flowing += batch.without(sorted(dropped.union(one.position for one in parked)))
    return flowing, waiting
