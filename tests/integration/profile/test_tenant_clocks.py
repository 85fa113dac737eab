"""What time it is for tenants on event time, in PostgreSQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, NewEvent
from libs.eventlog.migrations import migrate
from libs.runtime.clock import SECOND, ManualClock
from libs.runtime.tenants import Tenants
from services.profile.clocks import TenantClocks
from services.profile.migrations import SCRIPTS
from tests.support.servers import Databases

NOW = 1_767_960_000 * SECOND
THEN = 1_500_000_000 * SECOND


@pytest.fixture
async def pool(databases: Databases) -> AsyncIterator[asyncpg.Pool]:
    async def prepare(url: str) -> None:
        await migrate(url, SCRIPTS, partitions=4)

    url = await databases.fresh(await databases.template("tenant_clocks", prepare))
    async with open_pool(url) as opened:
        yield opened
    await databases.drop(url)


def clocks_on(pool: asyncpg.Pool) -> TenantClocks:
    return TenantClocks(pool, Tenants.demo(), ManualClock(NOW))


def happened(*moments: int) -> list[NewEvent]:
    seal = Envelope("grocery", "interaction_recorded").seal()
    return [seal.event(bytes(16), bytes(16), at, b"{}") for at in moments]


async def test_a_tenant_on_the_wall_clock_never_follows_its_events(pool: asyncpg.Pool) -> None:
    clocks = clocks_on(pool)
    await clocks.follow("demo", happened(THEN))
    assert await clocks.now("demo") == NOW


async def test_before_anything_happened_event_time_is_that_of_the_wall(pool: asyncpg.Pool) -> None:
    assert await clocks_on(pool).now("grocery") == NOW


async def test_event_time_is_the_newest_of_what_happened(pool: asyncpg.Pool) -> None:
    clocks = clocks_on(pool)
    await clocks.follow("grocery", happened(THEN, THEN + 2, THEN + 1))
    assert await clocks.now("grocery") == THEN + 2


async def test_event_time_never_goes_back_whichever_replica_is_late(pool: asyncpg.Pool) -> None:
    early, late = clocks_on(pool), clocks_on(pool)
    await early.follow("grocery", happened(THEN + 10))
    await late.follow("grocery", happened(THEN))
    assert await early.now("grocery") == await late.now("grocery") == THEN + 10


async def test_event_time_outlives_the_process(pool: asyncpg.Pool) -> None:
    await clocks_on(pool).follow("grocery", happened(THEN))
    assert await clocks_on(pool).now("grocery") == THEN
