"""Erasing what events say: their payloads go, in the table and in archives, and their places in the log stay.

Erasing begins with an event, `blanked`, that names the positions. From its acknowledgement on, every fold leaves them
out; so the log itself says what was erased, to replays and to other services, and what follows may take its time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
import structlog

from libs.eventlog.archive import Archive, hold_archives
from libs.eventlog.archiver import fresh_path, stem_of
from libs.eventlog.blanks import blanked_event, says_something, to_blank, without_payload
from libs.eventlog.database import UNREACHABLE, Connection, reaching
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable

POSITIONS_AT_ONCE: Final = 5_000
REQUESTS_AT_ONCE: Final = 100
LOCK_WAIT: Final = "5s"
VACUUM_SECONDS: Final = 3_600.0
LEFT_FOR_LATER: Final = (*UNREACHABLE, asyncpg.LockNotAvailableError, Unavailable)

Refold = Callable[[Sequence[KeyOfTenant]], Awaitable[None]]

_ASK = """
    INSERT INTO log_blanks (partition, position, tenant, key, positions, asked_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"""

_TO_DO = """
    SELECT partition, position, tenant, key, positions FROM log_blanks WHERE done_at IS NULL
    ORDER BY partition, position LIMIT $1"""

_DONE = """
    UPDATE log_blanks AS blank SET done_at = $3 FROM unnest($1::smallint[], $2::bigint[]) AS done(partition, position)
    WHERE blank.partition = done.partition AND blank.position = done.position"""

_FILES = """
    SELECT start_at, first_position, last_position, path FROM log_archives
    WHERE partition = $1 AND path IS NOT NULL
      AND EXISTS (SELECT FROM unnest($2::bigint[]) AS place WHERE place BETWEEN first_position AND last_position)"""

_REPLACE = "UPDATE log_archives SET path = $3, size = $4, digest = $5 WHERE start_at = $1 AND partition = $2"

_IN_TABLE = """
    SELECT position, event, tableoid::regclass::text AS range FROM log
    WHERE partition = $1 AND position = ANY($2::bigint[])"""

# Nobody may change the log. This transaction may, one column of it, and no other transaction ever sees that it could.
_ALLOW = "GRANT UPDATE (event) ON log TO CURRENT_USER"
_FORBID = "REVOKE UPDATE (event) ON log FROM CURRENT_USER"
_BLANK = """
    UPDATE log SET event = new.event FROM unnest($2::bigint[], $3::bytea[]) AS new(position, event)
    WHERE log.partition = $1 AND log.position = new.position"""

_LETTERS = """
    SELECT projection, position, event FROM dead_letters
    WHERE log = $1 AND partition = $2 AND position = ANY($3::bigint[]) AND key = ANY($4::uuid[])"""
_BLANK_LETTER = """
    UPDATE dead_letters SET event = $5 WHERE projection = $1 AND log = $2 AND partition = $3 AND position = $4"""


class _Blank(msgspec.Struct, frozen=True):
    """What one `blanked` event erases."""

    partition: int
    position: int
    tenant: str
    key: bytes
    positions: list[int]


@dataclass(frozen=True, slots=True)
class Blanking:
    """Blanks events of a log. `refold` makes new snapshots of keys whose past has changed."""

    log: PostgresLog
    pool: asyncpg.Pool
    archive: Archive
    clock: Clock
    refold: Refold

    async def blank(self, tenant: str, key: bytes, positions: Collection[int] | None, reason: str) -> int:
        """Erase what a key's events say, all of them or those at some positions; answers how many were not yet erased.

        When it returns, nothing that reads the log by folding it tells what was erased. Payloads are gone too, unless
        archives were busy: then `finish` removes them later. Asking again is harmless.
        Raises `InvalidArgument` for a position that is not the key's, or that holds a retraction or an erasure.
        """
        events = await self.log.read_key(tenant, key)
        wanted = to_blank(events, positions)
        for start in range(0, len(wanted), POSITIONS_AT_ONCE):
            await self._ask(tenant, key, wanted[start : start + POSITIONS_AT_ONCE], reason)
        try:
            await self.finish()
        except LEFT_FOR_LATER as error:
            structlog.get_logger().warning("blanking_delayed", log=self.log.name, error=repr(error))
        return len(wanted)

    async def finish(self) -> int:
        """Remove the payloads of everything that is to be erased; answers how many requests that ended.

        Whatever a crash left half done is done again, which changes nothing.
        """
        ended = 0
        while blanks := [_Blank(*row) for row in await self.pool.fetch(_TO_DO, REQUESTS_AT_ONCE)]:
            ranges = await self._erase(blanks)
            await self.refold(list({(blank.tenant, blank.key) for blank in blanks}))
            for name in ranges:  # what was overwritten stays on the disk until then
                with suppress(asyncpg.UndefinedTableError):  # archived meanwhile
                    await self.pool.execute(f"VACUUM {name}", timeout=VACUUM_SECONDS)
            await self._end(blanks)
            ended += len(blanks)
        return ended

    async def _ask(self, tenant: str, key: bytes, positions: list[int], reason: str) -> None:
        event = blanked_event(tenant, key, positions, reason, self.clock.now())
        with reaching():
            while True:
                try:
                    async with self.pool.acquire() as connection, connection.transaction():
                        (place,) = await self.log.append_in(connection, [event])
                        await connection.execute(
                            _ASK, place.partition, place.position, tenant, key, positions, self.clock.now()
                        )
                        return
                except asyncpg.UniqueViolationError:  # somebody else asks for the same
                    continue
                except asyncpg.CheckViolationError:
                    await self.log.cover()

    async def _erase(self, blanks: Sequence[_Blank]) -> set[str]:
        """Answers which ranges of the table hold overwritten rows."""
        ranges: set[str] = set()
        async with self._alone() as connection:
            for partition, some in _by_partition(blanks).items():
                for file in await connection.fetch(_FILES, partition, _positions(some)):
                    await self._rewrite(connection, partition, file, _positions(some))
            for partition, some in _by_partition(blanks).items():  # last, because rows are locked until the end
                ranges |= await self._overwrite(connection, partition, _positions(some))
                await self._overwrite_letters(connection, partition, some)
        return ranges

    async def _overwrite(self, connection: Connection, partition: int, positions: list[int]) -> set[str]:
        rows = [row for row in await connection.fetch(_IN_TABLE, partition, positions) if says_something(row["event"])]
        if rows:
            blank = [without_payload(row["event"]) for row in rows]
            await connection.execute(_ALLOW)
            await connection.execute(_BLANK, partition, [row["position"] for row in rows], blank)
            await connection.execute(_FORBID)
        return {row["range"] for row in rows}

    async def _overwrite_letters(self, connection: Connection, partition: int, blanks: Sequence[_Blank]) -> None:
        keys, log = [blank.key for blank in blanks], self.log.name
        for projection, position, event in await connection.fetch(_LETTERS, log, partition, _positions(blanks), keys):
            await connection.execute(_BLANK_LETTER, projection, log, partition, position, without_payload(event))

    async def _rewrite(
        self, connection: Connection, partition: int, file: asyncpg.Record, positions: Collection[int]
    ) -> None:
        files, path = self.archive.files, fresh_path(stem_of(self.log.name, partition, *file[1:3]))
        written = await asyncio.to_thread(files.rewrite, file["path"], path, partition, positions)
        if written is not None:
            await connection.execute(_REPLACE, file["start_at"], partition, path, written.size, written.digest)

    async def _end(self, blanks: Sequence[_Blank]) -> None:
        """Remove the files that were replaced; only then a request is done."""
        async with self._alone() as connection:
            for partition, some in _by_partition(blanks).items():
                for file in await connection.fetch(_FILES, partition, _positions(some)):
                    stem = stem_of(self.log.name, partition, *file[1:3])
                    await asyncio.to_thread(self.archive.files.tidy, stem, file["path"])
            partitions, positions = [blank.partition for blank in blanks], [blank.position for blank in blanks]
            await connection.execute(_DONE, partitions, positions, self.clock.now())

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection]:
        async with self.pool.acquire() as connection, connection.transaction():
            await hold_archives(connection, LOCK_WAIT)
            yield connection


def _by_partition(blanks: Iterable[_Blank]) -> Mapping[int, list[_Blank]]:
    found: dict[int, list[_Blank]] = {}
    for blank in blanks:
        found.setdefault(blank.partition, []).append(blank)
    return found


def _positions(blanks: Iterable[_Blank]) -> list[int]:
    return [position for blank in blanks for position in blank.positions]
