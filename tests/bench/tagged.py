"""People whom the tagging service has known for a while: what they did, what they hold, and when they are due."""

import random
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import asyncpg

from libs.eventlog.database import Connection, open_pool
from libs.people.keys import Keyring
from libs.runtime.tenants import Tenants
from services.tagging.domain.holding import encode
from services.tagging.folding import FEATURES, INTERACTIONS
from tests.bench.definitions import PROBED, compiled, documents, histories
from tests.bench.known import READ, map_rows
from tests.bench.load import SEED
from tests.bench.preload import TENANT, person_key

AT_ONCE: Final = 10_000


async def tag_everybody(tagging: str, people: int, profile: str) -> None:
    """Fill the tables of tagging with definitions and people; what profile has recorded counts as read."""
    chance, keyring = random.Random(SEED), Keyring(Tenants.demo().get(TENANT).secret)
    of, now = documents({PROBED: {"did": {"event": PROBED}}}), time.time_ns() // 1000
    known = [
        (one.state, one.holding.revision, encode(one.holding), one.holding.next_change())
        for one in histories(compiled(of), now)
    ]
    async with open_pool(tagging, size=1) as pool, pool.acquire() as connection:
        await publish(connection, of)
        for start in range(0, people, AT_ONCE):
            those = range(start, min(people, start + AT_ONCE))
            each = [(person_key(keyring, person), *chance.choice(known)) for person in those]
            await keep(connection, each)
            await connection.copy_records_to_table("identity_map", records=map_rows(keyring, those))
        await connection.execute("VACUUM ANALYZE", timeout=600)
        async with open_pool(profile, size=1) as theirs:
            heads = await theirs.fetch("SELECT partition, position FROM log_heads")
        await connection.execute(READ, FEATURES, INTERACTIONS, *map(list, zip(*heads, strict=True)))


async def publish(connection: Connection, of: Mapping[str, str]) -> None:
    """Let definitions be live, of which nothing was ever folded otherwise."""
    rows = [(TENANT, key, 1, "live", one, 0, "bench", bytes(16), None) for key, one in of.items()]
    await connection.copy_records_to_table("definitions", records=rows)
    await connection.copy_records_to_table("catalogues", records=[(TENANT, 1)])


async def keep(connection: Connection, each: Collection[tuple[bytes, bytes, int, bytes, int | None]]) -> None:
    """Let people be such: key, features, revision and what they hold, when they are due."""
    tables: dict[str, list[tuple[Any, ...]]] = {
        "features": [(TENANT, key, 0, key, state) for key, state, _, _, _ in each],
        "holdings": [(TENANT, key, revision, holding) for key, _, revision, holding, _ in each],
        "due": [(TENANT, key, at, [], [], None, False) for key, _, _, _, at in each if at is not None],
    }
    for table, rows in tables.items():
        await connection.copy_records_to_table(table, records=rows)


async def answered(tagging: asyncpg.Pool) -> bool:
    """Whether nobody is due because of anything that happened."""
    return not await tagging.fetchval("SELECT EXISTS (SELECT FROM due WHERE tenant = $1 AND at <= 1)", TENANT)
