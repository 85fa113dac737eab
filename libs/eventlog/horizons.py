"""Horizons of a lazy projection in PostgreSQL."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.archive import Archive
from libs.eventlog.snapshots import KeyOfTenant

LAG_EVENTS: Final = 500_000
STRETCH_EVENTS: Final = 20_000

# Joins are by key: a snapshot tells up to which position of its partition the key is folded.
_TAILS = """
    SELECT log.tenant, log.key, count(*) FROM log
    JOIN projection_horizons AS horizon
      ON horizon.projection = $1 AND horizon.partition = log.partition AND log.position > horizon.position
    LEFT JOIN {table} AS snapshot ON snapshot.key = log.key
    WHERE log.position > coalesce(snapshot.position, 0)
    GROUP BY log.tenant, log.key"""

_PARKED = "SELECT DISTINCT tenant, key FROM dead_letters WHERE projection = $1 AND kind = 'failed'"

# A range that is about to be archived is waited for, however near its end is to the head.
_STRETCHES = """
    SELECT horizon.partition, horizon.position, least(horizon.position + $3, aim.position) AS until, archived.until
    FROM projection_horizons AS horizon JOIN log_heads AS head USING (partition)
    CROSS JOIN LATERAL (
        SELECT greatest(head.position - $2, (
            SELECT max(last_position) FROM log_archives WHERE partition = head.partition)) AS position) AS aim
    CROSS JOIN LATERAL (
        SELECT coalesce(max(last_position), 0) AS until FROM log_archives
        WHERE partition = head.partition AND last_position > horizon.position AND archived_at IS NOT NULL) AS archived
    WHERE horizon.projection = $1 AND aim.position > horizon.position"""

_UNFOLDED = """
    SELECT DISTINCT log.tenant, log.key FROM log LEFT JOIN {table} AS snapshot ON snapshot.key = log.key
    WHERE log.partition = $1 AND log.position > $2 AND log.position <= $3
      AND log.position > coalesce(snapshot.position, 0) AND snapshot.parked_position IS NULL"""

_UNFOLDED_OF = """
    SELECT event.tenant, event.key FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS event(tenant, key, position)
    LEFT JOIN {table} AS snapshot ON snapshot.key = event.key
    WHERE event.position > coalesce(snapshot.position, 0) AND snapshot.parked_position IS NULL"""

_ADVANCE = """
    UPDATE projection_horizons SET position = $3 WHERE projection = $1 AND partition = $2 AND position < $3"""

_BEGIN = """
    INSERT INTO projection_horizons (projection, partition, position)
    SELECT $1, partition, 0 FROM log_heads ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class PostgresHorizons:
    """See `compaction.Horizons`. A horizon follows its head at a distance, so that tails may stay short and rare."""

    pool: asyncpg.Pool
    projection: str
    table: str
    lag_events: int = LAG_EVENTS
    archive: Archive | None = None

    async def tails(self) -> list[tuple[str, bytes, int]]:
        """See `compaction.Horizons.tails`."""
        await self.pool.execute(_BEGIN, self.projection)
        rows = await self.pool.fetch(_TAILS.format(table=self.table), self.projection, timeout=600)
        return [tuple(row) for row in rows]

    async def parked(self) -> list[KeyOfTenant]:
        """See `compaction.Horizons.parked`."""
        return [(tenant, key) for tenant, key in await self.pool.fetch(_PARKED, self.projection)]

    async def stragglers(self) -> list[KeyOfTenant]:
        """See `compaction.Horizons.stragglers`."""
        return [key for stretch in await self._stretches() for key in await self._unfolded(*stretch)]

    async def advance(self) -> bool:
        """See `compaction.Horizons.advance`."""
        moved = False
        for stretch in await self._stretches():
            if not await self._unfolded(*stretch):
                partition, _, until, _ = stretch
                await self.pool.execute(_ADVANCE, self.projection, partition, until)
                moved = True
        return moved

    async def _stretches(self) -> list[tuple[int, int, int, int]]:
        """Partition, horizon, how far it may move in one go, and up to where the log is archived (0: not behind it)."""
        rows = await self.pool.fetch(_STRETCHES, self.projection, self.lag_events, STRETCH_EVENTS)
        return [tuple(row) for row in rows]

    async def _unfolded(self, partition: int, position: int, until: int, archived: int) -> list[KeyOfTenant]:
        rows = await self.pool.fetch(_UNFOLDED.format(table=self.table), partition, position, until)
        if archived:  # as after the snapshots were thrown away: the past is folded from the archives
            assert self.archive is not None, "a log with archives is given to the horizons over it"
            last = await self.archive.last_of_keys(partition, position, min(until, archived))
            tenants, keys = [tenant for tenant, _ in last], [key for _, key in last]
            rows += await self.pool.fetch(_UNFOLDED_OF.format(table=self.table), tenants, keys, list(last.values()))
        return list({(tenant, key) for tenant, key in rows})
