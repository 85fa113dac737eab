"""A replica that freezes, or loses its network, in the middle of a transaction: the others go on without it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from libs.eventlog import postgres
from libs.eventlog.checkpoint import PostgresCheckpoints, Step
from libs.eventlog.copy import log_rows
from libs.eventlog.database import SILENT_TRANSACTION, Connection, open_pool
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.silence import end_those_silent_for
from libs.eventlog.verdict import Retry, verdict_on
from libs.runtime.clock import SystemClock
from libs.runtime.errors import Unavailable
from tests.support.logs import PARTITIONS, added
from tests.support.transport import eventually

PATIENCE = 60.0


@pytest.fixture
async def pool(migrated_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(migrated_dsn) as pool:
        yield pool


async def fall_silent(connection: Connection, thawed: asyncio.Event) -> None:
    """Say nothing for longer than the server listens; it listens for no longer than a test can wait."""
    assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == SILENT_TRANSACTION
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '500ms'")
    await thawed.wait()


class Freezing(PostgresLog):
    """A log of a replica that stands still once it holds its heads; `thawed` lets it go on."""

    thawed: asyncio.Event
    holds: asyncio.Event

    async def append_in(
        self, connection: Connection, events: Sequence[NewEvent], *, look_first: bool = True
    ) -> list[Appended]:
        appended = await super().append_in(connection, events, look_first=look_first)
        self.holds.set()
        await fall_silent(connection, self.thawed)
        return appended


async def test_heads_are_let_go_of_when_their_holder_is_silent(pool: asyncpg.Pool) -> None:
    frozen = Freezing("tried", PARTITIONS, pool, SystemClock(), Ranges(pool))
    frozen.thawed, frozen.holds = asyncio.Event(), asyncio.Event()
    log = PostgresLog("tried", PARTITIONS, pool, SystemClock(), Ranges(pool))
    await log.append([added("ann")])
    lost = added("ann")
    appending = asyncio.create_task(frozen.append([lost]))
    await frozen.holds.wait()
    await asyncio.wait_for(log.append([added("ann")]), PATIENCE)
    frozen.thawed.set()
    with pytest.raises(Unavailable):
        await appending
    (again,) = await log.append([lost])
    assert (again.position, again.duplicate) == (3, False)


async def test_heads_are_let_go_of_when_their_holder_freezes_while_it_copies(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server waits for rows then, which it does not count as silence."""
    log = PostgresLog("tried", PARTITIONS, pool, SystemClock(), Ranges(pool))
    await log.append([added("ann")])
    copying, thawed = asyncio.Event(), asyncio.Event()

    async def rows_that_do_not_come(*told: Any) -> AsyncIterator[memoryview]:
        copying.set()
        await thawed.wait()
        yield log_rows(*told)

    monkeypatch.setattr(postgres, "log_rows", rows_that_do_not_come)
    freezing = asyncio.create_task(log.append([lost := added("ann")]))
    await copying.wait()
    monkeypatch.undo()
    waiting = asyncio.create_task(log.append([added("ann")]))
    await asyncio.sleep(0.3)
    assert not waiting.done()

    async def ended() -> bool:
        return await end_those_silent_for(pool, 0.3) == 1

    await eventually(ended, within=PATIENCE)
    await asyncio.wait_for(waiting, PATIENCE)
    thawed.set()
    with pytest.raises(Unavailable):
        await freezing
    (again,) = await log.append([lost])
    assert (again.position, again.duplicate) == (3, False)
    assert await end_those_silent_for(pool, 0) == 0


async def test_checkpoints_are_let_go_of_when_their_holder_is_silent(pool: asyncpg.Pool) -> None:
    mine, theirs = (PostgresCheckpoints(pool, "counts", "interactions") for _ in range(2))
    await mine.load([0])
    holds, thawed = asyncio.Event(), asyncio.Event()

    async def freeze() -> None:
        async with mine.advance([Step(0, 0, 5)]) as connection:
            holds.set()
            await fall_silent(connection, thawed)
            await connection.execute("SELECT 1")

    freezing = asyncio.create_task(freeze())
    await holds.wait()

    async def overtake() -> None:
        async with theirs.advance([Step(0, 0, 7)]):
            pass

    await asyncio.wait_for(overtake(), PATIENCE)
    thawed.set()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is asyncpg's choice; how it is judged matters
        await freezing
    assert isinstance(verdict_on(caught.value), Retry), caught.value
    assert await theirs.load([0]) == {0: 7}
