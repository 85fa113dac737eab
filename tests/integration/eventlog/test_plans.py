"""How PostgreSQL plans what is asked most often: once, and by index."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from libs.eventlog.database import open_pool
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.snapshots import _BEHIND, _LOAD, PostgresSnapshots
from libs.runtime.clock import SystemClock
from tests.support.logs import PARTITIONS, added, key_of
from tests.support.tally import TALLY


@pytest.fixture
async def by_key(migrated_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with open_pool(migrated_dsn, size=1, scans=False) as pool:
        yield pool


async def test_reads_of_one_key_share_a_plan(by_key: asyncpg.Pool) -> None:
    log = PostgresLog("tried", PARTITIONS, by_key, SystemClock(), Ranges(by_key))
    await log.append([added("ann")])
    snapshots = PostgresSnapshots(by_key, TALLY.name, TALLY.snapshots, log)
    for _ in range(10):
        (stored,) = await snapshots.load([("demo", key_of("ann"))])
        assert len(stored.tail) == 1
    asked = _LOAD.format(table="portraits")
    plans = await by_key.fetchval("SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", asked)
    assert plans >= 5


async def test_a_key_without_a_snapshot_takes_no_second_statement_while_nothing_is_archived(
    by_key: asyncpg.Pool,
) -> None:
    log = PostgresLog("tried", PARTITIONS, by_key, SystemClock(), Ranges(by_key))
    snapshots = PostgresSnapshots(by_key, TALLY.name, TALLY.snapshots, log)
    (stored,) = await snapshots.load([("demo", key_of("nobody"))])
    assert stored.tail == []
    asked = [_LOAD.format(table="portraits"), _BEHIND.format(table="portraits")]
    known = "SELECT statement FROM pg_prepared_statements WHERE statement = ANY($1)"
    assert [row["statement"] for row in await by_key.fetch(known, asked)] == asked[:1]


async def test_a_plan_made_while_the_log_is_nearly_empty_goes_by_index(by_key: asyncpg.Pool) -> None:
    log = PostgresLog("tried", PARTITIONS, by_key, SystemClock(), Ranges(by_key))
    await log.append([added("ann")])
    await by_key.execute("ANALYZE log")
    await by_key.execute("ANALYZE portraits")
    explained = "EXPLAIN (GENERIC_PLAN) " + _LOAD.format(table="portraits")
    plan = str(await by_key.fetch(explained, ["demo"], [key_of("ann")], TALLY.name))
    assert "Index Scan" in plan
    assert "Seq Scan" not in plan


async def test_how_many_are_asked_for_changes_no_plan(by_key: asyncpg.Pool) -> None:
    asked = "SELECT position FROM portraits WHERE tenant = $1 AND key = ANY($2::uuid[])"
    for count in (1, 1_000):
        assert not await by_key.fetch(asked, "demo", [key_of(f"nobody {number}") for number in range(count)])
    custom = "SELECT custom_plans FROM pg_prepared_statements WHERE statement = $1"
    assert await by_key.fetchval(custom, asked) == 0
