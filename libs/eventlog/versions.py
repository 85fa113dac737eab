"""The versions of a lazy projection: which exist, what each means, and which one is read.

What a fold depends on besides the events (zones that cut days, schemas that say which property is the amount) is its
*meaning*. A version keeps the meaning that it was begun with, so a changed setting never mixes two meanings in one
state: it takes effect with the next version, which a rebuild makes.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol

import asyncpg
import msgspec

from libs.eventlog.database import Connection
from libs.eventlog.projection import LazyProjection, State
from libs.runtime.clock import Clock, Micros
from libs.runtime.errors import FailedPrecondition, NotFound

VersionState = Literal["building", "comparing", "ready", "active", "retired"]
KEPT_UP: Final[frozenset[VersionState]] = frozenset({"comparing", "ready", "active"})
"""States in which a version follows the log, so that it can be read at any time."""

Meaning = Mapping[str, Any]
"""As JSON: single values, and maps such as the zone of each tenant."""


class Version(msgspec.Struct, frozen=True):
    """One version of a projection; `name` is that of its dead letters, horizons and metrics."""

    projection: str
    number: int
    snapshots: str
    meaning: dict[str, Any]
    state: VersionState
    created_at: Micros

    @property
    def name(self) -> str:
        return name_of(self.projection, self.number)


def name_of(projection: str, number: int) -> str:
    """The name of a version."""
    return projection if number == 1 else f"{projection}@{number}"


class Switched(msgspec.Struct, frozen=True):
    """Which version was read before, and which one since."""

    before: int
    after: int


class UnknownFold(Exception):
    """A version was folded by code that this release does not have."""

    def __init__(self, version: str, fold: object) -> None:
        super().__init__(f"{version} is folded by fold {fold}, which this release does not have: run one that does")
        self.version = version
        self.fold = fold


@dataclass(frozen=True, slots=True)
class VersionedProjection(Generic[State]):
    """A lazy projection that exists in versions.

    `of` declares the projection that a version is; raises `UnknownFold`. `first` is the meaning of version 1, and what
    a version is told of that knows nothing of, say, a new tenant. `today` is the meaning that a version made now would
    have, given that of the one that is read.
    """

    name: str
    snapshots: str
    of: Callable[[Version], LazyProjection[State]]
    first: Callable[[], Meaning]
    today: Callable[[Meaning], Awaitable[Meaning]]


class Versions(Protocol):
    """The versions of one projection."""

    async def load(self) -> list[Version]:
        """Every version that is not retired, by number."""
        ...

    async def begin(self, meaning: Meaning) -> None:
        """Make version 1 if there is none; add to the others what their meanings lack."""
        ...

    async def switch(self, number: int, request_id: str = "") -> Switched:
        """Let a version be read from now on; a repeated request is answered as the first was.

        Raises `NotFound`, and `FailedPrecondition` for one that is not ready.
        """
        ...

    async def retire(self, number: int) -> None:
        """Drop a version that is not read, with all that it has stored; dropping it again changes nothing.

        Raises `NotFound` and `FailedPrecondition`.
        """
        ...


def completed(meaning: Meaning, by: Meaning) -> dict[str, Any]:
    """A meaning with what it lacks added; what it says stands."""
    whole = {**by, **meaning}
    for name, said in by.items():
        if isinstance(said, Mapping) and isinstance(meaning.get(name), Mapping):
            whole[name] = {**said, **meaning[name]}
    return whole


def changes(before: Meaning, after: Meaning) -> list[str]:
    """What differs between two meanings, a line each, such as `zones.demo: Asia/Shanghai → UTC`."""
    olds, news = _flat(before), _flat(after)
    return [
        f"{name}: {olds.get(name, 'none')} → {news.get(name, 'none')}"
        for name in sorted(olds.keys() | news.keys())
        if olds.get(name) != news.get(name)
    ]


def _flat(meaning: Meaning) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, said in meaning.items():
        flat |= {f"{name}.{key}": value for key, value in said.items()} if isinstance(said, Mapping) else {name: said}
    return flat


_LOAD = """
    SELECT projection, version, snapshots, meaning, state, created_at FROM projection_versions
    WHERE projection = $1 AND state <> 'retired' ORDER BY version"""

_BEGIN = """
    INSERT INTO projection_versions (projection, version, snapshots, meaning, state, created_at)
    SELECT $1, 1, $2, $3, 'active', $4
    WHERE NOT EXISTS (SELECT FROM projection_versions WHERE projection = $1) ON CONFLICT DO NOTHING"""

_MEAN = "UPDATE projection_versions SET meaning = $3 WHERE projection = $1 AND version = $2"

_SET_STATE = "UPDATE projection_versions SET state = $3 WHERE projection = $1 AND version = $2"

_SWITCHED = """
    SELECT from_version, to_version FROM projection_switches WHERE projection = $1 AND request_id = $2 AND $2 <> ''
    ORDER BY number LIMIT 1"""

_NOTE_SWITCH = """
    INSERT INTO projection_switches (projection, number, from_version, to_version, request_id, switched_at)
    SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5 FROM projection_switches WHERE projection = $1"""

_COMPARED = "SELECT EXISTS (SELECT FROM rebuilds WHERE projection = $1 AND phase IN ('build', 'compare'))"

_RETIRED = "SELECT state = 'retired' FROM projection_versions WHERE projection = $1 AND version = $2"


class PostgresVersions:
    """Versions in the database that holds the log. Whoever changes one holds all rows of the projection."""

    def __init__(self, pool: asyncpg.Pool, projection: str, snapshots: str, clock: Clock) -> None:
        self._pool = pool
        self._projection = projection
        self._snapshots = snapshots
        self._clock = clock

    async def load(self) -> list[Version]:
        """See `Versions.load`."""
        return list((await loaded(self._pool, self._projection)).values())

    async def begin(self, meaning: Meaning) -> None:
        """See `Versions.begin`."""
        async with self._pool.acquire() as connection, connection.transaction():
            first = json.dumps(dict(meaning))
            await connection.execute(_BEGIN, self._projection, self._snapshots, first, self._clock.now())
            for version in (await held(connection, self._projection)).values():
                whole = completed(version.meaning, meaning)
                if whole != version.meaning:
                    await connection.execute(_MEAN, self._projection, version.number, json.dumps(whole))

    async def switch(self, number: int, request_id: str = "") -> Switched:
        """See `Versions.switch`."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._projection)
            if repeated := await connection.fetchrow(_SWITCHED, self._projection, request_id):
                return Switched(*repeated)
            before = active_of(versions)
            check_switch(versions, self._projection, number)
            if before != number:
                await self._meet(connection, versions[before], versions[number])
                await connection.execute(_SET_STATE, self._projection, before, "ready")
                await connection.execute(_SET_STATE, self._projection, number, "active")
            now = self._clock.now()
            await connection.execute(_NOTE_SWITCH, self._projection, before, number, request_id, now)
            return Switched(before, number)

    async def retire(self, number: int) -> None:
        """See `Versions.retire`."""
        async with self._pool.acquire() as connection, connection.transaction():
            versions = await held(connection, self._projection)
            if await connection.fetchval(_RETIRED, self._projection, number):
                return
            check_retire(versions, self._projection, number)
            if await connection.fetchval(_COMPARED, self._projection):
                raise FailedPrecondition("REBUILD_RUNNING", f"version {number} is being compared: wait, or cancel that")
            await self._drop(connection, versions[number])

    async def _meet(self, connection: Connection, before: Version, after: Version) -> None:
        """Hold both versions where they say the same of the log; of lazy ones, any moment is such a moment."""

    async def _drop(self, connection: Connection, version: Version) -> None:
        await drop(connection, version)


