"""Many writers at once: what a tailing reader sees, and what they wait for."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random

import asyncpg
import pytest

from libs.eventlog.database import Connection
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import SystemClock
from tests.support.logs import PARTITIONS, Database, added, id_of, partition_mates, places
from tests.support.servers import Databases
from tests.support.transport import eventually

WRITERS = 8


class Hesitant(PostgresLog):
    """A log whose transactions stay open for a while after everything is written."""

    def __init__(self, pool: asyncpg.Pool, seed: int) -> None:
        super().__init__("hesitant", PARTITIONS, pool, SystemClock(), Ranges(pool))
        self._chance = Random(seed)

    async def append_in(
        self, connection: Connection, events: Sequence[NewEvent], *, look_first: bool = True
    ) -> list[Appended]:
        appended = await super().append_in(connection, events, look_first=look_first)
        await connection.execute("SELECT pg_sleep($1)", self._chance.choice([0, 0.001, 0.005, 0.02]))
        return appended


class Tailer:
    """Reads a log as it grows, and insists that nothing is left out."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self.positions = dict.fromkeys(range(PARTITIONS), 0)
        self.ids: list[bytes] = []

    async def follow(self) -> None:
        while True:
            await self.read()
            await asyncio.sleep(0.001)

    async def read(self) -> None:
        for batch in await self._log.read(self.positions):
            assert batch.first_position == self.positions[batch.partition] + 1
            self.positions[batch.partition] = batch.last_position
            self.ids += [recorded.event.id for recorded in batch.recorded()]


@pytest.fixture
def log(log_database: Database) -> PostgresLog:
    return log_database.log(SystemClock())


async def test_a_tailing_reader_skips_nothing_however_long_commits_take(log_database: Database) -> None:
    # pitfall 1: the order of commits is not the order in which transactions began
    tailer = Tailer(log_database.log(SystemClock()))
    following = asyncio.ensure_future(tailer.follow())

    async def write(writer: int) -> list[bytes]:
        log, chance = Hesitant(log_database.pool, seed=writer), Random(writer)
        written = []
        for _ in range(12):
            call = [added(chance.randrange(100)) for _ in range(chance.randrange(1, 6))]
            assert not any(one.duplicate for one in await log.append(call))
            written += [event.id for event in call]
        return written

    written = await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    assert not following.done()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    await tailer.read()
    assert sorted(tailer.ids) == sorted(id_ for ids in written for id_ in ids)
    assert tailer.positions == await tailer._log.heads()


async def test_an_open_transaction_elsewhere_delays_no_reader(
    log_database: Database, databases: Databases, log: PostgresLog
) -> None:
    # pitfall 3: the horizon of running transactions is that of the whole server
    elsewhere = await databases.fresh()
    other = await asyncpg.connect(elsewhere)
    try:
        await other.execute("BEGIN; CREATE TABLE unfinished (n int); INSERT INTO unfinished VALUES (1)")
        async with log_database.pool.acquire() as here, here.transaction():
            await here.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await here.execute("DELETE FROM quarantine; SELECT pg_current_xact_id()")
            tailer = Tailer(log)
            for written in range(1, 4):
                await log.append([added("ann")])
                await tailer.read()
                assert len(tailer.ids) == written
    finally:
        await other.close()
        await databases.drop(elsewhere)


async def test_an_append_notifies_nobody(log_database: Database, log: PostgresLog) -> None:
    # pitfall 4: NOTIFY holds a lock of the whole server while its transaction commits
    await log.append([added("first")])
    sent: list[str] = []
    async with log_database.pool.acquire() as connection:
        with connection.query_logger(lambda query: sent.append(query.query)):
            async with connection.transaction():
                await log.append_in(connection, [added("ann"), added("bob")])
        triggers = await connection.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")
        rules = await connection.fetchval("SELECT count(*) FROM pg_rules WHERE schemaname = 'public'")
    assert any("log_heads" in query for query in sent)
    assert not any("notify" in query.lower() for query in sent)
    assert (triggers, rules) == (0, 0)  # nor does a table do it by itself


async def test_sixteen_writers_share_no_lock_beyond_the_heads_they_write(
    log_database: Database, log: PostgresLog
) -> None:
    # pitfall 4: with one transaction open in a partition, the others go on committing
    await log.append([added("first")])
    held, *free = [partition_mates(2, partition) for partition in range(PARTITIONS)]
    server_wide: Counter[str] = Counter()

    async def write(writer: int) -> None:
        for _ in range(10):
            await log.append([added(free[writer % len(free)][0])])

    async def look() -> None:
        while True:
            rows = await log_database.pool.fetch(
                "SELECT mode FROM pg_locks WHERE locktype = 'object' AND coalesce(database, 0) = 0"
            )
            server_wide.update(row["mode"] for row in rows)

    async with log_database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await log.append_in(connection, [added(held[0])])
        looking = asyncio.ensure_future(look())
        await asyncio.gather(*(write(writer) for writer in range(16)))
        looking.cancel()
        waiting = asyncio.ensure_future(log.append([added(held[1])]))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    assert server_wide["AccessExclusiveLock"] == 0
    assert sum((await log.heads()).values()) == 1 + 1 + 160 + 1


async def test_writers_whose_ids_and_partitions_overlap_never_wait_in_a_circle(log: PostgresLog) -> None:
    names = [partition_mates(20, partition) for partition in range(PARTITIONS)]

    async def write(writer: int) -> list[tuple[bytes, tuple[int, int]]]:
        chance, told = Random(writer), []
        for round_ in range(8):
            own = names[writer % PARTITIONS] + names[chance.randrange(PARTITIONS)]
            ids = chance.sample(range(250), 200)
            call = [added(chance.choice(own), id_=(round_, id_)) for id_ in ids]
            told += list(zip([event.id for event in call], places(await log.append(call)), strict=True))
        return told

    async with asyncio.timeout(120):
        told = [pair for pairs in await asyncio.gather(*map(write, range(WRITERS))) for pair in pairs]
    recorded = {
        one.event.id: (partition, one.position)
        for partition in range(PARTITIONS)
        async for batch in log.stream(partition, 0)
        for one in batch.recorded()
    }
    assert dict(told) == recorded
    assert len(set(told)) == len(recorded) == sum((await log.heads()).values())  # told everybody alike, recorded once


async def test_two_writers_of_the_same_ids_in_opposite_orders_never_wait_for_each_other(
    log_database: Database, log: PostgresLog
) -> None:
    here, there, elsewhere = (partition_mates(1, partition)[0] for partition in range(3))
    ids = sorted(range(9), key=id_of)
    await log.append([added("first")])

    async def both_wait() -> bool:
        waiting = await log_database.pool.fetchval("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return bool(waiting == 2)

    async with log_database.pool.acquire() as connection:
        third = connection.transaction()
        await third.start()
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await log.append_in(connection, [added(elsewhere, id_=ids[4])])  # both get as far as that id
        one = asyncio.ensure_future(log.append([added(here, id_=id_) for id_ in ids]))
        other = asyncio.ensure_future(log.append([added(there, id_=id_) for id_ in reversed(ids)]))
        await eventually(both_wait)
        await third.rollback()
    first, second = await asyncio.gather(one, other)
    assert places(first) == places(reversed(second))
    assert {first[0].duplicate, second[0].duplicate} == {False, True}
