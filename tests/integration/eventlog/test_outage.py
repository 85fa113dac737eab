"""PostgreSQL goes away under load: everybody is told, and what was acknowledged is there afterwards."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from libs.devstack.postgres import PostgresServer
from libs.eventlog.append import Appender
from libs.eventlog.database import open_pool
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.watch import Watch
from libs.runtime.clock import SystemClock
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from tests.support.logs import Database, added, key_of, migrated, places, running
from tests.support.transport import WITHIN_SECONDS, eventually

CALLERS = 8

Place = tuple[int, int]


class Callers:
    """Append without pause, and remember what they were told."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self.acknowledged: dict[bytes, Place] = {}
        self.unknown: list[NewEvent] = []
        self.told: list[Unavailable] = []

    def begin(self) -> "asyncio.Future[list[None]]":
        return asyncio.gather(*(self._call_on(caller) for caller in range(CALLERS)))

    async def _call_on(self, caller: int) -> None:
        number = 0
        while True:
            number += 1
            call = [added(f"{caller} {number} {n}") for n in range(20)]
            try:
                self._keep(call, await self._appender.append(call))
            except Unavailable as error:
                self.unknown += call
                self.told.append(error)
                return

    async def try_again(self) -> None:
        self._keep(self.unknown, await self._appender.append(self.unknown))

    def _keep(self, events: list[NewEvent], appended: list[Appended]) -> None:
        self.acknowledged |= zip((event.id for event in events), places(appended), strict=True)


async def recorded(database: Database) -> dict[bytes, Place]:
    """Where every event stands; positions are held gapless and ids unique."""
    found: dict[bytes, Place] = {}
    for partition, events in (await database.store.events()).items():
        for position, event in enumerate(events, 1):
            assert event.id not in found
            found[event.id] = (partition, position)
    return found


Calling = asyncio.Future[list[None]]


async def lose(
    database: Database, cut: Callable[[Calling], Awaitable[None]], back: Callable[[], Awaitable[None]]
) -> None:
    appender = Appender(database.log(SystemClock()), Metrics())
    async with running(appender):
        callers = Callers(appender)
        calling = callers.begin()

        async def busy() -> bool:
            return len(callers.acknowledged) > 4_000

        await eventually(busy)
        await cut(calling)
        await asyncio.wait_for(calling, WITHIN_SECONDS)
        assert len(callers.told) == CALLERS
        assert all(error.retryable and error.dependency == "postgresql" for error in callers.told)
        await back()
        found = await recorded(database)
        assert callers.acknowledged.items() <= found.items()
        await callers.try_again()
        found = await recorded(database)
        assert callers.acknowledged == found


async def test_nothing_acknowledged_is_lost_when_postgresql_is_killed(durable_postgres: PostgresServer) -> None:
    # pitfall 5: a log acknowledges what is on disk
    await durable_postgres.create_database("killed", role="tester")
    dsn = durable_postgres.dsn("killed", role="tester")
    await migrated(dsn)
    async with open_pool(dsn) as pool:
        for setting in ("synchronous_commit", "fsync", "full_page_writes"):
            assert await pool.fetchval(f"SHOW {setting}") == "on"
        await lose(Database(pool), lambda _: durable_postgres.kill(), durable_postgres.start)


async def test_nothing_acknowledged_is_lost_when_connections_break(log_database: Database) -> None:
    async def end_connections(calling: Calling) -> None:
        async with log_database.pool.acquire() as connection:
            while not calling.done():  # a call that was between two transactions tries the next one
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                await asyncio.sleep(0.01)

    async def nothing() -> None:
        pass

    await lose(log_database, end_connections, nothing)


async def test_an_append_without_a_database_is_unavailable_and_works_when_it_is_back(
    durable_postgres: PostgresServer,
) -> None:
    await durable_postgres.create_database("away", role="tester")
    dsn = durable_postgres.dsn("away", role="tester")
    await migrated(dsn)
    async with open_pool(dsn) as pool:
        log = Database(pool).log(SystemClock())
        async with running(watch := Watch(log)), watch.changes(("demo", key_of("ann"))) as changed:
            await log.append([added("ann")])
            await asyncio.wait_for(changed.wait(), WITHIN_SECONDS)
            changed.clear()
            await durable_postgres.kill()
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await log.append([added("ann")])
            await asyncio.sleep(0.2)  # the watch looks a few times, in vain
            await durable_postgres.start()
            await log.append([added("ann")])
            await asyncio.wait_for(changed.wait(), WITHIN_SECONDS)
