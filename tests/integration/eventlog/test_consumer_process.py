import asyncio
import random
import signal
from contextlib import AsyncExitStack
from itertools import count

import asyncpg

from libs.devstack.nats import NatsServer
from libs.devstack.postgres import PostgresServer
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from tests.support.logs import running
from tests.support.reference_process import LEASE_SECONDS, all_counted, counted, reference_consumer
from tests.support.transport import append, eventually, relay_of

WITHIN = 90.0


async def test_a_consumer_killed_again_and_again_counts_every_event_once(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    sent = 0
    async with running(relay_of(log, broker)):
        for _ in range(4):
            async with reference_consumer(database, own_nats.url, owner):
                life = chance.uniform(1.2, 2.5)
                for _ in range(10):
                    await append(log, 300, start=sent)
                    sent += 300
                    await asyncio.sleep(life / 10)
        async with reference_consumer(database, own_nats.url, owner):
            await eventually(all_counted(database, sent), within=WITHIN)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails


async def test_two_replicas_and_a_wiped_broker_count_every_event_once(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str
) -> None:
    async with AsyncExitStack() as replicas, running(relay_of(log, broker)):
        for _ in range(2):
            await replicas.enter_async_context(reference_consumer(database, own_nats.url, owner))
        await append(log, 2_000)
        await eventually(all_counted(database, 2_000), within=WITHIN)
        await own_nats.kill()
        await own_nats.wipe_store()
        await append(log, 1_000, start=2_000)
        await own_nats.start()
        for start in range(3_000, 6_000, 100):
            await append(log, 100, start=start)
            await asyncio.sleep(0.01)
        await eventually(all_counted(database, 6_000), within=WITHIN)


async def in_transaction(database: str) -> bool:
    """Whether a consumer has moved its checkpoints and not committed yet."""
    connection = await asyncpg.connect(database)
    try:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_locks WHERE relation = 'checkpoints'::regclass AND mode = 'RowExclusiveLock'"
            )
        )
    finally:
        await connection.close()


async def test_replicas_that_are_stopped_past_their_leases_apply_nothing_twice(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str
) -> None:
    # pitfall 12: a lease is no lock. Each is stopped in the middle of a transaction, then at any moment, and wakes up
    # believing that it still owns what the other has gone on with.
    seed = random.randrange(1 << 32)
    chance, sent = random.Random(seed), count(step=60)

    async def load() -> None:
        while True:
            await append(log, 60, start=next(sent))
            await asyncio.sleep(0.03)

    async with AsyncExitStack() as replicas, running(relay_of(log, broker)):
        both = [await replicas.enter_async_context(reference_consumer(database, own_nats.url, owner)) for _ in range(2)]
        await append(log, 60, start=next(sent))
        await eventually(all_counted(database, 60), within=WITHIN)
        loading = asyncio.create_task(load())
        for turn in range(8):
            stopped = both[turn % 2]
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            if turn < 4:
                await eventually(lambda: in_transaction(database))
            stopped.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2 * LEASE_SECONDS)
            stopped.send_signal(signal.SIGCONT)
        loading.cancel()
        events = sum((await log.heads()).values())

        async def none_is_missing() -> bool:
            return min(await counted(database)) >= events

        await eventually(none_is_missing, within=WITHIN)
        assert await counted(database) == (events, events, events)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails


async def test_a_database_that_was_gone_is_waited_for(
    own_nats: NatsServer, broker: Broker, durable_postgres: PostgresServer, log: MemoryLog, owner: str
) -> None:
    await durable_postgres.create_database("reference", role="reference")
    database = durable_postgres.dsn("reference", role="reference")
    async with (
        running(relay_of(log, broker)),
        reference_consumer(database, own_nats.url, owner, LEASE_SECONDS="5") as process,
    ):
        await append(log, 1_000)
        await eventually(all_counted(database, 1_000), within=WITHIN)
        await durable_postgres.kill()
        await append(log, 1_000, start=1_000)
        await asyncio.sleep(3)
        assert process.returncode is None
        await durable_postgres.start()
        await eventually(all_counted(database, 2_000), within=WITHIN)


async def test_a_stopped_consumer_ends_well_and_has_told_how_far_it_came(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str
) -> None:
    async with running(relay_of(log, broker)), reference_consumer(database, own_nats.url, owner) as process:
        await append(log, 500)
        await eventually(all_counted(database, 500), within=WITHIN)
        process.terminate()
        assert await process.wait() == 0
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("SELECT partition, position FROM checkpoints WHERE log = 'interactions'")
    await connection.close()
    assert dict(map(tuple, rows)) == await log.heads()
