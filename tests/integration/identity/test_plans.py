"""How PostgreSQL plans the reads of the resolver before it knows how large the tables will be."""

import re

import asyncpg
import pytest

from services.identity.queries import people
from services.identity.store import evidence, resolved

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
}


@pytest.mark.parametrize("statements", ASKED.values(), ids=ASKED)
async def test_a_plan_made_while_tables_are_empty_reads_no_whole_tenant(
    identity_pool: asyncpg.Pool, statements: list[str]
) -> None:
    async with identity_pool.acquire() as connection, connection.transaction():
        for statement in statements:
            nothing = ", ".join(["NULL"] * len(set(re.findall(r"\$\d", statement))))
            await connection.execute(f"PREPARE asked AS {statement}")
            plan = [row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked ({nothing})")]
            await connection.execute("DEALLOCATE asked")
            conditions = [line.strip() for line in plan if "Index Cond" in line]
            assert conditions
            assert "Index Cond: (tenant = $1)" not in conditions
