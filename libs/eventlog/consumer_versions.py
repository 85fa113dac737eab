"""Versions of a consumer's projection: each has checkpoints, letters and a schema of tables of its own.

Folding code names tables without a schema; the search path of its transactions says whose they are. Of several
versions one is read, and only that one's outputs are recorded. The others, its shadows, follow behind it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import asyncpg

from libs.eventlog.checkpoint import RETIRED, PostgresCheckpoints
from libs.eventlog.database import Connection
from libs.eventlog.dead_letters import PARKED_KEYS, PostgresDeadLetters
from libs.eventlog.folding import Folding, Handler, Outlet
from libs.eventlog.rebuilds import PostgresRebuilds
from libs.eventlog.verdict import Output
from libs.eventlog.versions import Meaning, PostgresVersions, UnknownFold, Version, forget
from libs.runtime.clock import Clock
from libs.runtime.errors import FailedPrecondition

MEET_SECONDS: Final = 2.0  # for which folding may stand still until the shadow has come up
LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class VersionedConsumer:
    """A consumer's projection that exists in versions.

    `log` has so many `partitions`. `tables` names its tables, which version 1 has in `public`, with their primary keys;
    each begins with tenant and key. `folds` are the folds that this release has, by number: a version's meaning names
    the one that it was begun with.
    """

    name: str
    log: str
    partitions: int
    tables: Mapping[str, Sequence[str]]
    folds: Mapping[int, Handler[Connection]]

    def of(self, version: Version) -> Handler[Connection]:
        """The fold of a version; raises `UnknownFold`."""
        fold = version.meaning["fold"]
        if fold not in self.folds:
            raise UnknownFold(version.name, fold)
        return self.folds[fold]

    def first(self) -> Meaning:
        """The meaning of version 1: of the oldest fold, which made what the tables held before there were versions."""
        return {"fold": min(self.folds)}

    @property
    def today(self) -> Callable[[Meaning], Awaitable[Meaning]]:
        """The meaning that a version made now would have."""

        async def newest(_: Meaning) -> Meaning:
            return {"fold": max(self.folds)}

        return newest


@dataclass(frozen=True, slots=True)
class OfActive:
    """The outlet of a version: outputs are recorded while it is the one that is read, and dropped otherwise.

    Asked in the transaction that holds a checkpoint of the version: a switch holds them all, so it is before or after.
    """

    outlet: Outlet[Connection]
    version: Version

    async def emit(self, connection: Connection, outputs: Sequence[Output]) -> None:
        """See `Outlet.emit`."""
        if await connection.fetchval(_IS_ACTIVE, self.version.projection, self.version.number):
            await self.outlet.emit(connection, outputs)


def folding_of(
    declared: VersionedConsumer,
    version: Version,
    pool: asyncpg.Pool,
    outlet: Outlet[Connection],
    clock: Clock,
    parked_keys: int = PARKED_KEYS,
) -> Folding[Connection]:
    """The transactions of one version; raises `UnknownFold`."""
    path = None if version.number == 1 else f"{version.snapshots}, public"
    return Folding(
        version.name,
        declared.log,
        PostgresCheckpoints(pool, version.name, declared.log, search_path=path),
        PostgresDeadLetters(pool, version.name, declared.log, clock),
        declared.of(version),
        OfActive(outlet, version),
        parked_keys,
    )


class ConsumerVersions(PostgresVersions):
    """See `Versions`. A switch happens where both have folded the same events, and neither has dead letters."""

    def __init__(self, pool: asyncpg.Pool, declared: VersionedConsumer, clock: Clock) -> None:
        super().__init__(pool, declared.name, "public", clock)
        self._declared = declared

    async def _meet(self, connection: Connection, before: Version, after: Version) -> None:
        await hold_together(connection, self._declared, before, after)
        for version in (before, after):
            if letters := await connection.fetchval(_OPEN_LETTERS, version.name):
                message = (
                    f"{version.name} has {letters} dead letters, of which the other has acted or will not: mend them"
                )
                raise FailedPrecondition("DEAD_LETTERS_WAIT", message)

    async def _drop(self, connection: Connection, version: Version) -> None:
        await drop(connection, self._declared, version)


class ConsumerRebuilds(PostgresRebuilds):
    """See `Rebuilds`. A version's home is a schema; its rebuild goes up to where the version that is read stands."""

    def __init__(self, pool: asyncpg.Pool, declared: VersionedConsumer, clock: Clock) -> None:
        super().__init__(pool, declared.name, "public", clock)
        self._declared = declared

    async def start(self, meaning: Meaning, workers: int, request_id: str = "") -> int:
        """See `Rebuilds.start`. One process folds: two would fence each other off all the time."""
        return await super().start(meaning, 1, request_id)

    async def _make_home(self, connection: Connection, number: int) -> str:
        schema = f"{self._declared.name}_{number}"
        await connection.execute(f"CREATE SCHEMA {schema}")
        for table in self._declared.tables:
            await connection.execute(f"CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING ALL)")
        return schema

    async def _begin_steps(self, connection: Connection, number: int, active: Version) -> None:
        await connection.execute(_BEGIN_CHECKPOINTS, active.name, self._declared.log, self._declared.partitions)
        await connection.execute(_BEGIN_STEPS, active.projection, number, active.name)

    async def _drop(self, connection: Connection, version: Version) -> None:
        await drop(connection, self._declared, version)


