"""Rebuilding a consumer's projection: a process folds the log up to the version that is read, and compares the two."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import asyncpg
import msgspec

from libs.eventlog.consumer_versions import VersionedConsumer, hold_together
from libs.eventlog.database import Connection
from libs.eventlog.difference import Change, Difference, Found
from libs.eventlog.event import partition_of
from libs.eventlog.rebuild import SAMPLED_KEYS, Overtaken, Phase, Run
from libs.eventlog.rebuilds import NEXT_PHASE, SET_STATE, written
from libs.eventlog.shadow import Shadow
from libs.eventlog.versions import Version, VersionState
from libs.runtime.clock import Clock

NEARLY_EVENTS: Final = 1_000  # behind what is read: the rest is followed live
NOTE_SECONDS: Final = 0.5
COMPARE_SECONDS: Final = 3_600
_HASHES: Final = 1 << 128


@dataclass(eq=False)
class ConsumerRebuild:
    """One go at building and comparing a version; `run.epoch` fences whoever went at it before.

    Where it is, the version's checkpoints say: whoever comes after a crash goes on from there.
    """

    pool: asyncpg.Pool
    declared: VersionedConsumer
    run: Run
    before: Version
    after: Version
    shadow: Shadow[Connection]
    clock: Clock
    _noted_at: float = field(default=0.0, init=False)

    async def work(self) -> None:
        """Work until the version is ready; raises `Overtaken`, or what broke."""
        phase: Phase | None = await self.pool.fetchval(_PHASE, *self._key)
        if phase is None:
            raise Overtaken
        if phase == "build":
            while await self.shadow.turn(self._note) > NEARLY_EVENTS:
                pass
            await self._end_phase("compare", "building", "comparing")
        found, differences = await self._compare(*await self._near())
        await self._end_phase("done", "comparing", "ready", found, differences)

    async def _near(self) -> tuple[Version, Version]:
        """The version that is read, and the other, once replicas that have its fold have nearly brought it up."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self._note()
            active = await self.pool.fetchval(_ACTIVE, self.run.projection)
            ahead, behind = (self.after, self.before) if active == self.after.number else (self.before, self.after)
            if await self.pool.fetchval(_LAG, ahead.name, behind.name) <= NEARLY_EVENTS:
                return ahead, behind

    @property
    def _key(self) -> tuple[str, int, int]:
        return self.run.projection, self.run.version, self.run.epoch

    async def _note(self) -> None:
        """Say how far it is, now and then; raises `Overtaken`."""
        if monotonic() - self._noted_at < NOTE_SECONDS:
            return
        if await self.pool.fetchval(_PHASE, *self._key) is None:
            raise Overtaken
        await self.pool.execute(_NOTE, *self._key[:2], self.after.name)
        self._noted_at = monotonic()

    async def _end_phase(
        self,
        phase: Phase,
        before: VersionState,
        after: VersionState,
        found: Found | None = None,
        differences: Sequence[Difference] = (),
    ) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(f"{_PHASE} FOR UPDATE", *self._key) is None:
                raise Overtaken
            await connection.execute(_NOTE, *self._key[:2], self.after.name)
            await connection.execute(SET_STATE, *self._key[:2], before, after)
            await connection.execute(NEXT_PHASE, *self._key[:2], phase, self.clock.now())
            if found is not None:
                await connection.execute(_FOUND, *self._key[:2], written(found), found.keys)
                await connection.executemany(
                    _DIFFER,
                    [
                        (*self._key[:2], one.tenant, one.key, one.partition, one.position, written((one.changes, 0)))
                        for one in differences
                    ],
                )

    async def _compare(self, ahead: Version, behind: Version) -> tuple[Found, list[Difference]]:
        """Compare all tables as they are where both versions have folded the same events."""
        async with self.pool.acquire() as seeing, seeing.transaction(isolation="repeatable_read", readonly=True):
            async with self.pool.acquire() as holding, holding.transaction():
                positions = await hold_together(holding, self.declared, ahead, behind)
                await seeing.fetchval("SELECT count(*) FROM checkpoints")  # from here on it sees this moment
            found = await self._counted(seeing)
            differences: dict[tuple[str, bytes], Difference] = {}
            for table, key in self.declared.tables.items():
                names = {"before": self._place(self.before, table), "after": self._place(self.after, table)}
                sql = _DIFFERENCES.format(**names, key=", ".join(key), limit=SAMPLED_KEYS)
                for row in await seeing.fetch(sql, timeout=COMPARE_SECONDS):
                    self._add(differences, positions, table, key, row)
            return found, sorted(differences.values(), key=lambda one: (one.tenant, one.key))[:SAMPLED_KEYS]

    async def _counted(self, connection: Connection) -> Found:
        found = Found()
        keys, differing = [], []
        for table, key in self.declared.tables.items():
            names = {"before": self._place(self.before, table), "after": self._place(self.after, table)}
            keys.append(f"SELECT tenant, key FROM {names['after']}")  # noqa: S608  our own names
            differing.append(_DIFFERING.format(**names, key=", ".join(key)))
            for before, after in await connection.fetch(_HASH.format(**names), timeout=COMPARE_SECONDS):
                found.add(Found(hash_before=_hex(before), hash_after=_hex(after)))
            columns = [name for name in await connection.fetchval(_COLUMNS, table) if name not in key]
            counts = ", ".join(
                f"count(*) FILTER (WHERE old.{name} IS DISTINCT FROM new.{name}) AS {name}" for name in columns
            )
            sql = _BY_COLUMN.format(**names, key=", ".join(key), counts=counts or "0 AS nothing")
            for row in await connection.fetch(sql, timeout=COMPARE_SECONDS):
                found.fields |= {f"{table}.{name}": row[name] for name in columns if row[name]}
        found.keys = await self._distinct(connection, keys)
        found.differing = await self._distinct(connection, differing)
        found.parked_before = await connection.fetchval(_PARKED, self.before.name)
        found.parked_after = await connection.fetchval(_PARKED, self.after.name)
        return found

    async def _distinct(self, connection: Connection, queries: Sequence[str]) -> int:
        counted: int = await connection.fetchval(
            f"SELECT count(*) FROM ({' UNION '.join(queries)}) AS keys",  # noqa: S608  as above
            timeout=COMPARE_SECONDS,
        )
        return counted

    def _add(
        self,
        differences: dict[tuple[str, bytes], Difference],
        positions: dict[int, int],
        table: str,
        key: Sequence[str],
        row: asyncpg.Record,
    ) -> None:
        old, new = (msgspec.json.decode(row[side]) if row[side] else {} for side in ("before", "after"))
        partition = partition_of(row["key"], self.declared.partitions)
        place = (row["tenant"], row["key"])
        one = differences.setdefault(place, Difference(*place, partition, positions[partition], []))
        entry = ".".join(str((old or new)[name]) for name in key[2:])
        one.changes.extend(
            Change(f"{table}.{name}", entry, old.get(name), new.get(name))
            for name in sorted(old.keys() | new.keys())
            if name not in key and old.get(name) != new.get(name)
        )

    def _place(self, version: Version, table: str) -> str:
        return f"{version.snapshots}.{table}"


