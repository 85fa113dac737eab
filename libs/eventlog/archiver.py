"""Moving old ranges of a log out of its table: sealed, folded, written to files, read back, and only then dropped."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from libs.eventlog.archive import Archive, hold_archives
from libs.eventlog.database import Connection
from libs.runtime.clock import SECOND, Clock
from libs.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from libs.eventlog.archive_format import Row

DAY: Final = 86_400 * SECOND
PAUSE_SECONDS: Final = 30.0
FETCH_ROWS: Final = 4_096
SORT_SECONDS: Final = 3_600.0
LOCK_WAIT: Final = "200ms"  # of which one keeps everybody from the log, also while it is waited for

# There is a later range for what is recorded once this one is sealed.
_OLDEST = """
    SELECT start_at, end_at, name FROM log_ranges WHERE end_at <= $1 AND end_at < (SELECT max(end_at) FROM log_ranges)
    ORDER BY start_at LIMIT 1"""

_LOCK_HEADS = "SELECT FROM log_heads ORDER BY partition FOR UPDATE"

_RAISE_HEADS = "UPDATE log_heads SET recorded_at = $1 WHERE recorded_at < $1"

_SEAL = """
    INSERT INTO log_archives (start_at, partition, end_at, first_position, last_position)
    SELECT $1, partition, $2, min(position), max(position) FROM {name} GROUP BY partition"""

_HELD_UP = """
    SELECT FROM log_archives AS file WHERE file.start_at = $1 AND (
        EXISTS (
            SELECT FROM projection_horizons AS horizon
            WHERE horizon.partition = file.partition AND horizon.position < file.last_position)
        OR $2::text[] <> ARRAY(
            SELECT projection FROM projection_horizons AS horizon
            WHERE horizon.partition = file.partition AND horizon.projection = ANY($2) ORDER BY projection))"""

_UNWRITTEN = """
    SELECT partition, first_position, last_position FROM log_archives
    WHERE start_at = $1 AND path IS NULL ORDER BY partition LIMIT 1"""

_ROWS = """
    SELECT position, recorded_at, tenant, key, event FROM {name} WHERE partition = $1
    ORDER BY tenant COLLATE "C", key, position"""

_WRITTEN = "UPDATE log_archives SET path = $3, size = $4, digest = $5 WHERE start_at = $1 AND partition = $2"

_ARCHIVED = "UPDATE log_archives SET archived_at = $2 WHERE start_at = $1"


@dataclass(frozen=True, slots=True)
class Archiver:
    """Archives the oldest range once it is `days` old and folded by every projection, then the next.

    A step is one transaction that holds the archives' lock, so of several replicas one works and a crash leaves at most
    a file that nobody knows of. `projections` are those whose horizons must exist; others count where they do. None: no
    projection folds this log lazily, so a range waits for nobody.
    """

    log: str
    pool: asyncpg.Pool
    archive: Archive
    clock: Clock
    metrics: Metrics
    days: int
    projections: Sequence[str] | None = ()

    async def run(self) -> None:
        """Archive what becomes due, until cancelled; a database or place that is away only delays it."""
        while True:
            try:
                while await self.step():
                    self.metrics.heartbeat("archiver")
            except Exception as error:  # noqa: BLE001  whatever it is, the range stays where it is and can be read
                structlog.get_logger().warning("archiving_delayed", log=self.log, error=repr(error))
            self.metrics.heartbeat("archiver")
            await asyncio.sleep(PAUSE_SECONDS)

    async def step(self) -> bool:
        """Seal the oldest range that is due, write a file of it, or let its files take its place.

        False if none is due, somebody else is at it, or a projection or a reader holds it up.
        """
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                await hold_archives(connection, LOCK_WAIT)
                return await self._step(connection)
        except asyncpg.LockNotAvailableError:  # a rebuild reads, for one
            return False

    async def _step(self, connection: Connection) -> bool:
        oldest = await connection.fetchrow(_OLDEST, self.clock.now() - self.days * DAY)
        if oldest is None:
            return False
        if not await connection.fetchval("SELECT count(*) FROM log_archives WHERE start_at = $1", oldest["start_at"]):
            await self._seal(connection, oldest)
        if await self._is_held_up(connection, oldest):
            return False
        unwritten = await connection.fetchrow(_UNWRITTEN, oldest["start_at"])
        if unwritten is not None:
            await self._write(connection, oldest, *unwritten)
        else:
            await self._replace(connection, oldest)
        return True

    async def _is_held_up(self, connection: Connection, oldest: asyncpg.Record) -> bool:
        if self.projections is None:
            return False
        return bool(await connection.fetch(_HELD_UP, oldest["start_at"], sorted(self.projections)))

    async def _seal(self, connection: Connection, oldest: asyncpg.Record) -> None:
        """From here on nothing is recorded in the range, even by a replica whose clock is behind."""
        async with self.pool.acquire() as apart, apart.transaction():  # heads are held for this moment only
            await apart.execute(_LOCK_HEADS)
            await apart.execute(_RAISE_HEADS, oldest["end_at"])
        await connection.execute(
            _SEAL.format(name=oldest["name"]), oldest["start_at"], oldest["end_at"], timeout=SORT_SECONDS
        )

    async def _write(
        self, connection: Connection, oldest: asyncpg.Record, partition: int, first: int, last: int
    ) -> None:
        """Write one partition of the range to a file, and register what was read back from it."""
        files, stem = self.archive.files, stem_of(self.log, partition, first, last)
        path = fresh_path(stem)
        await asyncio.to_thread(files.tidy, stem, None)
        writing = await asyncio.to_thread(files.write, path, partition)
        async for rows in _rows(connection, oldest["name"], partition):
            await asyncio.to_thread(writing.add, rows)
        written = await asyncio.to_thread(lambda: files.publish(path, writing.close()))
        if (written.first, written.last) != (first, last):
            raise RangeChanged(oldest["name"], partition, (first, last), (written.first, written.last))
        await connection.execute(_WRITTEN, oldest["start_at"], partition, path, written.size, written.digest)
        self.metrics.archived_events.inc(written.rows)

    async def _replace(self, connection: Connection, oldest: asyncpg.Record) -> None:
        """In one moment the files are where readers look, and the range is gone."""
        await connection.execute(f"ALTER TABLE log DETACH PARTITION {oldest['name']}")
        await connection.execute(f"DROP TABLE {oldest['name']}")
        await connection.execute("DELETE FROM log_ranges WHERE start_at = $1", oldest["start_at"])
        await connection.execute(_ARCHIVED, oldest["start_at"], self.clock.now())
        structlog.get_logger().info("range_archived", log=self.log, range=oldest["name"])


class RangeChanged(Exception):
    """A range of the log does not hold what it held when it was sealed."""

    def __init__(self, name: str, partition: int, expected: tuple[int, int], actual: tuple[int, int]) -> None:
        super().__init__(f"{name} has positions {actual} of partition {partition}, but had {expected}")


def stem_of(log: str, partition: int, first: int, last: int) -> str:
    """How the paths of all files begin that were ever written for a stretch."""
    return f"{log}/partition-{partition:04d}/{first:012d}-{last:012d}"


def fresh_path(stem: str) -> str:
    """A path that no file has had: whoever was overtaken can't overwrite what others rely on."""
    return f"{stem}-{secrets.token_hex(4)}.parquet"


async def _rows(connection: Connection, name: str, partition: int) -> AsyncIterator["list[Row]"]:
    cursor = await connection.cursor(_ROWS.format(name=name), partition, timeout=SORT_SECONDS)
    while rows := await cursor.fetch(FETCH_ROWS, timeout=SORT_SECONDS):
        yield [tuple(row) for row in rows]
