"""The part of a log that left its table: which files hold it, and how it is read as if it had not."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
import msgspec

from libs.eventlog.database import Connection, reaching
from libs.eventlog.event import Batch, Recorded
from libs.eventlog.log import Whole
from libs.runtime.errors import FailedPrecondition, Unavailable

if TYPE_CHECKING:
    from libs.eventlog.archive_files import ArchiveFiles

Found = TypeVar("Found")

WINDOW_BYTES: Final = 32 * 1024 * 1024
WINDOWS: Final = 8
RUNS_AT_ONCE: Final = 256

NOT_SET: Final = "part of the log is archived, and the setting ARCHIVE does not say where"

_LOCK: Final = 0x41524348  # advisory lock: shared by who reads files for long, held alone by who replaces them
_SILENCE: Final = "SET LOCAL idle_in_transaction_session_timeout = '10min'"  # files are worked at between statements

_FILES = """
    SELECT partition, first_position, last_position, path FROM log_archives
    WHERE partition = $1 AND last_position > $2 AND first_position <= $3 AND archived_at IS NOT NULL
    ORDER BY first_position"""


class ArchiveFile(msgspec.Struct, frozen=True):
    """A file and the positions that it holds, first and last included."""

    partition: int
    first: int
    last: int
    path: str


class Archive:
    """Reads archived events. The registry says what is archived; whatever it names stands in its file.

    `where` is a folder or a URL such as `s3://bucket/portrait`; None as long as nothing is to be archived.
    """

    def __init__(self, pool: asyncpg.Pool, where: str | None = None) -> None:
        self._pool = pool
        self._where = where
        self._windows: dict[tuple[str, int], Batch] = {}  # by path, because a file that is replaced has a new one
        self._loading = asyncio.Lock()

    @cached_property
    def files(self) -> "ArchiveFiles":
        """The files themselves; raises `FailedPrecondition` if nobody said where they are."""
        if self._where is None:
            raise FailedPrecondition("ARCHIVE_NOT_SET", NOT_SET)
        from libs.eventlog.archive_files import ArchiveFiles  # noqa: PLC0415  60 MB that a log without archives spares

        return ArchiveFiles(self._where)

    async def check(self) -> None:
        """Raise `FailedPrecondition` if part of the log is archived and nobody said where."""
        if self._where is None and await self._pool.fetchval("SELECT EXISTS (SELECT FROM log_archives)"):
            raise FailedPrecondition("ARCHIVE_NOT_SET", NOT_SET)

    async def read(self, partition: int, after: int, limit: int, max_bytes: int) -> Batch | None:
        """What follows a position, at most one batch and at least one event; None if that is not archived."""
        window = await self._window(partition, after)
        if window is None:
            return None
        run = window.after(after)
        sizes = accumulate(map(len, islice(run.events, limit)))
        count = max(1, bisect_right(list(sizes), max_bytes))
        if count == len(run.events):  # whoever reads on needs another one
            self._windows = {key: kept for key, kept in self._windows.items() if kept is not window}
        return Batch(partition, after + 1, run.recorded_at[:count], run.events[:count])

    async def read_key(self, tenant: str, key: bytes, partition: int, after: int, until: int) -> list[Recorded]:
        """Archived events of a key behind a position, in order."""

        def look(files: list[ArchiveFile]) -> list[Recorded]:
            return [recorded for file in files for recorded in self.files.of_key(file.path, tenant, key, after)]

        return await self._look(partition, after, until, look)

    async def last_of_keys(self, partition: int, after: int, until: int) -> Mapping[tuple[str, bytes], int]:
        """The last position of every key that has archived events in a stretch."""

        def look(files: list[ArchiveFile]) -> dict[tuple[str, bytes], int]:
            return {
                (tenant, key): position
                for file in files
                for tenant, key, position in self.files.last_of_keys(file.path, after, until)
            }

        return await self._look(partition, after, until, look)

    async def keys_at(self, partition: int, positions: Collection[int]) -> Mapping[int, bytes]:
        """The keys of archived events at some positions."""

        def look(files: list[ArchiveFile]) -> dict[int, bytes]:
            found: dict[int, bytes] = {}
            for file in files:
                inside = [position for position in positions if file.first <= position <= file.last]
                if inside:
                    found |= self.files.keys_at(file.path, inside)
            return found

        return await self._look(partition, min(positions) - 1, max(positions), look)

    async def runs(
        self, connection: Connection, partition: int, until: int, after: tuple[str, bytes] | None = None
    ) -> AsyncGenerator[Whole, None]:
        """See `BulkReader.keys_in_order`; of archived events only, for a transaction that shares them."""
        files = await registered(connection, partition, 0, until)
        if not files:
            return
        with _reaching():
            paths = [file.path for file in await asyncio.to_thread(self._present, files)]
            runs = await asyncio.to_thread(self.files.runs, paths, until, after)
            while some := await asyncio.to_thread(lambda: list(islice(runs, RUNS_AT_ONCE))):
                for run in some:
                    yield run

    async def _window(self, partition: int, after: int) -> Batch | None:
        """Consecutive events that begin behind a position, or before it."""
        async with self._loading:  # one at a time: each may take as much memory as one that is kept
            files = await registered(self._pool, partition, after, after + 1)
            for (path, first), window in self._windows.items():
                if files and path == files[0].path and first <= after + 1 <= window.last_position:
                    return window

            def look(files: list[ArchiveFile]) -> tuple[str, Batch] | None:
                if not files:
                    return None
                file = files[0]
                return file.path, self.files.window(file.path, partition, after, file.last, WINDOW_BYTES)

            found = await self._look(partition, after, after + 1, look)
            if found is None:
                return None
            path, window = found
            kept = list(self._windows.items())[1 - WINDOWS :]
            self._windows = {**dict(kept), (path, window.first_position): window}
            return window

    async def _look(self, partition: int, after: int, until: int, look: Callable[[list[ArchiveFile]], Found]) -> Found:
        """Look into the files of a stretch, in a thread; again, if one was replaced meanwhile."""
        for last_try in (False, False, True):
            files = await registered(self._pool, partition, after, until)
            if last_try:
                files = await asyncio.to_thread(self._present, files)
            try:
                with _reaching():
                    return await asyncio.to_thread(look, files)
            except FileNotFoundError as error:
                missing = error
        raise Unavailable("archive", f"a file is missing: {missing}")

    def _present(self, files: list[ArchiveFile]) -> list[ArchiveFile]:
        return [msgspec.structs.replace(file, path=self.files.present(file.path)) for file in files]


async def hold_archives(connection: Connection, wait: str) -> None:
    """Until the transaction ends nobody else writes archives, and nobody reads them for long.

    Raises `asyncpg.LockNotAvailableError` if that can't be had within a time, such as "5s".
    """
    await connection.execute(_SILENCE)
    await connection.execute(f"SET LOCAL lock_timeout = '{wait}'")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def share_archives(connection: Connection, seconds: float) -> None:
    """Until the transaction ends nobody writes archives."""
    await connection.execute(_SILENCE)
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", _LOCK, timeout=seconds)


async def registered(
    connection: asyncpg.Pool | Connection, partition: int, after: int, until: int
) -> list[ArchiveFile]:
    """The files that hold a stretch of a partition, in the order of their positions."""
    with reaching():
        return [ArchiveFile(*row) for row in await connection.fetch(_FILES, partition, after, until)]


@contextmanager
def _reaching() -> Iterator[None]:
    """Raise `Unavailable` where files can't be read, unless one is gone."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable("archive", str(error)) from error
