"""Events that a consumer could not fold, each with the later events of its key: a queue that keeps their order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

import asyncpg
import msgspec

from libs.eventlog.checkpoint import Step
from libs.eventlog.database import Connection
from libs.eventlog.event import Batch
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.clock import Clock

ConnectionT_contra = TypeVar("ConnectionT_contra", contravariant=True)


PARKED_KEYS: Final = 100
"""Keys that a projection may park of a log: more than that are the fault of a release, not of events."""


class Kind(StrEnum):
    """What keeps a letter from being folded. A key with open letters has exactly one that failed: the first."""

    FAILED = "failed"
    WAITING = "waiting"  # behind the one that failed
    DROPPED = "dropped"  # given up: it is skipped for ever, and kept for the record


class Letter(msgspec.Struct, frozen=True):
    """An event in its wire form with its place, and why it was not folded; times in microseconds."""

    partition: int
    position: int
    recorded_at: int
    tenant: str
    key: bytes
    event: bytes
    kind: Kind
    cause: str = ""
    parked_at: int = 0
    dropped_at: int | None = None
    dropped_why: str | None = None
    request_id: str | None = None

    @property
    def batch(self) -> Batch:
        """The event as it comes from the log."""
        return Batch(self.partition, self.position, [self.recorded_at], [self.event])


@dataclass(frozen=True, slots=True)
class Aside:
    """Which events of a stretch of the log are not to be folded: those of parked keys, and those dropped before."""

    keys: frozenset[KeyOfTenant]
    dropped: frozenset[tuple[int, int]]

    def __bool__(self) -> bool:
        return bool(self.keys or self.dropped)


@dataclass(frozen=True, slots=True)
class Parked:
    """How much is parked: letters that failed or wait, and the keys that they belong to."""

    letters: int
    keys: int


class DeadLetters(Protocol[ConnectionT_contra]):
    """The dead letters of one consumer of one log.

    Whatever takes a connection belongs into a transaction that has advanced or holds the checkpoints of the partitions
    concerned: under those locks folding, retrying and dropping never see each other half-done.
    """

    async def aside(self, connection: ConnectionT_contra, steps: Sequence[Step]) -> Aside:
        """What is not to be folded of the events that these steps go over."""
        ...

    async def park(self, connection: ConnectionT_contra, letters: Sequence[Letter]) -> None:
        """Add letters, behind those of their key; the moment is noted."""
        ...

    async def waiting(self, connection: ConnectionT_contra, key: KeyOfTenant, limit: int) -> list[Letter]:
        """The first letters of a key that failed or wait, in the order of the log."""
        ...

    async def count(self, connection: ConnectionT_contra, key: KeyOfTenant) -> int:
        """How many letters of a key failed or wait."""
        ...

    async def remove(self, connection: ConnectionT_contra, letters: Sequence[Letter]) -> None:
        """Forget letters that were folded."""
        ...

    async def blame(self, connection: ConnectionT_contra, letter: Letter, cause: str) -> None:
        """Note that it is this letter now that its key stands before, and why."""
        ...

    async def drop(self, connection: ConnectionT_contra, letter: Letter, why: str, request_id: str) -> None:
        """Give a letter up; the moment is noted."""
        ...

    async def at(self, connection: ConnectionT_contra, partition: int, position: int) -> Letter | None:
        """The letter of an event, whatever its kind."""
        ...

    async def dropped_by(self, connection: ConnectionT_contra, tenant: str, request_id: str) -> Letter | None:
        """The letter that a request dropped."""
        ...

    async def failed(self, key: KeyOfTenant) -> Letter | None:
        """The letter that a key stands before, as of now."""
        ...

    async def parked(self) -> Parked:
        """How much is parked now."""
        ...


def letters_in(batch: Batch) -> Iterator[Letter]:
    """The events of a batch as letters that wait."""
    for recorded, data in zip(batch.recorded(), batch.events, strict=True):
        place = (batch.partition, recorded.position, recorded.recorded_at)
        yield Letter(*place, recorded.event.tenant, recorded.event.key, data, Kind.WAITING)


COLUMNS: Final = ", ".join(Letter.__struct_fields__)

_ASIDE: Final = """
    SELECT tenant, key, NULL::smallint AS partition, NULL::bigint AS position FROM dead_letters
    WHERE projection = $1 AND log = $2 AND kind = 'failed'
    UNION ALL
    SELECT NULL, NULL, letter.partition, letter.position FROM dead_letters AS letter
    JOIN unnest($3::smallint[], $4::bigint[], $5::bigint[]) AS step(partition, old, new) USING (partition)
    WHERE log = $2 AND kind = 'dropped' AND split_part(projection, '@', 1) = split_part($1, '@', 1)
      AND letter.position > step.old AND letter.position <= step.new"""

_PARK: Final = """
    INSERT INTO dead_letters
      (projection, log, partition, position, recorded_at, tenant, key, event, kind, cause, parked_at)
    SELECT $1, $2, *, $3 FROM unnest(
        $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $8::uuid[], $9::bytea[], $10::text[], $11::text[])"""

_WAITING: Final = f"""
    SELECT {COLUMNS} FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3 AND key = $4 AND kind <> 'dropped'
    ORDER BY position LIMIT $5"""  # noqa: S608  the columns are our own

_COUNT: Final = """
    SELECT count(*) FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3 AND key = $4 AND kind <> 'dropped'"""

_REMOVE: Final = """
    DELETE FROM dead_letters AS letter USING unnest($3::smallint[], $4::bigint[]) AS gone(partition, position)
    WHERE letter.projection = $1 AND letter.log = $2
      AND letter.partition = gone.partition AND letter.position = gone.position"""

_BLAME: Final = """
    UPDATE dead_letters SET kind = 'failed', cause = $5
    WHERE projection = $1 AND log = $2 AND partition = $3 AND position = $4"""

_DROP: Final = """
    UPDATE dead_letters SET kind = 'dropped', dropped_at = $5, dropped_why = $6, request_id = nullif($7, '')
    WHERE projection = $1 AND log = $2 AND partition = $3 AND position = $4"""

_AT: Final = f"""
    SELECT {COLUMNS} FROM dead_letters
    WHERE projection = $1 AND log = $2 AND partition = $3 AND position = $4 FOR UPDATE"""  # noqa: S608  as above

_DROPPED_BY: Final = f"""
    SELECT {COLUMNS} FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3 AND request_id = $4 AND kind = 'dropped'"""  # noqa: S608  as above

_FAILED: Final = f"""
    SELECT {COLUMNS} FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3 AND key = $4 AND kind = 'failed'"""  # noqa: S608  as above

_PARKED: Final = """
    SELECT count(*), count(*) FILTER (WHERE kind = 'failed') FROM dead_letters
    WHERE projection = $1 AND log = $2 AND kind <> 'dropped'"""


class PostgresDeadLetters:
    """Dead letters in the database that holds the checkpoints."""

    def __init__(self, pool: asyncpg.Pool, projection: str, log: str, clock: Clock) -> None:
        self._pool = pool
        self._projection = projection
        self._log = log
        self._clock = clock

    async def aside(self, connection: Connection, steps: Sequence[Step]) -> Aside:
        """See `DeadLetters.aside`.

        A statement of its own: one that moved the checkpoints too would see the letters as they were before it waited
        for the locks. What one version dropped, those that have not come so far skip too.
        """
        partitions, old, new = zip(*((step.partition, step.old, step.new) for step in steps), strict=True)
        rows = await connection.fetch(_ASIDE, self._projection, self._log, partitions, old, new)
        return Aside(
            frozenset((row["tenant"], row["key"]) for row in rows if row["key"] is not None),
            frozenset((row["partition"], row["position"]) for row in rows if row["key"] is None),
        )

    async def park(self, connection: Connection, letters: Sequence[Letter]) -> None:
        """See `DeadLetters.park`."""
        columns = zip(
            *((one.partition, one.position, one.recorded_at, one.tenant, one.key, one.event, one.kind, one.cause)
              for one in letters),
            strict=True,
        )  # fmt: skip
        await connection.execute(_PARK, self._projection, self._log, self._clock.now(), *columns)

    async def waiting(self, connection: Connection, key: KeyOfTenant, limit: int) -> list[Letter]:
        """See `DeadLetters.waiting`."""
        return _letters(await connection.fetch(_WAITING, self._projection, self._log, *key, limit))

    async def count(self, connection: Connection, key: KeyOfTenant) -> int:
        """See `DeadLetters.count`."""
        counted: int = await connection.fetchval(_COUNT, self._projection, self._log, *key)
        return counted

    async def remove(self, connection: Connection, letters: Sequence[Letter]) -> None:
        """See `DeadLetters.remove`."""
        partitions, positions = [one.partition for one in letters], [one.position for one in letters]
        await connection.execute(_REMOVE, self._projection, self._log, partitions, positions)

    async def blame(self, connection: Connection, letter: Letter, cause: str) -> None:
        """See `DeadLetters.blame`."""
        await connection.execute(_BLAME, self._projection, self._log, letter.partition, letter.position, cause)

    async def drop(self, connection: Connection, letter: Letter, why: str, request_id: str) -> None:
        """See `DeadLetters.drop`."""
        place = (letter.partition, letter.position)
        await connection.execute(_DROP, self._projection, self._log, *place, self._clock.now(), why, request_id)

    async def at(self, connection: Connection, partition: int, position: int) -> Letter | None:
        """See `DeadLetters.at`."""
        return _letter(await connection.fetchrow(_AT, self._projection, self._log, partition, position))

    async def dropped_by(self, connection: Connection, tenant: str, request_id: str) -> Letter | None:
        """See `DeadLetters.dropped_by`."""
        return _letter(await connection.fetchrow(_DROPPED_BY, self._projection, self._log, tenant, request_id))

    async def failed(self, key: KeyOfTenant) -> Letter | None:
        """See `DeadLetters.failed`."""
        return _letter(await self._pool.fetchrow(_FAILED, self._projection, self._log, *key))

    async def parked(self) -> Parked:
        """See `DeadLetters.parked`."""
        row = await self._pool.fetchrow(_PARKED, self._projection, self._log)
        return Parked(*row) if row else Parked(0, 0)


def letter_in(row: asyncpg.Record) -> Letter:
    """The letter of a row that has its columns."""
    columns = {name: row[name] for name in Letter.__struct_fields__}
    return Letter(**{**columns, "kind": Kind(row["kind"])})


def _letters(rows: Iterable[asyncpg.Record]) -> list[Letter]:
    return [letter_in(row) for row in rows]


def _letter(row: asyncpg.Record | None) -> Letter | None:
    return None if row is None else letter_in(row)
