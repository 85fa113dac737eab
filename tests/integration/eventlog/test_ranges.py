import asyncio
from itertools import pairwise

import asyncpg

from libs.eventlog.ranges import LONGEST, SHORTEST, Ranges
from tests.support.logs import NOON, Database, added, key_of

MINUTE = SHORTEST // 10


async def ranges(database: Database) -> list[asyncpg.Record]:
    return await database.pool.fetch("SELECT * FROM log_ranges ORDER BY start_at")


async def ranges_in_use(database: Database) -> int:
    return len(await database.pool.fetch("SELECT DISTINCT tableoid FROM log"))


async def test_ranges_cover_the_moment_and_what_comes_soon(log_database: Database) -> None:
    tiny = Ranges(log_database.pool, events=1)
    for minute in range(0, 60, 7):
        now = NOON + minute * MINUTE
        await tiny.cover(now)
        rows = await ranges(log_database)
        assert rows[0]["start_at"] == 0
        assert rows[-1]["end_at"] > now + SHORTEST
        assert all(one["end_at"] == following["start_at"] for one, following in pairwise(rows))


async def test_covering_what_is_covered_makes_nothing(log_database: Database) -> None:
    for _ in range(3):
        await Ranges(log_database.pool).cover(NOON)
    assert len(await ranges(log_database)) == 1


async def test_replicas_that_cover_at_once_make_each_range_once(log_database: Database) -> None:
    await asyncio.gather(*(Ranges(log_database.pool, events=1).cover(NOON) for _ in range(6)))
    await asyncio.gather(*(Ranges(log_database.pool, events=1).cover(NOON + 30 * MINUTE) for _ in range(6)))
    rows = await ranges(log_database)
    assert all(one["end_at"] == following["start_at"] for one, following in pairwise(rows))


async def test_a_range_is_as_long_as_its_events_will_take(log_database: Database) -> None:
    ranges_of_300 = Ranges(log_database.pool, events=300)
    lengths = []
    for minute, events in ((0, 100), (15, 0), (45, 0)):  # the range of the first minute ends with the twentieth
        await ranges_of_300.cover(NOON + minute * MINUTE)
        last = (await ranges(log_database))[-1]
        lengths.append((last["end_at"] - max(last["start_at"], NOON)) // MINUTE)
        await log_database.store.log.append([added("ann") for _ in range(events)])
    # A hundred in ten minutes make three hundred a matter of thirty; then nothing came, and a week will do.
    assert lengths == [20, 30, LONGEST // MINUTE]


async def test_an_append_past_the_last_range_makes_one(log_database: Database) -> None:
    store = log_database.store
    for days in (0, 1, 0, 30, 365):
        store.clock.advance(days * 24 * 60 * MINUTE)
        await store.log.append([added("ann"), added("bob")])
    assert len(await store.log.read_key("demo", key_of("ann"))) == 5
    assert len(await ranges(log_database)) > 3


async def test_reads_run_across_ranges(log_database: Database) -> None:
    store = log_database.store
    log = log_database.log(store.clock, range_events=1)
    for amount in range(6):
        await log.append([added("ann", amount), added("bob", amount)])
        store.clock.advance(25 * MINUTE)
    assert await ranges_in_use(log_database) >= 3
    assert sum(map(len, (await store.events()).values())) == 12
    recorded = await store.log.read_key("demo", key_of("ann"))
    assert [int(one.event.payload) for one in recorded] == list(range(6))
    (before,) = await store.reader().read([("demo", key_of("ann"))])
    compactor = store.compactor()
    compactor.request([("demo", key_of("ann"))])
    await compactor.compact_all()
    assert await store.reader().read([("demo", key_of("ann"))]) == [before]


async def test_ranges_roll_over_while_writers_append(log_database: Database) -> None:
    store = log_database.store
    log = log_database.log(store.clock, range_events=1)

    async def write(writer: int) -> None:
        for _ in range(8):
            await log.append([added(f"{writer}"), added(f"{writer} too")])
            store.clock.advance(4 * MINUTE)

    await asyncio.gather(*map(write, range(4)))
    assert sum(map(len, (await store.events()).values())) == 64
    assert await ranges_in_use(log_database) >= 2


async def test_a_clock_that_runs_back_behind_a_range_loses_nothing(log_database: Database) -> None:
    # pitfall 2: what is recorded stays in the range of the last moment seen
    store = log_database.store
    await store.log.append([added("ann")])
    store.clock.advance(60 * 24 * MINUTE)
    await store.log.append([added("ann")])
    store.clock.set(NOON - 10**15)
    await store.log.append([added("ann")])
    assert [one.position for one in await store.log.read_key("demo", key_of("ann"))] == [1, 2, 3]
