"""Where a lazy projection keeps what it has folded: one row a key, with the tail of the log behind it."""

from collections.abc import Sequence
from typing import Final, Protocol

import asyncpg
import msgspec
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.database import Connection
from libs.eventlog.event import Recorded, partition_of
from libs.eventlog.log import Log
from libs.eventlog.projection import Parked

KeyOfTenant = tuple[str, bytes]

STORAGE: Final = {"fillfactor": "80", "toast_tuple_target": "8160"}
"""How tables of snapshots are stored: an update stays on its page, and a state in its row."""

_COLUMNS: Final = ("key", "tenant", "position", "recorded_at", "parked_position", "state")


class SnapshotsGone(Exception):
    """The version of the projection that these snapshots belong to was dropped."""

    def __init__(self, projection: str) -> None:
        super().__init__(f"{projection} was dropped")
        self.projection = projection


class Stored(msgspec.Struct, frozen=True, gc=False):
    """Snapshot of a key (no state where there is none yet) and the events behind it."""

    state: bytes | None
    position: int
    recorded_at: int
    parked: bool
    tail: list[Recorded]


class Compacted(msgspec.Struct, frozen=True, gc=False):
    """A snapshot to be written, if the one it was folded from still stands at `expected` (None: there was none)."""

    tenant: str
    key: bytes
    expected: int | None
    position: int
    recorded_at: int
    state: bytes
    parked: Parked | None = None


