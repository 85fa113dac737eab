"""A log in PostgreSQL that keeps as much of itself in archives as may be there, to be tried like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import asyncpg

from libs.eventlog.archive import Archive, hold_archives
from libs.eventlog.archiver import Archiver, fresh_path, stem_of
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import LONGEST, Ranges
from libs.runtime.clock import SECOND, ManualClock
from libs.telemetry.metrics import Metrics
from tests.support.logs import NOON, PARTITIONS, Database, Store, added, key_of, partition_mates, retracted
from tests.support.tally import POISON, TALLY
from tests.support.transport import eventually

MINUTE: Final = 60 * SECOND

# Half of a partition, or less: never an event that a snapshot of its key lacks, unless the key stands still.
_CUTS = """
    SELECT head.partition, before.position AS after, cut.position AS until
    FROM log_heads AS head
    CROSS JOIN LATERAL (
        SELECT coalesce(max(last_position), 0) AS position FROM log_archives WHERE partition = head.partition) AS before
    CROSS JOIN LATERAL (
        SELECT least(head.position / 2, (
            SELECT min(log.position) - 1 FROM log JOIN portraits AS snapshot ON snapshot.key = log.key
            WHERE log.partition = head.partition AND log.position > snapshot.position
              AND snapshot.parked_position IS NULL)) AS position) AS cut
    WHERE cut.position > before.position"""

_TAKE = """
    WITH gone AS (
        DELETE FROM log WHERE partition = $1 AND position <= $2 RETURNING position, recorded_at, tenant, key, event)
    SELECT * FROM gone ORDER BY tenant COLLATE "C", key, position"""


async def archive_everything(
    pool: asyncpg.Pool, log: str, folder: Path, projections: Sequence[str] | None = None
) -> None:
    """Archive what a running service has recorded so far, as soon as its projections have folded it."""
    clock = ManualClock(await pool.fetchval("SELECT max(end_at) FROM log_ranges"))
    await Ranges(pool).cover(clock.now())
    archiver = Archiver(log, pool, Archive(pool, str(folder)), clock, Metrics(), 0, projections)

    async def done() -> bool:
        await archiver.step()
        return not await pool.fetchval("SELECT EXISTS (SELECT FROM log)")

    await eventually(done, within=90)


class HalfArchivedLog(PostgresLog):
    """After every append it moves half of each partition to files, wherever that cuts through a range."""

    def __init__(self, pool: asyncpg.Pool, clock: ManualClock, archive: Archive) -> None:
        super().__init__("tried", PARTITIONS, pool, clock, Ranges(pool), archive)
        self.archive = archive
        self._files = 0

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        places = await super().append(events)
        await self.move()
        return places

    async def move(self) -> None:
        """Archive what may be."""
        async with self._pool.acquire() as connection, connection.transaction():
            await hold_archives(connection, "10s")
            await connection.execute("GRANT DELETE ON log TO CURRENT_USER")
            for partition, after, until in await connection.fetch(_CUTS):
                rows = [tuple(row) for row in await connection.fetch(_TAKE, partition, until)]
                path = fresh_path(stem_of(self.name, partition, after + 1, until))
                writing = self.archive.files.write(path, partition)
                writing.add(rows)
                written = self.archive.files.publish(path, writing.close())
                self._files += 1
                await connection.execute(
                    "INSERT INTO log_archives VALUES ($1, $2, 0, $3, $4, $5, $6, $7, 1)",
                    self._files,
                    partition,
                    written.first,
                    written.last,
                    path,
                    written.size,
                    written.digest,
                )
            await connection.execute("REVOKE DELETE ON log FROM CURRENT_USER")


def half_archived(database: Database, folder: Path) -> Store:
    """An empty log that archives itself, and what is folded from it."""
    clock, archive = ManualClock(NOON), Archive(database.pool, str(folder))
    return database.over(HalfArchivedLog(database.pool, clock, archive), clock, archive)


@dataclass(frozen=True)
class Aged:
    """A log of several ranges, and whoever archives them as soon as they are over."""

    database: Database
    store: Store
    archive: Archive
    names: Sequence[int]

    @classmethod
    async def filled(
        cls, database: Database, folder: Path, *, ranges: int = 3, customers: int = 3, poison: bool = False
    ) -> "Aged":
        """Customers of all partitions with events in every range, one retraction, and if asked for one poison event."""
        clock, archive = ManualClock(NOON), Archive(database.pool, str(folder))
        log = database.log(clock, range_events=1, archive=archive)
        names = [name for partition in range(PARTITIONS) for name in partition_mates(customers, partition)]
        for turn in range(ranges):
            await log.append([added(name, f"{turn}{n}", at=clock.now() - n) for n in range(4) for name in names])
            if turn == 1:
                await log.append([retracted(names[0], 1)])
                await log.append([added(names[1], POISON if poison else 3)])
            clock.advance(40 * MINUTE)
            await log.cover()
        clock.advance(2 * LONGEST)
        await log.cover()
        return cls(database, database.over(log, clock, archive), archive, names)

    @property
    def log(self) -> PostgresLog:
        assert isinstance(self.store.log, PostgresLog)
        return self.store.log

    def archiver(self, days: int = 0, projections: Sequence[str] = (TALLY.name,)) -> Archiver:
        return Archiver("tried", self.database.pool, self.archive, self.store.clock, Metrics(), days, projections)

    async def fold(self) -> None:
        """Make snapshots of everybody, and move the horizons to the heads."""
        horizons = self.store.horizons_behind(0)
        await horizons.tails()
        await self.store.fold(*self.names)
        while await horizons.advance():
            pass

    async def archived(self) -> None:
        """Archive everything that is over."""
        while await self.archiver().step():
            pass

    async def tables(self) -> int:
        """How many ranges are still tables."""
        count: int = await self.database.pool.fetchval("SELECT count(*) FROM log_ranges")
        return count

    async def files(self) -> list[str]:
        """The files that readers look into."""
        rows = await self.database.pool.fetch("SELECT path FROM log_archives WHERE archived_at > 0 ORDER BY path")
        return [row["path"] for row in rows]

    def files_there(self, folder: Path) -> list[str]:
        """The files that are in a folder."""
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    async def said(self) -> dict[str, str]:
        """A hash of everything that can be read, by the way in which it is read."""
        reader, keys = self.store.reader(), [("demo", key_of(name)) for name in self.names]
        heads = await self.log.heads()
        known = NOON + 50 * MINUTE
        return {
            "ReadLog": hash_of([await self._stream(partition) for partition in heads]),
            "ReadKey": hash_of([await self.log.read_key(*key) for key in keys]),
            "in order": hash_of([[run async for run in self.log.keys_in_order(*head)] for head in heads.items()]),
            "now": hash_of(await reader.read(keys)),
            "as of": hash_of([await reader.read_at(key, as_of=NOON + 45 * MINUTE) for key in keys]),
            "known at": hash_of([await reader.read_at(key, known_at=known) for key in keys]),
        }

    async def _stream(self, partition: int) -> list[tuple[int, int, bytes]]:
        found: list[tuple[int, int, bytes]] = []
        async for batch in self.log.stream(partition, 0):
            assert batch.first_position == len(found) + 1
            found += zip(range(batch.first_position, 2**62), batch.recorded_at, batch.events, strict=False)
        return found


def hash_of(what: object) -> str:
    """Of its text, which shows every byte of an event."""
    return blake2b(repr(what).encode(), digest_size=8).hexdigest()
