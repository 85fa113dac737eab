"""The rebuilds of a projection: started once, gone at by one service at a time, looked at, cancelled."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import asyncpg
import msgspec

from libs.eventlog.database import Connection
from libs.eventlog.difference import Change, Difference, Found
from libs.eventlog.rebuild import RUNNING, Phase, Run
from libs.eventlog.snapshots import STORAGE, KeyOfTenant
from libs.eventlog.versions import Meaning, Version, active_of, drop, held, loaded, name_of
from libs.runtime.clock import SECOND, Clock, Micros
from libs.runtime.errors import FailedPrecondition, NotFound

LEASE: Final = 8 * SECOND
RETRY: Final = 2 * SECOND
MOST_LIVING: Final = 2  # each is compacted, and the second is there to switch to or back


class Standing(msgspec.Struct, frozen=True):
    """How a rebuild stands. `events_per_s` is the pace of building, of the current go at it while it lasts;
    `seconds_left`, of the phase at hand, is None while nobody is at it.
    """

    projection: str
    version: int
    against: int
    phase: Phase
    workers: int
    started_at: Micros
    ended_at: Micros | None
    running: bool
    trouble: str
    events: int
    events_wanted: int
    keys: int
    keys_compared: int
    events_per_s: float
    seconds_left: float | None
    found: Found


class Rebuilds(Protocol):
    """The rebuilds of one projection."""

    async def start(self, meaning: Meaning, workers: int, request_id: str = "") -> int:
        """Begin a version of that meaning up to the heads of now; its number. A repeat is answered as the first was.

        Raises `FailedPrecondition` while another one runs or waits to be switched to.
        """
        ...

    async def get(self, version: int = 0) -> Standing:
        """How a rebuild stands, the last one if no version is named; raises `NotFound`."""
        ...

    async def cancel(self, version: int) -> None:
        """Give a rebuild up and drop what it made; of one that is done, stop comparing."""
        ...

    async def compare_again(self, version: int) -> None:
        """Compare a version that is ready or read with the one it was built beside, as both are now."""
        ...

    async def differences(self, version: int, behind: KeyOfTenant | None, limit: int) -> list[Difference]:
        """Some of the keys that differ, by (tenant, key)."""
        ...

    async def take(self, owner: str, knows: Callable[[Version], bool]) -> Run | None:
        """Go at a rebuild that nobody is at, as far as is known; whoever was is fenced from now on.

        `knows` says whether this release has the fold of a version; a rebuild of others is left to other releases.
        """
        ...

    async def renew(self, run: Run) -> bool:
        """Say that the run goes on; false if it is to end."""
        ...

    async def release(self, run: Run, trouble: str = "") -> None:
        """Leave the rebuild: at once to anybody, or after a while if there was trouble."""
        ...


_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""Leases go by the clock of the database, which all who may take one share."""

_LAST = """
    SELECT coalesce(max(version), 1) FROM projection_versions WHERE projection = $1"""

_REPEATED = "SELECT version FROM rebuilds WHERE projection = $1 AND request_id = $2 AND $2 <> ''"

_BEGIN_VERSION = """
    INSERT INTO projection_versions (projection, version, snapshots, meaning, state, created_at)
    VALUES ($1, $2, $3, $4, 'building', $5)"""

_BEGIN = """
    INSERT INTO rebuilds (projection, version, against, request_id, workers, phase, started_at,
                          owner, epoch, lease_until, paced_at, paced_from, trouble)
    VALUES ($1, $2, $3, $4, $5, 'build', $6, '', 0, 0, 0, 0, '')"""

_BEGIN_STEPS = """
    INSERT INTO rebuild_steps
      (projection, version, phase, partition, until, epoch, tenant, key, events, keys, done, found)
    SELECT $1, $2, 'build', partition, position, 0, '', '00000000-0000-0000-0000-000000000000', 0, 0, false, '{}'
    FROM log_heads"""

# Where a version is, as far as archives are concerned: a range that it has not folded stays in the table.
_BEGIN_HORIZONS = """
    INSERT INTO projection_horizons (projection, partition, position) SELECT $1, partition, 0 FROM log_heads"""

BEGIN_COMPARING: Final = """
    INSERT INTO rebuild_steps
      (projection, version, phase, partition, until, epoch, tenant, key, events, keys, done, found)
    SELECT projection, version, 'compare', partition, until, 0, '', '00000000-0000-0000-0000-000000000000', 0, 0, false,
           '{}'
    FROM rebuild_steps WHERE projection = $1 AND version = $2 AND phase = 'build'"""

SET_STATE: Final = """
    UPDATE projection_versions SET state = $4 WHERE projection = $1 AND version = $2 AND state = $3"""

NEXT_PHASE: Final = f"""
    UPDATE rebuilds SET phase = $3, paced_from = 0, trouble = '', paced_at = {_NOW},
        built_at = CASE WHEN phase = 'build' THEN $4 ELSE built_at END,
        ended_at = CASE WHEN $3 = 'done' THEN $4 END
    WHERE projection = $1 AND version = $2"""  # noqa: S608  our own text

