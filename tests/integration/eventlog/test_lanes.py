"""A consumer in lanes: more than one transaction takes is folded in several at a time, of different partitions."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace

import asyncpg
import pytest

from libs.eventlog.checkpoint import PostgresCheckpoints
from libs.eventlog.consumer import Consumer
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.event import Batch
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.verdict import DONE, Retry, Verdict
from libs.runtime.clock import SystemClock
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.logs import running
from tests.support.transport import EAGER, PARTITIONS, DirectSource, append, eventually, relay_of

LANES = replace(EAGER, transaction_events=100, lanes=2)


@pytest.fixture
async def pool(migrated_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(migrated_dsn) as pool:
        yield pool


@dataclass(slots=True)
class Folds:
    """A handler that knows how many are in it at a time, and what was folded; it refuses to at some of its turns."""

    refuses: Collection[int] = ()
    meeting: asyncio.Event | None = None
    turns: int = 0
    most: int = 0
    folded: dict[int, list[int]] = field(default_factory=dict)
    _inside: list[set[int]] = field(default_factory=list)

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        mine = {batch.partition for batch in batches}
        assert not any(mine & others for others in self._inside), "two transactions of one partition"
        self.turns += 1
        turn = self.turns
        self._inside.append(mine)
        self.most = max(self.most, len(self._inside))
        if self.meeting is not None:
            if len(self._inside) == 2:
                self.meeting.set()
            await self.meeting.wait()
        await connection.execute("SELECT pg_sleep(0.001)")
        self._inside.remove(mine)
        if turn in self.refuses:
            return Retry("not this time")
        for batch in batches:
            run = range(batch.first_position, batch.last_position + 1)
            self.folded.setdefault(batch.partition, []).extend(run)
        return DONE

    async def hold_all_of(self, log: MemoryLog) -> bool:
        """Whether they hold every event once, in order."""
        heads = await log.heads()
        return self.folded == {partition: list(range(1, head + 1)) for partition, head in heads.items() if head}


def consumer_of(pool: asyncpg.Pool, log: MemoryLog, broker: Broker, folds: Folds) -> Consumer[Connection]:
    clock = SystemClock()
    folding = Folding(
        "lanes",
        log.name,
        PostgresCheckpoints(pool, "lanes", log.name),
        PostgresDeadLetters(pool, "lanes", log.name, clock),
        folds.fold,
        OwnLog(PostgresLog("lanes", PARTITIONS, pool, clock, Ranges(pool))),
    )
    return Consumer(
        folding,
        range(PARTITIONS),
        broker=broker,
        source=DirectSource(log),
        metrics=Metrics(),
        traces=Traces.off(),
        settings=LANES,
    )


async def test_one_transaction_computes_while_another_waits_and_each_partition_keeps_its_order(
    pool: asyncpg.Pool, broker: Broker, log: MemoryLog
) -> None:
    folds = Folds(meeting=asyncio.Event())
    await append(log, 1_000)
    async with running(relay_of(log, broker), consumer_of(pool, log, broker, folds)):
        await eventually(lambda: folds.hold_all_of(log))  # the first would wait for a second without end
    assert folds.most == 2


async def test_whatever_lane_fails_nothing_is_lost_and_nothing_is_folded_twice(
    pool: asyncpg.Pool, broker: Broker, log: MemoryLog
) -> None:
    folds = Folds(refuses={1, 2, 4, 5})
    await append(log, 2_000)
    async with running(relay_of(log, broker), consumer_of(pool, log, broker, folds)):
        await eventually(lambda: folds.hold_all_of(log))
    assert folds.turns > max(folds.refuses)


async def test_what_fits_into_one_transaction_is_folded_in_one(
    pool: asyncpg.Pool, broker: Broker, log: MemoryLog
) -> None:
    folds = Folds()
    await append(log, LANES.transaction_events)
    async with running(relay_of(log, broker), consumer_of(pool, log, broker, folds)):
        await eventually(lambda: folds.hold_all_of(log))
    assert folds.most == 1