def _hex(total: Any) -> str:
    return f"{int(total) % _HASHES:032x}"


# The names in braces are the declaration's own; DDL and table names take no parameters.
_HASH: Final = """
    SELECT (SELECT coalesce(sum(hashtextextended(old::text, 0)), 0)::text FROM {before} AS old) AS before,
           (SELECT coalesce(sum(hashtextextended(new::text, 0)), 0)::text FROM {after} AS new) AS after"""

_DIFFERING: Final = """
    SELECT tenant, key FROM {before} AS old FULL JOIN {after} AS new USING ({key}) WHERE old IS DISTINCT FROM new"""

_DIFFERENCES: Final = """
    SELECT tenant, key, to_jsonb(old)::text AS before, to_jsonb(new)::text AS after
    FROM {before} AS old FULL JOIN {after} AS new USING ({key}) WHERE old IS DISTINCT FROM new
    ORDER BY tenant, key LIMIT {limit}"""

_BY_COLUMN: Final = """
    SELECT {counts} FROM {before} AS old FULL JOIN {after} AS new USING ({key})"""

_COLUMNS: Final = """
    SELECT array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1"""

_PARKED: Final = "SELECT count(*) FROM dead_letters WHERE projection = $1 AND kind = 'failed'"

_ACTIVE: Final = "SELECT version FROM projection_versions WHERE projection = $1 AND state = 'active'"

_LAG: Final = """
    SELECT coalesce(sum(greatest(0, ahead.position - coalesce(behind.position, 0))), 0)::bigint
    FROM checkpoints AS ahead
    LEFT JOIN checkpoints AS behind
      ON behind.consumer = $2 AND behind.log = ahead.log AND behind.partition = ahead.partition
    WHERE ahead.consumer = $1"""

_PHASE: Final = "SELECT phase FROM rebuilds WHERE projection = $1 AND version = $2 AND epoch = $3"

_NOTE: Final = """
    UPDATE rebuild_steps AS step
    SET events = greatest(step.events, least(mine.position, until)), done = mine.position >= until
    FROM checkpoints AS mine
    WHERE step.projection = $1 AND step.version = $2 AND step.phase = 'build' AND step.partition = mine.partition
      AND mine.consumer = $3"""

_FOUND: Final = """
    INSERT INTO rebuild_steps
      (projection, version, phase, partition, until, epoch, tenant, key, events, keys, done, found)
    VALUES ($1, $2, 'compare', 0, 0, 0, '', '00000000-0000-0000-0000-000000000000', 0, $4, true, $3)
    ON CONFLICT (projection, version, phase, partition) DO UPDATE SET found = excluded.found, keys = excluded.keys"""

_DIFFER: Final = """
    INSERT INTO rebuild_differences (projection, version, tenant, key, partition, position, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (projection, version, tenant, key) DO UPDATE SET changes = excluded.changes"""