_GET = f"""
    SELECT *, lease_until > {_NOW} AS running, {_NOW} AS now FROM rebuilds
    WHERE projection = $1 AND ($2 = 0 OR version = $2) ORDER BY version DESC LIMIT 1"""  # noqa: S608  our own text

_STEPS = "SELECT phase, until, events, keys, found FROM rebuild_steps WHERE projection = $1 AND version = $2"

_HOLD = "SELECT phase FROM rebuilds WHERE projection = $1 AND version = $2 FOR UPDATE"

_END = """
    UPDATE rebuilds SET phase = $3, ended_at = $4, epoch = epoch + 1, lease_until = 0
    WHERE projection = $1 AND version = $2"""

_AGAIN = """
    UPDATE rebuilds SET phase = 'compare', ended_at = NULL, lease_until = 0, against = $3, trouble = ''
    WHERE projection = $1 AND version = $2"""

_DIFFERENCES = """
    SELECT tenant, key, partition, position, changes FROM rebuild_differences
    WHERE projection = $1 AND version = $2 AND (tenant COLLATE "C", key) > ($3, $4)
    ORDER BY tenant COLLATE "C", key LIMIT $5"""

_FREE = f"""
    SELECT version, against, workers, epoch FROM rebuilds
    WHERE projection = $1 AND phase IN ('build', 'compare') AND lease_until < {_NOW} FOR UPDATE SKIP LOCKED"""  # noqa: S608

_TAKE = f"""
    UPDATE rebuilds SET epoch = epoch + 1, owner = $3, lease_until = {_NOW} + $4, paced_at = {_NOW}, paced_from = (
        SELECT coalesce(sum(CASE phase WHEN 'build' THEN events ELSE keys END), 0) FROM rebuild_steps AS step
        WHERE step.projection = $1 AND step.version = $2 AND step.phase = rebuilds.phase)
    WHERE projection = $1 AND version = $2"""  # noqa: S608

_RENEW = f"""
    UPDATE rebuilds SET lease_until = {_NOW} + $4 WHERE projection = $1 AND version = $2 AND epoch = $3
      AND phase IN ('build', 'compare')"""  # noqa: S608

_RELEASE = f"""
    UPDATE rebuilds SET trouble = $4, lease_until = CASE WHEN $4 = '' THEN 0 ELSE {_NOW} + $5 END
    WHERE projection = $1 AND version = $2 AND epoch = $3"""  # noqa: S608


class PostgresRebuilds:
    """Rebuilds in the database that holds the log and the versions."""

    def __init__(self, pool: asyncpg.Pool, projection: str, snapshots: str, clock: Clock) -> None:
        self._pool = pool
        self._projection = projection
        self._snapshots = snapshots
        self._clock = clock

    async def start(self, meaning: Meaning, workers: int, request_id: str = "") -> int:
        """See `Rebuilds.start`."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._projection)
            if (repeated := await connection.fetchval(_REPEATED, self._projection, request_id)) is not None:
                return int(repeated)
            check_start(versions)
            number = 1 + await connection.fetchval(_LAST, self._projection)
            active, now = versions[active_of(versions)], self._clock.now()
            home = await self._make_home(connection, number)
            await connection.execute(_BEGIN_VERSION, self._projection, number, home, json.dumps(dict(meaning)), now)
            await connection.execute(_BEGIN, self._projection, number, active.number, request_id, workers, now)
            await self._begin_steps(connection, number, active)
            return int(number)

    async def get(self, version: int = 0) -> Standing:
        """See `Rebuilds.get`."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_GET, self._projection, version)
            if row is None:
                raise NotFound("rebuild", f"{self._projection} {version}" if version else self._projection)
            return _standing(row, await connection.fetch(_STEPS, self._projection, row["version"]))

    async def cancel(self, version: int) -> None:
        """See `Rebuilds.cancel`."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._projection)
            phase = await self._hold(connection, version)
            if phase == "cancelled":
                return
            ended = check_cancel(phase, versions, version)
            await connection.execute(_END, self._projection, version, ended, self._clock.now())
            if ended == "cancelled":
                await self._drop(connection, versions[version])

    async def compare_again(self, version: int) -> None:
        """See `Rebuilds.compare_again`."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._projection)
            phase = await self._hold(connection, version)
            if phase == "compare":
                return
            against = check_compare(versions, version, phase)
            for table in ("rebuild_steps", "rebuild_differences"):
                only = " AND phase = 'compare'" if table == "rebuild_steps" else ""
                await connection.execute(
                    f"DELETE FROM {table} WHERE projection = $1 AND version = $2{only}",  # noqa: S608  our own names
                    self._projection,
                    version,
                )
            await connection.execute(BEGIN_COMPARING, self._projection, version)
            await connection.execute(_AGAIN, self._projection, version, against)

    async def differences(self, version: int, behind: KeyOfTenant | None, limit: int) -> list[Difference]:
        """See `Rebuilds.differences`."""
        start = behind or ("", bytes(16))
        rows = await self._pool.fetch(_DIFFERENCES, self._projection, version, *start, limit)
        return [
            Difference(tenant, key, partition, position, *msgspec.json.decode(changes, type=tuple[list[Change], int]))
            for tenant, key, partition, position, changes in rows
        ]

    async def take(self, owner: str, knows: Callable[[Version], bool]) -> Run | None:
        """See `Rebuilds.take`."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_FREE, self._projection)
            if row is None:
                return None
            versions = await loaded(connection, self._projection)
            if not all(knows(versions[number]) for number in (row["version"], row["against"])):
                return None
            await connection.execute(_TAKE, self._projection, row["version"], owner, LEASE)
            return Run(self._projection, row["version"], row["against"], row["workers"], row["epoch"] + 1)

    async def renew(self, run: Run) -> bool:
        """See `Rebuilds.renew`."""
        renewed: str = await self._pool.execute(_RENEW, run.projection, run.version, run.epoch, LEASE)
        return renewed == "UPDATE 1"

    async def release(self, run: Run, trouble: str = "") -> None:
        """See `Rebuilds.release`."""
        await self._pool.execute(_RELEASE, run.projection, run.version, run.epoch, trouble, RETRY)

    async def _make_home(self, connection: Connection, number: int) -> str:
        """Make the place of a version's states; its name."""
        table = f"{self._snapshots}_{number}"
        storage = ", ".join(f"{name} = {value}" for name, value in STORAGE.items())
        await connection.execute(f"CREATE TABLE {table} (LIKE {self._snapshots} INCLUDING ALL) WITH ({storage})")
        return table

    async def _begin_steps(self, connection: Connection, number: int, active: Version) -> None:
        await connection.execute(_BEGIN_STEPS, self._projection, number)
        await connection.execute(_BEGIN_HORIZONS, name_of(self._projection, number))

    async def _drop(self, connection: Connection, version: Version) -> None:
        await drop(connection, version)

    async def _hold(self, connection: Connection, version: int) -> Phase:
        phase: Phase | None = await connection.fetchval(_HOLD, self._projection, version)
        if phase is None:
            raise NotFound("rebuild", f"{self._projection} {version}")
        return phase


