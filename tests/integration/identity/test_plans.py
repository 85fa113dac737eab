"""How PostgreSQL plans the reads of the resolver before it knows how large the tables will be."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from libs.eventlog.database import open_pool
from services.identity.queries import people
from services.identity.store import evidence, resolved, waiting
from tests.support.identity_tables import migrated
from tests.support.servers import Databases

ASKED = {
    "evidence that is to be added to": [
        evidence._OF_ANCHORS_IDENTIFIERS,
        evidence._OF_ANCHORS_PAIRS,
        evidence._OF_ANCHORS_LOGINS,
    ],
    "some pairs": [evidence._PAIRS],
    "all pairs of some identifiers": [evidence._PAIRS_AROUND],
    "the logins of some sessions": [evidence._LOGINS_AT],
    "the logins of some accounts, and of their sessions": [evidence._LOGINS_AROUND],
    "what is known of some identifiers": [resolved._KNOWN, people._WHOSE],
    "whose some spans are": [resolved._SPANS_AT],
    "how many some people have": [resolved._COUNTS],
}

TABLES = ("identifiers", "pairs", "logins", "subjects", "people", "spans", "screened", "waiting")

_KIOSK = """
    INSERT INTO identifiers (tenant, anchor, key, type, value, recorded_at)
    SELECT 'fair', md5(n::text)::uuid, key, 'device_id', 'kiosk', 1
    FROM generate_series(1, 2000) AS n,
         LATERAL (VALUES (gen_random_uuid()), ('00000000-0000-0000-0000-000000000001'::uuid)) AS two(key)"""


@pytest.fixture(scope="module")
async def untouched_pool(databases: Databases) -> AsyncIterator[asyncpg.Pool]:
    """A database of its own, for what other tests leave in one is counted, too."""
    dsn = await databases.fresh(await databases.template("identity", migrated))
    async with open_pool(dsn, size=2, scans=False) as pool:
        yield pool
    await databases.drop(dsn)


async def conditions(connection: asyncpg.pool.PoolConnectionProxy, statement: str) -> list[str]:
    """What a statement looks for in each index that it reads."""
    nothing = ", ".join(["NULL"] * len(set(re.findall(r"\$\d", statement))))
    await connection.execute(f"PREPARE asked AS {statement}")
    plan = [row[0].strip() for row in await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked ({nothing})")]
    await connection.execute("DEALLOCATE asked")
    return [line.removeprefix("Index Cond: ") for line in plan if line.startswith("Index Cond")]


@pytest.mark.parametrize("statements", ASKED.values(), ids=ASKED)
async def test_a_plan_made_while_tables_are_empty_reads_no_whole_tenant(
    untouched_pool: asyncpg.Pool, statements: list[str]
) -> None:
    async with untouched_pool.acquire() as connection:
        for counted in (False, True):
            if counted:  # and found to be empty, which is another thing than not to be known
                await connection.execute(f"ANALYZE {', '.join(TABLES)}")
            for statement in statements:
                found = await conditions(connection, statement)
                assert found
                assert "(tenant = $1)" not in found


async def test_whoever_waits_is_found_by_key_although_nobody_did_when_that_was_last_looked_at(
    untouched_pool: asyncpg.Pool,
) -> None:
    async with untouched_pool.acquire() as connection:
        await connection.execute("ANALYZE waiting")
        assert "(tenant = $1)" not in await conditions(connection, resolved._KNOWN)
        assert await conditions(connection, waiting._DONE) == ["((tenant = $1) AND (key = ANY ($2)))"]
        assert await conditions(connection, waiting._NEXT) == ["((tenant = $1) AND (oversized = $2))"]


async def test_an_identifier_of_one_history_is_found_without_those_of_all_others(untouched_pool: asyncpg.Pool) -> None:
    async with untouched_pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(_KIOSK)
        await connection.execute("ANALYZE identifiers")
        (found,) = await conditions(connection, evidence._OF_ANCHORS_IDENTIFIERS)
        await undone.rollback()
        assert "anchor" in found