class Snapshots(Protocol):
    """Reads and replaces the snapshots of one projection."""

    async def load(self, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        """Snapshot and tail of every key, read at one moment, in the order of the keys."""
        ...

    async def save(self, compacted: Sequence[Compacted]) -> int:
        """Replace snapshots; answers how many were (the others had moved on, which is as good)."""
        ...


# `(SELECT $n)` keeps the length of an array from the planner. Seeing it, the planner takes a plan made for that length
# for cheaper than the one it has, so it plans every call anew, and for a single key planning costs four times the read.
# `LIMIT 1` says that a key has one snapshot at most, so that it is looked up and no join is made with the whole table.
# The plan is kept while the log grows from nothing: run this on a pool that does without scans.
# Most identifiers of a person are nobody's anchor and never get a snapshot. So it is said at once, and once for all of
# them, whether any horizon is behind the archives: a second statement for each such read would double what it takes.
_LOAD = """
    SELECT snapshot.state, snapshot.position, snapshot.recorded_at, snapshot.parked_position,
           tail.positions, tail.times, tail.events,
           CASE WHEN snapshot.position IS NULL THEN (SELECT EXISTS (
               SELECT FROM log_heads AS head
               LEFT JOIN projection_horizons AS horizon
                 ON horizon.projection = $3 AND horizon.partition = head.partition
               WHERE coalesce(horizon.position, 0) < (
                   SELECT max(last_position) FROM log_archives AS file
                   WHERE file.partition = head.partition AND file.archived_at IS NOT NULL))) END AS behind
    FROM unnest((SELECT $1::text[]), (SELECT $2::uuid[])) WITH ORDINALITY AS wanted(tenant, key, place)
    LEFT JOIN LATERAL (
        SELECT * FROM {table} AS snapshot WHERE key = wanted.key AND tenant = wanted.tenant LIMIT 1) AS snapshot ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(position) AS positions, array_agg(recorded_at) AS times, array_agg(event) AS events
        FROM (
            SELECT position, recorded_at, event FROM log
            WHERE key = wanted.key AND tenant = wanted.tenant AND position > coalesce(snapshot.position, 0)
              AND recorded_at >= coalesce(snapshot.recorded_at, 0)
            ORDER BY position) AS run) AS tail
    ORDER BY wanted.place"""

# A range is archived only when it lies behind the horizon of every projection, and behind a horizon there is nothing
# that a snapshot lacks. So a snapshot's tail is in the table, whatever is archived, except for a key that stands still
# before an event, and for one without a snapshot while a horizon is behind the archives, as after a restart from zero.
# Asked after loading: what left the table in between was there to be loaded. A key that has a snapshot now and had none
# may have lacked what its horizon has passed since.
_BEHIND = """
    SELECT wanted.place
    FROM unnest((SELECT $1::text[]), (SELECT $2::uuid[]), (SELECT $3::smallint[]), (SELECT $4::bigint[]))
      WITH ORDINALITY AS wanted(tenant, key, partition, parked, place)
    WHERE (wanted.parked IS NULL
           AND EXISTS (SELECT FROM {table} AS snapshot WHERE key = wanted.key AND tenant = wanted.tenant))
       OR (SELECT max(last_position) FROM log_archives AS file
           WHERE file.partition = wanted.partition AND file.archived_at IS NOT NULL)
          > coalesce(wanted.parked, (
              SELECT position FROM projection_horizons AS horizon
              WHERE horizon.projection = $5 AND horizon.partition = wanted.partition), 0)"""

_INSERT = """
    INSERT INTO {table} AS snapshot (key, tenant, position, recorded_at, parked_position, state)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
    ON CONFLICT (key) DO NOTHING
    RETURNING key, false AS was_parked"""

_UPDATE = """
    UPDATE {table} AS snapshot
    SET position = new.position, recorded_at = new.recorded_at, parked_position = new.parked_position, state = new.state
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
      AS new(key, position, recorded_at, parked_position, state, expected)
    WHERE snapshot.key = new.key AND snapshot.position = new.expected
    RETURNING WITH (OLD AS before) snapshot.key, before.parked_position IS NOT NULL AS was_parked"""

_PARK = """
    INSERT INTO dead_letters AS known
      (projection, log, partition, position, tenant, key, cause, recorded_at, parked_at, event, kind)
    SELECT $1, $2, partition, position, tenant, key, cause, recorded_at, recorded_at, event, 'failed' FROM unnest(
        $3::smallint[], $4::bigint[], $5::text[], $6::uuid[], $7::text[], $8::bigint[], $9::bytea[])
      AS parked(partition, position, tenant, key, cause, recorded_at, event)
    ON CONFLICT (projection, log, partition, position) DO UPDATE SET cause = excluded.cause
    WHERE known.kind <> 'dropped'"""

_UNPARK = "DELETE FROM dead_letters WHERE projection = $1 AND log = $2 AND key = ANY($3::uuid[]) AND kind <> 'dropped'"


class PostgresSnapshots:
    """Snapshots in a table of the database that holds the log, so that one statement reads both.

    Everything here goes by key, so the pool is best one without scans.
    """

    def __init__(self, pool: asyncpg.Pool, projection: str, table: str, log: Log) -> None:
        self._pool = pool
        self._projection = projection
        self.table = table
        self.log = log
        self._load, self._behind, self._insert, self._update = (
            sql.format(table=table) for sql in (_LOAD, _BEHIND, _INSERT, _UPDATE)
        )

    async def load(self, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        """See `Snapshots.load`; raises `SnapshotsGone`."""
        return await self.load_in(self._pool, keys)

    async def load_in(self, connection: Connection | asyncpg.Pool, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        """The same within a transaction of the caller's."""
        try:
            tenants, names = [tenant for tenant, _ in keys], [key for _, key in keys]
            rows = await connection.fetch(self._load, tenants, names, self._projection)
        except asyncpg.UndefinedTableError:
            raise SnapshotsGone(self._projection) from None
        parse = pb.Event.FromString
        stored = [
            Stored(
                state,
                position or 0,
                recorded_at or 0,
                parked is not None,
                [Recorded(*row) for row in zip(positions, times, map(parse, events), strict=True)] if positions else [],
            )
            for state, position, recorded_at, parked, positions, times, events, _ in rows
        ]
        doubtful = [place for place, row in enumerate(rows) if row["behind"] or stored[place].parked]
        if doubtful:
            for place in await self._without_all(connection, keys, stored, doubtful):
                tail = await self.log.read_key(*keys[place], after=stored[place].position)
                stored[place] = msgspec.structs.replace(stored[place], tail=tail)
        return stored

    async def _without_all(
        self,
        connection: Connection | asyncpg.Pool,
        keys: Sequence[KeyOfTenant],
        stored: Sequence[Stored],
        doubtful: Sequence[int],
    ) -> list[int]:
        """The places, of those doubtful, whose tails may be archived in part."""
        tenants, names = zip(*(keys[place] for place in doubtful), strict=True)
        partitions = [partition_of(name, self.log.partitions) for name in names]
        parked = [stored[place].position if stored[place].parked else None for place in doubtful]
        rows = await connection.fetch(self._behind, tenants, names, partitions, parked, self._projection)
        return [doubtful[row["place"] - 1] for row in rows]

    async def save(self, compacted: Sequence[Compacted]) -> int:
        """See `Snapshots.save`."""
        ordered = sorted(compacted, key=lambda one: one.key)  # two compactors lock rows in the same order
        new = [one for one in ordered if one.expected is None]
        old = [one for one in ordered if one.expected is not None]
        async with self._pool.acquire() as connection, connection.transaction():
            was_parked: dict[bytes, bool] = {}
            if new:
                rows = await connection.fetch(
                    self._insert,
                    [one.key for one in new],
                    [one.tenant for one in new],
                    [one.position for one in new],
                    [one.recorded_at for one in new],
                    [_parked_position(one) for one in new],
                    [one.state for one in new],
                )
                was_parked |= {row["key"]: row["was_parked"] for row in rows}
            if old:
                rows = await connection.fetch(
                    self._update,
                    [one.key for one in old],
                    [one.position for one in old],
                    [one.recorded_at for one in old],
                    [_parked_position(one) for one in old],
                    [one.state for one in old],
                    [one.expected for one in old],
                )
                was_parked |= {row["key"]: row["was_parked"] for row in rows}
            # Only who wrote a snapshot knows what became of it: letters of the others would outlive their cause.
            healed = [key for key, parked in was_parked.items() if parked]
            if healed:
                await connection.execute(_UNPARK, self._projection, self.log.name, healed)
            await self._park(connection, [one for one in ordered if one.key in was_parked])
        return len(was_parked)

    async def fill(self, connection: Connection, compacted: Sequence[Compacted]) -> None:
        """Write the first snapshots of keys, in bulk, within the caller's transaction."""
        rows = [
            (one.key, one.tenant, one.position, one.recorded_at, _parked_position(one), one.state) for one in compacted
        ]
        await connection.copy_records_to_table(self.table, records=rows, columns=_COLUMNS)
        await self._park(connection, compacted)

    async def _park(self, connection: Connection, compacted: Sequence[Compacted]) -> None:
        parked = [(one, one.parked) for one in compacted if one.parked is not None]
        if parked:
            await connection.execute(
                _PARK,
                self._projection,
                self.log.name,
                [partition_of(one.key, self.log.partitions) for one, _ in parked],
                [letter.recorded.position for _, letter in parked],
                [one.tenant for one, _ in parked],
                [one.key for one, _ in parked],
                [letter.cause for _, letter in parked],
                [letter.recorded.recorded_at for _, letter in parked],
                [letter.recorded.event.SerializeToString() for _, letter in parked],
            )


def _parked_position(one: Compacted) -> int | None:
    return one.parked.recorded.position if one.parked is not None else None
