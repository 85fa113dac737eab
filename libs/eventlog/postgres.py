"""The log in PostgreSQL: one transaction an append, gapless positions, and reads by partition or by key."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

import asyncpg
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.copy import DIGEST_OFFSET, LOG_COLUMNS, MESSAGE_ID_COLUMNS, log_rows, message_id_rows
from libs.eventlog.database import Connection, reaching
from libs.eventlog.event import Appended, Batch, NewEvent, Recorded, partition_of
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS
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
    WHERE run.bytes <= $4 OR run.bytes = octet_length(run.event)"""

_READ_KEY = """
    SELECT position, recorded_at, event FROM log
    WHERE tenant = $1 AND key = $2 AND position > $3 ORDER BY position LIMIT $4"""


class PostgresLog:
    """One service's log, in that service's own database.

    The position of an event is taken under the lock of its partition's head row, so positions follow commits: who has
    seen position n has seen everything before it. `recorded_at` is stamped under the same lock and never runs back.
    """

    def __init__(self, name: str, partitions: int, pool: asyncpg.Pool, clock: Clock, ranges: Ranges) -> None:
        self.name = name
        self.partitions = partitions
        self._pool = pool
        self._clock = clock
        self._ranges = ranges

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

    async def _record(self, connection: Connection, events: list[NewEvent]) -> Placed:
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
        await connection.copy_to_table(
            "log", source=log_rows(placed, recorded_at), columns=LOG_COLUMNS, format="binary"
        )
        # Sorted, so that two appends that share ids but no partition never wait for each other in a circle.
        placed_by_id = sorted(placed, key=lambda place: (place[2].id, place[2].tenant))
        await connection.copy_to_table(
            "message_ids",
            source=message_id_rows(placed_by_id, recorded_at),
            columns=MESSAGE_ID_COLUMNS,
            format="binary",
        )
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
        return [_batch(partition, list(run)) for partition, run in groupby(rows, key=itemgetter("partition"))]

    async def stream(self, partition: int, after: int) -> AsyncIterator[Batch]:
        """Everything behind a position of a partition, up to the head of the moment, batch by batch."""
        end = (await self.heads())[partition]
        while after < end:
            for batch in await self.read({partition: after}):
                yield batch
                after = batch.last_position

    async def read_key(self, tenant: str, key: bytes, *, after: int = 0) -> list[Recorded]:
        """See `KeyReader.read_key`."""
        found: list[Recorded] = []
        while rows := await self._pool.fetch(_READ_KEY, tenant, key, after, KEY_PAGE):
            found += recorded(rows)
            if len(rows) < KEY_PAGE:
                break
            after = found[-1].position
        return found


def recorded(rows: Iterable[asyncpg.Record]) -> list[Recorded]:
    """Events of rows (position, recorded_at, event)."""
    parse = pb.Event.FromString
    return [Recorded(position, recorded_at, parse(event)) for position, recorded_at, event in rows]


def _batch(partition: int, rows: list[asyncpg.Record]) -> Batch:
    return Batch(partition, rows[0]["position"], [row["recorded_at"] for row in rows], [row["event"] for row in rows])