async def hold_together(
    connection: Connection, declared: VersionedConsumer, ahead: Version, behind: Version
) -> dict[int, int]:
    """Hold the checkpoints of two versions at the same positions, by partition, until the transaction ends.

    The one ahead stands still at once and the other comes up, for which somebody must be folding it. Raises
    `FailedPrecondition` if it does not in two seconds.
    """
    for version in (ahead, behind):  # a checkpoint that does not exist yet could not be held
        await connection.execute(_BEGIN_CHECKPOINTS, version.name, declared.log, declared.partitions)
    held = await _positions(connection, _HOLD, ahead)
    until = monotonic() + MEET_SECONDS
    while await _positions(connection, _LOOK, behind) != held:
        if monotonic() > until:
            raise FailedPrecondition("VERSION_BEHIND", f"{behind.name} is not where {ahead.name} is: try again shortly")
        await asyncio.sleep(LOOK_SECONDS)
    if await _positions(connection, _HOLD, behind) != held:
        raise FailedPrecondition("VERSION_BEHIND", f"{behind.name} went ahead of {ahead.name}: try again shortly")
    return held


async def _positions(connection: Connection, sql: str, version: Version) -> dict[int, int]:
    return {row["partition"]: row["position"] for row in await connection.fetch(sql, version.name)}


async def drop(connection: Connection, declared: VersionedConsumer, version: Version) -> None:
    """Retire a version with its tables.

    Whoever folds it still is fenced before they go: else the search path would lead it to those of version 1.
    """
    await connection.execute(_FENCE_OFF, version.name, declared.log, declared.partitions, RETIRED)
    if version.number > 1:
        await connection.execute(f"DROP SCHEMA {version.snapshots} CASCADE")
    else:  # declared by the migrations, so its tables stay
        for table in declared.tables:
            await connection.execute(f"TRUNCATE public.{table}")
    await forget(connection, version)


_IS_ACTIVE: Final = "SELECT state = 'active' FROM projection_versions WHERE projection = $1 AND version = $2"

_OPEN_LETTERS: Final = "SELECT count(*) FROM dead_letters WHERE projection = $1 AND kind <> 'dropped'"

_LOOK: Final = "SELECT partition, position FROM checkpoints WHERE consumer = $1"

_HOLD: Final = f"{_LOOK} ORDER BY partition FOR UPDATE"

_BEGIN_CHECKPOINTS: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT $1, $2, partition, 0 FROM generate_series(0, $3 - 1) AS partition ORDER BY partition
    ON CONFLICT DO NOTHING"""

_BEGIN_STEPS: Final = """
    INSERT INTO rebuild_steps
      (projection, version, phase, partition, until, epoch, tenant, key, events, keys, done, found)
    SELECT $1, $2, 'build', partition, position, 0, '', '00000000-0000-0000-0000-000000000000', 0, 0, false, '{}'
    FROM checkpoints WHERE consumer = $3"""

_FENCE_OFF: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT $1, $2, partition, $4 FROM generate_series(0, $3 - 1) AS partition ORDER BY partition
    ON CONFLICT (consumer, log, partition) DO UPDATE SET position = excluded.position"""
