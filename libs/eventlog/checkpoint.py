"""Checkpoints: how far a consumer has come, moved by compare-and-swap in the transaction of what it folded."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import asyncpg

from libs.eventlog.database import Connection
from libs.eventlog.memory_transaction import MemoryTransaction

RETIRED: Final = -1
"""The position of a version that was dropped: whoever folds it and does not know yet is fenced for ever."""

RELAY: Final = "relay"  # whose checkpoints are how far a log was certainly published, not consumed

ConnectionT = TypeVar("ConnectionT")


@dataclass(frozen=True, slots=True)
class Step:
    """A partition's move from one position to another."""

    partition: int
    old: int
    new: int


class Fenced(Exception):
    """Somebody else moved one of our checkpoints: read them again and go on from there."""


class Checkpoints(Protocol[ConnectionT]):
    """The positions of one consumer of one log, and the transactions that they guard."""

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        """Last position consumed of every partition; 0 where nothing was."""
        ...

    def advance(self, steps: Sequence[Step]) -> AbstractAsyncContextManager[ConnectionT]:
        """A transaction that has moved the checkpoints, committed at the end of the block and undone if it raises.

        Raises `Fenced` before the block is entered. The move comes first because it is the fence: a replica that was
        overtaken must not read newer state, let alone write.
        """
        ...

    def hold(self, partition: int) -> AbstractAsyncContextManager[ConnectionT]:
        """A transaction in which the checkpoint of a partition stands still: nobody folds the partition meanwhile."""
        ...

    def savepoint(self, connection: ConnectionT) -> AbstractAsyncContextManager[object]:
        """A part of such a transaction that is undone alone if it raises."""
        ...


_BEGIN: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT $1, $2, partition, 0 FROM unnest($3::smallint[]) AS partition ORDER BY partition ON CONFLICT DO NOTHING"""

_LOAD: Final = """
    SELECT partition, position FROM checkpoints WHERE consumer = $1 AND log = $2 AND partition = ANY($3::smallint[])"""

# Locked in the order of partitions, so that two replicas with the same partitions queue up instead of deadlocking. The
# search path of the transaction is set on the way, which saves a round trip.
_ADVANCE: Final = """
    WITH held AS (
        SELECT mine.partition, step.new
        FROM checkpoints AS mine
        JOIN unnest($3::smallint[], $4::bigint[], $5::bigint[]) AS step(partition, old, new) USING (partition)
        WHERE mine.consumer = $1 AND mine.log = $2 AND mine.position = step.old
        ORDER BY mine.partition FOR UPDATE OF mine)
    UPDATE checkpoints AS mine SET position = held.new FROM held
    WHERE mine.consumer = $1 AND mine.log = $2 AND mine.partition = held.partition
    RETURNING CASE WHEN $6::text IS NOT NULL THEN set_config('search_path', $6, true) END"""

_HOLD: Final = """
    SELECT CASE WHEN $4::text IS NOT NULL THEN set_config('search_path', $4, true) END
    FROM checkpoints WHERE consumer = $1 AND log = $2 AND partition = $3 FOR UPDATE"""

_SAVED: Final = "SELECT partition, position FROM checkpoints WHERE consumer = $1 AND log = $2"

_RAISE: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT $1, $2, partition, position FROM unnest($3::smallint[], $4::bigint[]) AS reached(partition, position)
    ORDER BY partition
    ON CONFLICT (consumer, log, partition)
    DO UPDATE SET position = excluded.position WHERE checkpoints.position < excluded.position"""

_CONSUMED: Final = """
    SELECT log, partition, min(position) AS position FROM checkpoints
    WHERE consumer <> ALL($1::text[]) AND position <> $2
    GROUP BY log, partition ORDER BY log, partition"""


