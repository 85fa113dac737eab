"""Logs to try, in memory and in PostgreSQL, and events to append to them."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Protocol

import asyncpg
import pytest
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.archive import Archive
from libs.eventlog.blanking import Blanking
from libs.eventlog.compaction import Compactor, Horizons
from libs.eventlog.database import open_pool
from libs.eventlog.event import Appended, Batch, Envelope, NewEvent
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.lazy import LazyReader
from libs.eventlog.log import Log, Whole
from libs.eventlog.memory import MemoryHorizons, MemoryLog, MemorySnapshots
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import RETRACTED, LazyProjection
from libs.eventlog.ranges import Ranges
from libs.eventlog.snapshots import PostgresSnapshots, Snapshots
from libs.runtime.clock import SECOND, Clock, ManualClock
from libs.telemetry.metrics import Metrics
from services.profile.migrations import SCRIPTS
from services.profile.migrations.tables import metadata
from tests.support.servers import Databases
from tests.support.tally import ADDED, TALLY, Tally

PARTITIONS: Final = 4
NOON: Final = 1_767_960_000 * SECOND


def key_of(name: object) -> bytes:
    """The key of a customer."""
    return blake2b(f"key {name}".encode(), digest_size=16).digest()


def id_of(name: object) -> bytes:
    """The id of an event."""
    return blake2b(f"id {name}".encode(), digest_size=16).digest()


def partition_mates(count: int, partition: int = 0) -> list[int]:
    """Names of customers whose keys share a partition."""
    names = (name for name in range(10_000) if int.from_bytes(key_of(name)[:2], "big") % PARTITIONS == partition)
    return [name for name, _ in zip(names, range(count), strict=False)]


def added(
    name: object,
    amount: object = 1,
    *,
    id_: object = None,
    at: int = NOON,
    digest: int = 0,
    **envelope: Any,
) -> NewEvent:
    """An amount added to a customer's tally; without `id_` it is an event of its own."""
    seal = Envelope(**{"tenant": "demo", "type": ADDED, **envelope}).seal()
    chosen = os.urandom(16) if id_ is None else id_of(id_)
    return seal.event(chosen, key_of(name), at, str(amount).encode(), digest=digest)


def retracted(name: object, *positions: int, tenant: str = "demo") -> NewEvent:
    """Some of a customer's events taken back."""
    payload = pb.Retracted(positions=positions).SerializeToString()
    return Envelope(tenant, RETRACTED).seal().event(os.urandom(16), key_of(name), NOON, payload)


class StreamedLog(Log, Protocol):
    """Both logs can also be read by partition to the end, in two orders, and asked for the keys of places."""

    def stream(self, partition: int, after: int) -> AsyncIterator[Batch]: ...

    def keys_in_order(
        self, partition: int, until: int, after: tuple[str, bytes] | None = None
    ) -> AsyncGenerator[Whole, None]: ...

    async def keys_at(self, places: Collection[tuple[int, int, int]]) -> dict[tuple[int, int], bytes]: ...


@dataclass(frozen=True)
class Store:
    """A log and what is folded from it, in one kind of store."""

    log: StreamedLog
    clock: ManualClock
    snapshots: Snapshots
    horizons_behind: Callable[[int], Horizons]

    def reader(self, projection: LazyProjection[Tally] = TALLY) -> LazyReader[Tally]:
        return LazyReader(projection, self.log, self.snapshots)

    def compactor(self, projection: LazyProjection[Tally] = TALLY, lag: int = 0, tail: int = 3) -> Compactor[Tally]:
        return Compactor(self.reader(projection), self.horizons_behind(lag), Metrics(), tail_events=tail)

    async def blank(self, name: object, *positions: int, tenant: str = "demo") -> int:
        """Erase what a customer's events say, all of them or those at some positions."""
        where = tenant, key_of(name), positions or None
        if isinstance(self.log, MemoryLog):
            return await self.log.blank(*where, "asked to")
        return await self.blanking().blank(*where, "asked to")

    def blanking(self) -> Blanking:
        """Erases in PostgreSQL, and folds again."""
        assert isinstance(self.log, PostgresLog)
        return Blanking(self.log, self.log._pool, self.log._archive, self.clock, self.compactor().forget)

    async def fold(self, *names: object, projection: LazyProjection[Tally] = TALLY) -> None:
        """Make snapshots of customers."""
        compactor = self.compactor(projection)
        compactor.request([("demo", key_of(name)) for name in names])
        await compactor.compact_all()

    async def events(self) -> dict[int, list[pb.Event]]:
        """The whole log; its positions are held gapless on the way."""
        return {partition: await self._partition(partition) for partition in range(self.log.partitions)}

    async def _partition(self, partition: int) -> list[pb.Event]:
        events: list[pb.Event] = []
        async for batch in self.log.stream(partition, 0):
            assert batch.first_position == len(events) + 1
            events += [recorded.event for recorded in batch.recorded()]
        return events


