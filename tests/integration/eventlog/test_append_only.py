import asyncpg
import pytest

from tests.support.logs import Database, added, key_of


@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant = 'other'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["log", "log_from_0"])
async def test_what_is_recorded_can_be_neither_changed_nor_removed(
    log_database: Database, statement: str, table: str
) -> None:
    log = log_database.store.log
    await log.append([added("ann")])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log_database.pool.execute(statement.format(table))
    assert len(await log.read_key("demo", key_of("ann"))) == 1


async def test_that_holds_for_ranges_yet_to_come(log_database: Database) -> None:
    store = log_database.store
    await store.log.append([added("ann")])
    store.clock.advance(86_400_000_000)
    await store.log.append([added("ann")])
    rows = await log_database.pool.fetch("SELECT name FROM log_ranges ORDER BY start_at")
    assert len(rows) > 1
    for row in rows:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log_database.pool.execute(f"DELETE FROM {row['name']}")
