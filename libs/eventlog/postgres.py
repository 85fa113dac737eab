"""The log in PostgreSQL: one transaction an append, gapless positions, and reads by partition or by key."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

import asyncpg
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.archive import Archive
from libs.eventlog.copy import DIGEST_OFFSET, LOG_COLUMNS, MESSAGE_ID_COLUMNS, log_rows, message_id_rows, write
from libs.eventlog.database import Connection, reaching
from libs.eventlog.event import Appended, Batch, NewEvent, Recorded, partition_of
from libs.eventlog.key_order import keys_in_order
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS, Whole
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import Clock

KEY_PAGE: Final = 1_000

Placed = list[tuple[int, int, NewEvent]]

_KNOWN_IDS = """
    SELECT event_id, partition, position, digest FROM message_ids WHERE tenant = $1 AND event_id = ANY($2::uuid[])"""

# Rows are locked in the order of the sort below them, so that two appends never wait for each other in a circle.
_LOCK_HEADS = """
    SELECT partition, position, recorded_at FROM log_heads WHERE partition = ANY($1::smallint[])
    ORDER BY partition FOR UPDATE"""

_ADVANCE_HEADS = """
    UPDATE log_heads AS head SET position = next.position, recorded_at = $3
    FROM unnest($1::smallint[], $2::bigint[]) AS next(partition, position)
    WHERE head.partition = next.partition"""

_READ = """
    SELECT run.partition, run.position, run.recorded_at, run.event
    FROM unnest($1::smallint[], $2::bigint[]) AS mine(partition, position)
    CROSS JOIN LATERAL (
        SELECT next.*, sum(octet_length(event)) OVER (ORDER BY position) AS bytes
        FROM (
            SELECT partition, position, recorded_at, event FROM log
            WHERE partition = mine.partition AND position > mine.position
            ORDER BY position LIMIT $3) AS next) AS run
    WHERE run.bytes <= $4 OR run.bytes = octet_length(run.event)
    UNION ALL
    SELECT mine.partition, NULL, NULL, NULL
    FROM unnest((SELECT $1::smallint[]), (SELECT $2::bigint[])) AS mine(partition, position)
    WHERE mine.position < (
        SELECT max(last_position) FROM log_archives AS file
        WHERE file.partition = mine.partition AND file.archived_at IS NOT NULL)"""

_READ_KEY = """
    (SELECT position, recorded_at, event FROM log
     WHERE tenant = $1 AND key = $2 AND position > $3 ORDER BY position LIMIT $4)
    UNION ALL
    (SELECT last_position, NULL, NULL FROM log_archives
     WHERE partition = $5 AND last_position > $3 AND archived_at IS NOT NULL ORDER BY last_position DESC LIMIT 1)"""

_KEYS = """
    SELECT log.partition, log.position, log.key
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS place(partition, position, recorded_at)
    JOIN log ON log.partition = place.partition AND log.position = place.position
            AND log.recorded_at = place.recorded_at"""


class PostgresLog:
    """One service's log, in that service's own database.

    The position of an event is taken under the lock of its partition's head row, so positions follow commits: who has
    seen position n has seen everything before it. `recorded_at` is stamped under the same lock and never runs back.
    What a reader asks for may be archived. The very statement that reads the table says so, because ranges leave the
    table and enter the registry of archives in one transaction: a reader meets them in one place, never in both.
    """

    def __init__(
        self,
        name: str,
        partitions: int,
        pool: asyncpg.Pool,
        clock: Clock,
        ranges: Ranges,
        archive: Archive | None = None,
    ) -> None:
        self.name = name
        self.partitions = partitions
        self._pool = pool
        self._clock = clock
        self._ranges = ranges
        self._archive = archive or Archive(pool)

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """See `Log.append`."""
        # Repeats are rare: the unique index finds them, and only then is the look-up worth its price.
        look_first = False
        with reaching():
            while True:
                try:
                    async with self._pool.acquire() as connection, connection.transaction():
                        return await self.append_in(connection, events, look_first=look_first)
                except asyncpg.UniqueViolationError:
                    look_first = True
                except asyncpg.CheckViolationError:  # no range takes a row of this moment yet
                    await self.cover()

    async def cover(self) -> None:
        """Make a range for this moment; for whoever appended within a transaction and found none."""
        await self._ranges.cover(self._clock.now())

    async def append_in(
        self, connection: Connection, events: Sequence[NewEvent], *, look_first: bool = True
    ) -> list[Appended]:
        """Append within the caller's transaction; its outputs become visible with its other writes or not at all.

        Raises `asyncpg.UniqueViolationError` when another append records one of the ids at the same moment (or, without
        `look_first`, has recorded it), and `asyncpg.CheckViolationError` when no range covers the moment: the caller's
        transaction is to be tried again.
        """
        standing = await self._standing(connection, events) if look_first else {}
        fresh: dict[tuple[str, bytes], NewEvent] = {}
        for event in events:
            identity = (event.tenant, event.id)
            if identity not in standing:
                fresh.setdefault(identity, event)
        placed = await self._record(connection, list(fresh.values())) if fresh else []
        if len(placed) == len(events):
            return [Appended(partition, position) for partition, position, _ in placed]
        for partition, position, event in placed:
            standing[event.tenant, event.id] = (partition, position, event.digest)
        results = []
        for event in events:
            identity = (event.tenant, event.id)
            partition, position, digest = standing[identity]
            duplicate = fresh.pop(identity, None) is None
            results.append(Appended(partition, position, duplicate, duplicate and digest != event.digest))
        return results

    async def append_derived(self, connection: Connection, events: Sequence[NewEvent]) -> None:
        """Append within the caller's transaction what follows from rows that it holds, so that nobody else can.

        The ids are not remembered: a repeat would not be found. Raises `asyncpg.CheckViolationError` as `append_in`.
        """
        if events:
            await self._record(connection, events, remembered=False)

    async def _standing(
        self, connection: Connection, events: Sequence[NewEvent]
    ) -> dict[tuple[str, bytes], tuple[int, int, int]]:
        """Partition, position and digest of the ids that were recorded before."""
        ids: dict[str, list[bytes]] = {}
        for event in events:
            ids.setdefault(event.tenant, []).append(event.id)
        return {
            (tenant, event_id): (partition, position, digest + DIGEST_OFFSET)
            for tenant, wanted in ids.items()
            for event_id, partition, position, digest in await connection.fetch(_KNOWN_IDS, tenant, wanted)
        }

    async def _record(self, connection: Connection, events: Sequence[NewEvent], *, remembered: bool = True) -> Placed:
        """Give events their positions under the locks of their heads, and write them."""
        partitions = [partition_of(event.key, self.partitions) for event in events]
        heads = {
            partition: (position, recorded_at)
            for partition, position, recorded_at in await connection.fetch(_LOCK_HEADS, sorted(set(partitions)))
        }
        recorded_at = max(self._clock.now(), *(last for _, last in heads.values()))
        position = {partition: last for partition, (last, _) in heads.items()}
        placed: Placed = []
        for partition, event in zip(partitions, events, strict=True):
            position[partition] += 1
            placed.append((partition, position[partition], event))
        await write(connection, "log", LOG_COLUMNS, log_rows(placed, recorded_at))
        if remembered:
            # Sorted, so that two appends that share ids but no partition never wait for each other in a circle.
            placed_by_id = sorted(placed, key=lambda place: (place[2].id, place[2].tenant))
            await write(connection, "message_ids", MESSAGE_ID_COLUMNS, message_id_rows(placed_by_id, recorded_at))
        await connection.execute(_ADVANCE_HEADS, list(position), list(position.values()), recorded_at)
        return placed

    async def heads(self) -> dict[int, int]:
        """See `LogReader.heads`."""
        rows = await self._pool.fetch("SELECT partition, position FROM log_heads ORDER BY partition")
        return {row["partition"]: row["position"] for row in rows}

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        """See `LogReader.read`."""
        rows = await self._pool.fetch(_READ, list(after), list(after.values()), limit, max_bytes)
        found = {partition: list(run) for partition, run in groupby(rows, key=itemgetter("partition"))}
        # Where a partition is archived behind the position, the row that says so comes last of it.
        return [
            _batch(partition, found[partition])
            if found[partition][-1]["event"] is not None
            else await self._read_archived(partition, position, limit, max_bytes)
            for partition, position in after.items()
            if partition in found
        ]

    async def _read_archived(self, partition: int, after: int, limit: int, max_bytes: int) -> Batch:
        """What follows an archived position: from one file, the next, and then the table, while there is room."""
        whole = Batch(partition, after + 1, [], [])
        while (room := limit - len(whole.events)) > 0 and max_bytes > 0:
            run = await self._archive.read(partition, whole.last_position, room, max_bytes)
            more = run or await self._read_table(partition, whole.last_position, room, max_bytes)
            size = sum(map(len, more.events))
            if whole.events and size > max_bytes:  # a first one that is too large: it begins the next batch
                break
            whole = whole.then(more)
            max_bytes -= size
            if run is None:
                break
        return whole

    async def _read_table(self, partition: int, after: int, limit: int, max_bytes: int) -> Batch:
        rows = await self._pool.fetch(_READ, [partition], [after], limit, max_bytes)
        if not rows or rows[-1]["event"] is None:  # archived since we looked there
            return Batch(partition, after + 1, [], [])
        return _batch(partition, rows)

    async def stream(self, partition: int, after: int) -> AsyncIterator[Batch]:
        """Everything behind a position of a partition, up to the head of the moment, batch by batch."""
        end = (await self.heads())[partition]
        while after < end:
            for batch in await self.read({partition: after}):
                yield batch
                after = batch.last_position

    async def read_key(self, tenant: str, key: bytes, *, after: int = 0) -> list[Recorded]:
        """See `KeyReader.read_key`."""
        partition = partition_of(key, self.partitions)
        found: list[Recorded] = []
        while True:
            rows = await self._pool.fetch(_READ_KEY, tenant, key, after, KEY_PAGE, partition)
            if rows and rows[-1]["event"] is None:
                until = rows.pop()["position"]
                found += await self._archive.read_key(tenant, key, partition, after, until)
            found += recorded(rows)
            if len(rows) < KEY_PAGE:
                return found
            after = found[-1].position

    async def keys_at(self, places: Collection[tuple[int, int, int]]) -> dict[tuple[int, int], bytes]:
        """The keys of events by (partition, position), for places that also say when the event was recorded."""
        rows = await self._pool.fetch(_KEYS, *map(list, zip(*places, strict=True)))
        keys = {(partition, position): key for partition, position, key in rows}
        archived: dict[int, list[int]] = {}
        for partition, position, _ in places:
            if (partition, position) not in keys:
                archived.setdefault(partition, []).append(position)
        for partition, positions in archived.items():
            found = await self._archive.keys_at(partition, positions)
            keys |= {(partition, position): key for position, key in found.items()}
        return keys

    def keys_in_order(
        self, partition: int, until: int, after: tuple[str, bytes] | None = None
    ) -> AsyncGenerator[Whole, None]:
        """See `BulkReader.keys_in_order`."""
        return keys_in_order(self._pool, self._archive, partition, until, after)


def recorded(rows: Iterable[asyncpg.Record]) -> list[Recorded]:
    """Events of rows (position, recorded_at, event)."""
    parse = pb.Event.FromString
    return [Recorded(position, recorded_at, parse(event)) for position, recorded_at, event in rows]


def _batch(partition: int, rows: list[asyncpg.Record]) -> Batch:
    return Batch(partition, rows[0]["position"], [row["recorded_at"] for row in rows], [row["event"] for row in rows])