def memory_store() -> Store:
    """An empty log in memory."""
    clock = ManualClock(NOON)
    log = MemoryLog("tried", PARTITIONS, clock)
    snapshots = MemorySnapshots(log)
    return Store(log, clock, snapshots, lambda lag: MemoryHorizons(log, snapshots, lag))


@dataclass(frozen=True)
class Database:
    """A migrated database, and connections to it."""

    pool: asyncpg.Pool

    def log(self, clock: Clock, *, range_events: int = 5_000_000, archive: Archive | None = None) -> PostgresLog:
        return PostgresLog("tried", PARTITIONS, self.pool, clock, Ranges(self.pool, range_events), archive)

    @cached_property
    def store(self) -> Store:
        clock = ManualClock(NOON)
        return self.over(self.log(clock), clock)

    def over(self, log: PostgresLog, clock: ManualClock, archive: Archive | None = None) -> Store:
        """A store whose log is given."""
        snapshots = PostgresSnapshots(self.pool, TALLY.name, TALLY.snapshots, log)
        return Store(
            log,
            clock,
            snapshots,
            lambda lag: PostgresHorizons(self.pool, TALLY.name, TALLY.snapshots, lag, archive),
        )


async def migrated(dsn: str) -> None:
    """The tables of the profile service: a log, and a projection of which the tally borrows the snapshots."""
    await migrate(dsn, SCRIPTS, partitions=PARTITIONS)


@pytest.fixture
async def migrated_dsn(databases: Databases) -> AsyncIterator[str]:
    """The DSN of a migrated database of the test's own."""
    dsn = await databases.fresh(await databases.template("migrated", migrated))
    yield dsn
    await databases.drop(dsn)


@pytest.fixture(scope="session")
async def shared_pool(databases: Databases) -> AsyncIterator[asyncpg.Pool]:
    """Connections to the migrated database that tests use one after another."""
    async with open_pool(await databases.fresh(await databases.template("migrated", migrated)), size=24) as pool:
        yield pool


@pytest.fixture
async def log_database(shared_pool: asyncpg.Pool) -> Database:
    """A migrated database, empty: emptying one takes a tenth of making one."""
    async with shared_pool.acquire() as connection, connection.transaction():
        for row in await connection.fetch("DELETE FROM log_ranges RETURNING name"):
            await connection.execute(f"DROP TABLE {row['name']}")
        for row in await connection.fetch("SELECT snapshots FROM projection_versions WHERE version > 1"):
            await connection.execute(f"DROP TABLE IF EXISTS {row['snapshots']}")
        await connection.execute("UPDATE log_heads SET position = 0, recorded_at = 0")
        for table in metadata.tables.keys() - {"log", "log_heads", "log_ranges"}:
            await connection.execute(f"DELETE FROM {table}")
    return Database(shared_pool)


class Loop(Protocol):
    def run(self) -> Awaitable[None]: ...


@asynccontextmanager
async def running(*loops: Loop) -> AsyncIterator[None]:
    """Run loops in the background; each must outlive the block."""
    tasks = [asyncio.ensure_future(loop.run()) for loop in loops]
    try:
        yield
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def places(appended: Iterable[Appended]) -> list[tuple[int, int]]:
    """Partition and position of each."""
    return [(one.partition, one.position) for one in appended]
