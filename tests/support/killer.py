"""Ending a process at any of its steps, without ending the process of the tests."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from libs.eventlog.archive_files import ArchiveFiles

Statement = Callable[..., Awaitable[object]]


class Killed(BaseException):
    """The process has gone."""


class Killer:
    """Ends a process before or after one of its statements, or one of its dealings with files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self.left = at
        self._after = after
        for name in ("execute", "fetch", "fetchrow", "fetchval"):
            monkeypatch.setattr(asyncpg.Connection, name, self._statement(getattr(asyncpg.Connection, name)))
        for name in ("tidy", "write", "publish", "rewrite"):
            monkeypatch.setattr(ArchiveFiles, name, self._dealing(getattr(ArchiveFiles, name)))

    def _due(self) -> bool:
        self.left -= 1
        return self.left == 0

    def _statement(self, original: Statement) -> Statement:
        async def run(connection: asyncpg.Connection, *args: object, **rest: object) -> object:
            due = self._due()
            if due and not self._after:
                connection.terminate()
                raise Killed
            result = await original(connection, *args, **rest)
            if due:
                connection.terminate()
                raise Killed
            return result

        return run

    def _dealing(self, original: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **rest: object) -> object:
            due = self._due()
            if due and not self._after:
                raise Killed
            result = original(*args, **rest)
            if due:
                raise Killed
            return result

        return run
