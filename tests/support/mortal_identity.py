"""The identity service as a process that dies as if by kill -9 at a chosen moment of its transactions.

A file named for a moment, in the folder that the environment names, is a death: who comes to the moment first takes it.
"""

import os
import runpy
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from libs.eventlog.checkpoint import PostgresCheckpoints, Step
from libs.eventlog.database import Connection
from libs.eventlog.postgres import PostgresLog
from services.identity.store.evidence import EvidenceRows
from services.identity.store.resolved import ResolvedRows
from services.identity.store.waiting import WaitingRows

DEATHS: Final = "MORTAL_DEATHS"

Method = Callable[..., Awaitable[Any]]


class Moment(StrEnum):
    """Moments of a transaction that changes who is who, in order."""

    BEFORE_LOCK = "before_lock"
    UNDER_LOCK = "under_lock"
    EVIDENCE_WRITTEN = "evidence_written"
    PEOPLE_WRITTEN = "people_written"
    MOVES_APPENDED = "moves_appended"
    COMMITTED = "committed"


def reached(moment: Moment) -> None:
    """Die, if there is a death for this moment that nobody else has taken."""
    try:
        (Path(os.environ[DEATHS]) / moment).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _around(method: Method, before: Moment | None = None, after: Moment | None = None) -> Method:
    async def run(*arguments: Any, **named: Any) -> Any:
        if before is not None:
            reached(before)
        answer = await method(*arguments, **named)
        if after is not None:
            reached(after)
        return answer

    return run


def make_mortal() -> None:
    """Put the moments between the statements of every transaction."""
    advance = PostgresCheckpoints.advance

    @asynccontextmanager
    async def advanced(self: PostgresCheckpoints, steps: Sequence[Step]) -> AsyncIterator[Connection]:
        async with advance(self, steps) as connection:
            yield connection
        reached(Moment.COMMITTED)

    for of, name, before, after in (
        (WaitingRows, "lock", Moment.BEFORE_LOCK, Moment.UNDER_LOCK),
        (EvidenceRows, "replace", None, Moment.EVIDENCE_WRITTEN),
        (ResolvedRows, "replace", None, Moment.PEOPLE_WRITTEN),
        (PostgresLog, "append_in", None, Moment.MOVES_APPENDED),
    ):
        setattr(of, name, _around(getattr(of, name), before, after))
    PostgresCheckpoints.advance = advanced  # type: ignore[method-assign]  # the seam that all transactions go through


if __name__ == "__main__":
    make_mortal()
    sys.argv[0] = "services.identity"
    runpy.run_module("services.identity", run_name="__main__", alter_sys=True)
