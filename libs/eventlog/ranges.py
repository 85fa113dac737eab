"""Ranges of the log: child tables by recorded_at, each as long as it takes to fill, created ahead of time."""

from dataclasses import dataclass
from typing import Final

import asyncpg

SECOND: Final = 1_000_000
SHORTEST: Final = 600 * SECOND
LONGEST: Final = 86_400 * SECOND
_FOREVER_AGO: Final = 0
_LOCK: Final = 0x504F5254  # advisory lock of whoever creates ranges


@dataclass(frozen=True, slots=True)
class Ranges:
    """Keeps a range ready for every moment that an append may be stamped with.

    The next range is as long as `events` take at the pace of the last one, between ten minutes and a day: an index
    that is written at random places must stay small enough for memory.
    """

    pool: asyncpg.Pool
    events: int = 5_000_000

    async def cover(self, now: int) -> None:
        """Create ranges until `now` and the ten minutes behind it are covered."""
        async with self.pool.acquire() as connection:
            while True:
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                    last = await connection.fetchrow(
                        "SELECT start_at, end_at, events_before FROM log_ranges ORDER BY start_at DESC LIMIT 1"
                    )
                    if last is not None and last["end_at"] > now + SHORTEST:
                        return
                    recorded = await connection.fetchval("SELECT coalesce(sum(position), 0)::bigint FROM log_heads")
                    await self._create(connection, now, last, recorded)

    async def _create(
        self, connection: asyncpg.pool.PoolConnectionProxy, now: int, last: asyncpg.Record | None, recorded: int
    ) -> None:
        if last is None:
            start, end = _FOREVER_AGO, now + 2 * SHORTEST
        else:
            start = last["end_at"]
            elapsed = max(now - last["start_at"], SECOND) if last["start_at"] > _FOREVER_AGO else SHORTEST
            pace = (recorded - last["events_before"]) / elapsed
            length = LONGEST if pace <= 0 else min(LONGEST, max(SHORTEST, int(self.events / pace)))
            end = max(start, now) + length
        name = f"log_from_{start // SECOND}"
        # DDL takes no parameters; the values are integers of our own.
        await connection.execute(f"CREATE TABLE {name} (LIKE log INCLUDING DEFAULTS)")
        await connection.execute(f"ALTER TABLE {name} ALTER COLUMN event SET STORAGE EXTERNAL")
        await connection.execute(f"CREATE UNIQUE INDEX ON {name} (partition, position)")
        await connection.execute(f"CREATE INDEX ON {name} (key, position)")
        await connection.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name} FROM CURRENT_USER")
        await connection.execute(f"ALTER TABLE log ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})")
        await connection.execute(
            "INSERT INTO log_ranges (start_at, end_at, name, events_before) VALUES ($1, $2, $3, $4)",
            start,
            end,
            name,
            recorded,
        )
