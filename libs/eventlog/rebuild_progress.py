"""A run's progress in PostgreSQL: what is done is saved with the row that says so, fenced by the run's epoch."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
import msgspec

from libs.eventlog.database import Connection
from libs.eventlog.difference import Difference, Found
from libs.eventlog.rebuild import RUNNING, Overtaken, Phase, Run, Step
from libs.eventlog.rebuilds import BEGIN_COMPARING, NEXT_PHASE, SET_STATE, written
from libs.eventlog.snapshots import Compacted, KeyOfTenant, PostgresSnapshots, Stored
from libs.eventlog.versions import held
from libs.runtime.clock import Clock

# A share of the row's key: it keeps epoch and phase as they are until the transaction ends, and lets leases be renewed.
_FENCE = """
    SELECT phase FROM rebuilds WHERE projection = $1 AND version = $2 AND epoch = $3 FOR KEY SHARE"""

_HOLD = "SELECT phase FROM rebuilds WHERE projection = $1 AND version = $2 AND epoch = $3 FOR UPDATE"

_PHASE = """
    SELECT phase, EXISTS (
        SELECT FROM rebuild_steps AS step WHERE step.projection = $1 AND step.version = $2
          AND step.phase = rebuilds.phase AND NOT step.done)
    FROM rebuilds WHERE projection = $1 AND version = $2 AND epoch = $3"""

_HORIZONS = """
    UPDATE projection_horizons AS horizon SET position = step.until FROM rebuild_steps AS step
    WHERE step.projection = $1 AND step.version = $2 AND step.phase = 'build'
      AND horizon.projection = $3 AND horizon.partition = step.partition"""

_CLAIM = """
    UPDATE rebuild_steps SET epoch = $3
    WHERE (projection, version, phase, partition) = (
        SELECT projection, version, phase, partition FROM rebuild_steps
        WHERE projection = $1 AND version = $2 AND phase = $4 AND NOT done AND epoch < $3
        ORDER BY partition LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING phase, partition, until, tenant, key, events, keys, found"""

_SAVE = """
    UPDATE rebuild_steps SET tenant = $6, key = $7, events = $8, keys = $9, done = $10, found = $11
    WHERE projection = $1 AND version = $2 AND epoch = $3 AND phase = $4 AND partition = $5"""

_DIFFER = """
    INSERT INTO rebuild_differences (projection, version, tenant, key, partition, position, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)"""

_NEXT_KEYS = """
    SELECT tenant, key FROM {table}
    WHERE (get_byte(uuid_send(key), 0) << 8 | get_byte(uuid_send(key), 1)) % $1 = $2 AND key > $3
    ORDER BY key LIMIT $4"""

_AT_ONCE: Final = "repeatable_read"


class PostgresProgress:
    """See `rebuild.Progress`."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        run: Run,
        old: PostgresSnapshots,
        new: PostgresSnapshots,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._run = run
        self._job = (run.projection, run.version)
        self._old = old
        self._new = new
        self._clock = clock

    async def phase(self) -> Phase:
        """See `rebuild.Progress.phase`."""
        row = await self._pool.fetchrow(_PHASE, *self._job, self._run.epoch)
        if row is None:
            raise Overtaken
        phase: Phase = row["phase"]
        if phase in RUNNING and not row["exists"]:
            return await self._next_phase(phase)
        return phase

    async def claim(self) -> Step | None:
        """See `rebuild.Progress.claim`."""
        async with self._pool.acquire() as connection, connection.transaction():
            phase = await self._fenced(connection)
            row = await connection.fetchrow(_CLAIM, *self._job, self._run.epoch, phase)
            if row is None:
                return None
            return Step(
                phase=row["phase"],
                partition=row["partition"],
                until=row["until"],
                after=(row["tenant"], row["key"]) if row["tenant"] else None,
                events=row["events"],
                keys=row["keys"],
                found=msgspec.json.decode(row["found"], type=Found),
            )

    async def built(self, step: Step, compacted: Sequence[Compacted]) -> None:
        """See `rebuild.Progress.built`."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._save(connection, step)
            if compacted:
                await self._new.fill(connection, compacted)

    async def next_keys(self, step: Step, limit: int) -> list[KeyOfTenant]:
        """See `rebuild.Progress.next_keys`."""
        after = step.after[1] if step.after else bytes(16)
        sql = _NEXT_KEYS.format(table=self._new.table)
        rows = await self._pool.fetch(sql, self._new.log.partitions, step.partition, after, limit)
        return [(tenant, key) for tenant, key in rows]

    async def pairs(self, keys: Sequence[KeyOfTenant]) -> list[tuple[Stored, Stored]]:
        """See `rebuild.Progress.pairs`."""
        async with self._pool.acquire() as connection, connection.transaction(isolation=_AT_ONCE, readonly=True):
            old = await self._old.load_in(connection, keys)
            return list(zip(old, await self._new.load_in(connection, keys), strict=True))

    async def compared(self, step: Step, differences: Sequence[Difference]) -> None:
        """See `rebuild.Progress.compared`."""
        rows = [
            (*self._job, one.tenant, one.key, one.partition, one.position, written((one.changes, one.more)))
            for one in differences
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            await self._save(connection, step)
            await connection.executemany(_DIFFER, rows)

    async def _save(self, connection: Connection, step: Step) -> None:
        await self._fenced(connection)
        tenant, key = step.after or ("", bytes(16))
        saved = await connection.execute(
            _SAVE,
            *self._job,
            self._run.epoch,
            step.phase,
            step.partition,
            tenant,
            key,
            step.events,
            step.keys,
            step.done,
            written(step.found),
        )
        if saved != "UPDATE 1":
            raise Overtaken

    async def _fenced(self, connection: Connection) -> Phase:
        phase: Phase | None = await connection.fetchval(_FENCE, *self._job, self._run.epoch)
        if phase is None:
            raise Overtaken
        return phase

    async def _next_phase(self, phase: Phase) -> Phase:
        """Go on to what follows a phase of which every step is done, unless another worker has."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._run.projection)
            standing: Phase | None = await connection.fetchval(_HOLD, *self._job, self._run.epoch)
            if standing is None:
                raise Overtaken
            if standing != phase:
                return standing
            following: Mapping[Phase, Phase] = {"build": "compare", "compare": "done"}
            if phase == "build":
                # What was built can be read from now on, and every replica keeps it up.
                await connection.execute(_HORIZONS, *self._job, versions[self._run.version].name)
                await connection.execute(SET_STATE, *self._job, "building", "comparing")
                await connection.execute(BEGIN_COMPARING, *self._job)
                await connection.execute(f"ANALYZE {self._new.table}")
            else:
                await connection.execute(SET_STATE, *self._job, "comparing", "ready")
            await connection.execute(NEXT_PHASE, *self._job, following[phase], self._clock.now())
            return following[phase]