def check_start(versions: Mapping[int, Version]) -> None:
    """Raise unless a version may be begun."""
    for number, version in versions.items():
        if version.state in {"building", "comparing"}:
            raise FailedPrecondition("REBUILD_RUNNING", f"version {number} is being built: wait for it or cancel it")
    waiting = [number for number, version in versions.items() if version.state == "ready"]
    if len(versions) >= MOST_LIVING:
        raise FailedPrecondition("VERSION_WAITING", f"version {waiting[0]} is kept to switch to: retire it first")


def check_compare(versions: Mapping[int, Version], version: int, phase: Phase) -> int:
    """The version to compare with; raises unless both are there and nothing else is done to the one named."""
    if phase != "done" or version not in versions:
        raise FailedPrecondition("REBUILD_RUNNING" if phase == "build" else "VERSION_RETIRED", "nothing to compare")
    others = [number for number in versions if number != version]
    if not others:
        raise FailedPrecondition("VERSION_RETIRED", f"there is no other version to compare version {version} with")
    return others[0]


def _standing(row: asyncpg.Record, steps: Sequence[asyncpg.Record]) -> Standing:
    built = [step for step in steps if step["phase"] == "build"]
    compared = [step for step in steps if step["phase"] == "compare"]
    found = Found()
    for step in compared:
        found.add(msgspec.json.decode(step["found"], type=Found))
    events, wanted = sum(step["events"] for step in built), sum(step["until"] for step in built)
    keys, seen = sum(step["keys"] for step in built), sum(step["keys"] for step in compared)
    done, whole = (seen, keys) if row["phase"] == "compare" else (events, wanted)
    pace = a_second(done - row["paced_from"], row["now"] - row["paced_at"])
    built_at = row["built_at"]
    return Standing(
        projection=row["projection"],
        version=row["version"],
        against=row["against"],
        phase=row["phase"],
        workers=row["workers"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        running=row["running"],
        trouble=row["trouble"],
        events=events,
        events_wanted=wanted,
        keys=keys,
        keys_compared=seen,
        events_per_s=pace if built_at is None else a_second(events, built_at - row["started_at"]),
        seconds_left=seconds_left(row["phase"], whole, done, pace) if row["running"] else None,
        found=found,
    )


def check_cancel(phase: Phase, versions: Mapping[int, Version], number: int) -> Phase:
    """What cancelling makes of a rebuild that runs; raises for one that is done."""
    if phase not in RUNNING:
        raise FailedPrecondition("REBUILD_DONE", f"the rebuild of version {number} is done: retire the version instead")
    return "cancelled" if versions[number].state in {"building", "comparing"} else "done"


def a_second(count: int, micros: int) -> float:
    """A pace."""
    return count * SECOND / micros if micros > 0 and count > 0 else 0.0


def seconds_left(phase: Phase, whole: int, done: int, pace: float) -> float | None:
    """How long a phase will go on at a pace; None if that can't be told."""
    return (whole - done) / pace if pace > 0 and phase in RUNNING else None


def written(value: object) -> str:
    """What was found, as its column holds it."""
    return msgspec.json.encode(value).decode()