async def loaded(connection: Connection | asyncpg.Pool, projection: str) -> dict[int, Version]:
    """All versions that are not retired, by number."""
    return {row["version"]: _version(row) for row in await connection.fetch(_LOAD, projection)}


async def held(connection: Connection, projection: str) -> dict[int, Version]:
    """The same, held until the transaction ends."""
    return {row["version"]: _version(row) for row in await connection.fetch(f"{_LOAD} FOR UPDATE", projection)}


async def drop(connection: Connection, version: Version) -> None:
    """Retire a version within the caller's transaction; nothing of it stays but its row."""
    if version.number > 1:
        await connection.execute(f"DROP TABLE {version.snapshots}")
    else:  # declared by the migrations, so its table stays
        await connection.execute(f"TRUNCATE {version.snapshots}")
    await connection.execute("DELETE FROM projection_horizons WHERE projection = $1", version.name)
    await forget(connection, version)


async def forget(connection: Connection, version: Version) -> None:
    """Retire a version whose states are gone."""
    await connection.execute(_SET_STATE, version.projection, version.number, "retired")
    # What was given up stays on record.
    await connection.execute("DELETE FROM dead_letters WHERE projection = $1 AND kind <> 'dropped'", version.name)
    await connection.execute(
        "DELETE FROM rebuild_differences WHERE projection = $1 AND version = $2", version.projection, version.number
    )


def active_of(versions: Mapping[int, Version]) -> int:
    """The number of the version that is read."""
    return next(number for number, version in versions.items() if version.state == "active")


def check_switch(versions: Mapping[int, Version], projection: str, number: int) -> None:
    """Raise unless a version can be read from now on."""
    if number not in versions:
        raise NotFound("version", f"{projection} {number}")
    if versions[number].state not in {"ready", "active"}:
        raise FailedPrecondition("VERSION_NOT_READY", f"version {number} is {versions[number].state}, not ready yet")


def check_retire(versions: Mapping[int, Version], projection: str, number: int) -> None:
    """Raise unless a version may be dropped."""
    if number not in versions:
        raise NotFound("version", f"{projection} {number}")
    state = versions[number].state
    if state == "active":
        raise FailedPrecondition("VERSION_ACTIVE", f"version {number} is the one that is read: switch to another first")
    if state != "ready":
        raise FailedPrecondition("REBUILD_RUNNING", f"version {number} is {state}: cancel its rebuild instead")


def _version(row: asyncpg.Record) -> Version:
    projection, number, snapshots, meaning, state, created_at = row
    return Version(projection, number, snapshots, json.loads(meaning), state, created_at)