class PostgresCheckpoints:
    """Checkpoints in the database that the consumer's handler writes to.

    Every transaction finds tables by the search path given, if one is: so folding code knows of no versions.
    """

    def __init__(self, pool: asyncpg.Pool, consumer: str, log: str, *, search_path: str | None = None) -> None:
        self._pool = pool
        self._consumer = consumer
        self._log = log
        self._search_path = search_path

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        """See `Checkpoints.load`."""
        async with self._pool.acquire() as connection:
            await connection.execute(_BEGIN, self._consumer, self._log, partitions)
            rows = await connection.fetch(_LOAD, self._consumer, self._log, partitions)
        return {row["partition"]: row["position"] for row in rows}

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[Connection]:
        """See `Checkpoints.advance`."""
        partitions, old, new = zip(*((step.partition, step.old, step.new) for step in steps), strict=True)
        async with self._pool.acquire() as connection, connection.transaction():
            moved = await connection.fetch(_ADVANCE, self._consumer, self._log, partitions, old, new, self._search_path)
            if len(moved) != len(steps):
                raise Fenced
            yield connection

    @asynccontextmanager
    async def hold(self, partition: int) -> AsyncIterator[Connection]:
        """See `Checkpoints.hold`."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_HOLD, self._consumer, self._log, partition, self._search_path)
            yield connection

    def savepoint(self, connection: Connection) -> AbstractAsyncContextManager[object]:
        """See `Checkpoints.savepoint`."""
        return connection.transaction()


class MemoryCheckpoints:
    """Checkpoints of a simulation; one transaction at a time."""

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._transaction = asyncio.Lock()

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        """See `Checkpoints.load`."""
        async with self._transaction:
            return {partition: self._positions.get(partition, 0) for partition in partitions}

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[MemoryTransaction]:
        """See `Checkpoints.advance`."""
        async with self._transaction:
            if any(self._positions.get(step.partition, 0) != step.old for step in steps):
                raise Fenced
            with MemoryTransaction().committing() as transaction:
                transaction.at_commit(lambda: self._positions.update({step.partition: step.new for step in steps}))
                yield transaction

    @asynccontextmanager
    async def hold(self, partition: int) -> AsyncIterator[MemoryTransaction]:
        """See `Checkpoints.hold`."""
        async with self._transaction:
            with MemoryTransaction().committing() as transaction:
                yield transaction

    @asynccontextmanager
    async def savepoint(self, connection: MemoryTransaction) -> AsyncIterator[None]:
        """See `Checkpoints.savepoint`."""
        with connection.savepoint():
            yield


class SavedPositions(Protocol):
    """How far a log was certainly published: a lower bound, saved now and then."""

    async def load(self) -> dict[int, int]:
        """Position by partition, of those that were ever saved."""
        ...

    async def save(self, positions: Mapping[int, int]) -> None:
        """Raise the positions; one that stands higher stays."""
        ...


class PostgresSavedPositions:
    """The relay's positions, beside the checkpoints of the service's consumers."""

    def __init__(self, pool: asyncpg.Pool, log: str) -> None:
        self._pool = pool
        self._log = log

    async def load(self) -> dict[int, int]:
        """See `SavedPositions.load`."""
        rows = await self._pool.fetch(_SAVED, RELAY, self._log)
        return {row["partition"]: row["position"] for row in rows}

    async def save(self, positions: Mapping[int, int]) -> None:
        """See `SavedPositions.save`."""
        await self._pool.execute(_RAISE, RELAY, self._log, list(positions), list(positions.values()))


class MemorySavedPositions:
    """The relay's positions in a simulation."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}

    async def load(self) -> dict[int, int]:
        """See `SavedPositions.load`."""
        return dict(self.positions)

    async def save(self, positions: Mapping[int, int]) -> None:
        """See `SavedPositions.save`."""
        for partition, position in positions.items():
            self.positions[partition] = max(position, self.positions.get(partition, 0))


async def consumed(pool: asyncpg.Pool, shadows: Iterable[str] = ()) -> dict[str, dict[int, int]]:
    """How far the service has consumed each foreign log, by log and partition; its slowest consumer counts.

    Versions of a consumer that are not read are its shadows: nobody waits for them.
    """
    logs: dict[str, dict[int, int]] = {}
    for log, partition, position in await pool.fetch(_CONSUMED, [RELAY, *shadows], RETIRED):
        logs.setdefault(log, {})[partition] = position
    return logs
