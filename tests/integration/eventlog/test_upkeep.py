import pytest

from libs.eventlog import upkeep as module
from libs.eventlog.ranges import Ranges
from libs.eventlog.upkeep import DAY, Upkeep
from libs.telemetry.metrics import Metrics
from tests.support.logs import NOON, Database, added, running
from tests.support.transport import eventually


def upkeep(database: Database) -> Upkeep:
    return Upkeep(database.pool, Ranges(database.pool), database.store.clock, message_id_days=3, metrics=Metrics())


async def test_an_id_is_forgotten_after_its_window_and_those_of_imports_never(log_database: Database) -> None:
    store = log_database.store
    old = [added("ann", id_="old"), added("ann", id_="of an import", import_id="history.csv")]
    await store.log.append(old)
    store.clock.advance(2 * DAY)
    await store.log.append([added("ann", id_="young")])
    assert await upkeep(log_database).forget() == 0
    store.clock.advance(DAY + 1)
    assert await upkeep(log_database).forget() == 1
    appended = await store.log.append([*old, added("ann", id_="young")])
    assert [one.duplicate for one in appended] == [False, True, True]


async def test_only_so_many_are_forgotten_at_once(log_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGET_AT_ONCE", 4)
    store = log_database.store
    await store.log.append([added("ann") for _ in range(10)])
    store.clock.advance(4 * DAY)
    assert [await upkeep(log_database).forget() for _ in range(4)] == [4, 4, 2, 0]


async def test_the_loop_keeps_ranges_ahead_and_forgets_until_nothing_is_left(
    log_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGET_AT_ONCE", 4)
    store = log_database.store
    await store.log.append([added("ann") for _ in range(10)])
    store.clock.advance(4 * DAY)

    async def done() -> bool:
        left = await log_database.pool.fetchval("SELECT count(*) FROM message_ids")
        until = await log_database.pool.fetchval("SELECT max(end_at) FROM log_ranges")
        return not left and until > NOON + 4 * DAY

    async with running(upkeep(log_database)):
        await eventually(done)
