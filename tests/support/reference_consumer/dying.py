"""A consumer that dies as if by kill -9 at a chosen moment of its transactions."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from libs.eventlog.checkpoint import Checkpoints, Step
from libs.eventlog.database import Connection
from libs.eventlog.event import Batch
from libs.eventlog.folding import Folding
from libs.eventlog.verdict import Output, Verdict

MOMENTS = 6  # survived before the fatal one


class Stage(StrEnum):
    """Moments of a transaction, in order."""

    BEFORE_CHECKPOINTS = "before_checkpoints"
    BEFORE_FOLD = "before_fold"
    AFTER_FOLD = "after_fold"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"


@dataclass
class Fate:
    """Counts how often a stage was reached, and ends the process there in the end."""

    stage: Stage
    left: int = MOMENTS

    def reached(self, stage: Stage) -> None:
        if stage is self.stage:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def dying(folding: Folding[Connection], stage: Stage) -> Folding[Connection]:
    """The same folding, with an end."""
    fate = Fate(stage)

    async def fold(connection: Connection, batches: Sequence[Batch]) -> Verdict:
        fate.reached(Stage.BEFORE_FOLD)
        verdict = await folding.handler(connection, batches)
        fate.reached(Stage.AFTER_FOLD)
        return verdict

    return replace(
        folding,
        checkpoints=_Checkpoints(folding.checkpoints, fate),
        handler=fold,
        outlet=_Outlet(folding, fate),
    )


@dataclass
class _Outlet:
    folding: Folding[Connection]
    fate: Fate = field(repr=False)

    async def emit(self, connection: Connection, outputs: Sequence[Output]) -> None:
        await self.folding.outlet.emit(connection, outputs)
        self.fate.reached(Stage.BEFORE_COMMIT)


@dataclass
class _Checkpoints:
    checkpoints: Checkpoints[Connection]
    fate: Fate

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        return await self.checkpoints.load(partitions)

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[Connection]:
        self.fate.reached(Stage.BEFORE_CHECKPOINTS)
        async with self.checkpoints.advance(steps) as connection:
            yield connection
        self.fate.reached(Stage.AFTER_COMMIT)

    def hold(self, partition: int) -> AbstractAsyncContextManager[Connection]:
        return self.checkpoints.hold(partition)

    def savepoint(self, connection: Connection) -> AbstractAsyncContextManager[object]:
        return self.checkpoints.savepoint(connection)
