"""The reference consumer as a process through what goes wrong: killed at every stage, without a database, poisoned."""

import asyncio
from urllib.request import urlopen

import asyncpg
import pytest
from portrait.log.v1 import event_pb2
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from prometheus_client.parser import text_string_to_metric_families

from libs.devstack.nats import NatsServer
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.postgres import PostgresServer
from libs.eventlog.event import Envelope
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from libs.rpc.client import channel, metadata_for
from tests.support.ledger import golden
from tests.support.logs import added, id_of, key_of, running
from tests.support.reference_consumer.counts import CONSUMER, POISON
from tests.support.reference_consumer.dying import Stage
from tests.support.reference_process import all_counted, counted, reference_consumer
from tests.support.transport import append, eventually, relay_of

WITHIN = 90.0
NAMES = range(9)


async def told_of(database: str) -> dict[tuple[str, bytes], list[tuple[bytes, int]]]:
    """What the outputs say: causes and counts of each key, in the order of the own log."""
    told: dict[tuple[str, bytes], list[tuple[bytes, int]]] = {}
    connection = await asyncpg.connect(database)
    for row in await connection.fetch("SELECT event FROM log ORDER BY partition, position"):
        event = event_pb2.Event.FromString(row["event"])
        told.setdefault((event.tenant, event.key), []).append((event.causation_id, int(event.payload)))
    await connection.close()
    return told


async def to_be_told(log: MemoryLog) -> dict[tuple[str, bytes], list[tuple[bytes, int]]]:
    """The same, were nothing to go wrong."""
    return {
        key: [(recorded.event.id, number) for number, recorded in enumerate(await log.read_key(*key), 1)]
        for key in await golden(log)
    }


@pytest.mark.parametrize("stage", Stage)
async def test_killed_at_any_stage_nothing_is_lost_and_nothing_told_twice(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str, stage: Stage
) -> None:
    # pitfall 23
    sent = 0
    async with running(relay_of(log, broker)):
        async with reference_consumer(database, own_nats.url, owner, DIES=stage.value) as process:
            while process.returncode is None:
                await log.append([added(name) for name in NAMES])
                sent += len(NAMES)
                await asyncio.sleep(0.05)
            assert process.returncode == -9
        await log.append([added(name) for name in NAMES])  # one that dies after a commit may have counted all there was
        sent += len(NAMES)
        assert (await counted(database))[0] < sent
        async with reference_consumer(database, own_nats.url, owner):
            await eventually(all_counted(database, sent), within=WITHIN)
    assert await told_of(database) == await to_be_told(log)


def heartbeat_of(port: int, loop: str) -> float:
    """When a loop of the process last turned, as it is scraped; 0 before it ever did."""
    with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    beats = (one for family in families for one in family.samples if one.name == "portrait_loop_heartbeat_seconds")
    return next((one.value for one in beats if one.labels == {"loop": loop}), 0.0)


async def test_without_its_database_a_consumer_waits_and_its_heartbeat_shows_it(
    own_nats: NatsServer, broker: Broker, durable_postgres: PostgresServer, log: MemoryLog, owner: str
) -> None:
    # pitfall 15
    await durable_postgres.create_database("reference", role="reference")
    database, port = durable_postgres.dsn("reference", role="reference"), free_port()

    async def heartbeats() -> list[float]:
        loops = (f"consumer:{CONSUMER}", f"leases:{CONSUMER}:interactions")
        return [await asyncio.to_thread(heartbeat_of, port, loop) for loop in loops]

    async def standing_still() -> bool:
        before = await heartbeats()
        await asyncio.sleep(3)
        return await heartbeats() == before

    async def beating() -> bool:
        return all(now > then for now, then in zip(await heartbeats(), stopped, strict=True))

    async with (
        running(relay_of(log, broker)),
        reference_consumer(database, own_nats.url, owner, METRICS_PORT=str(port), LEASE_SECONDS="30") as process,
    ):
        await append(log, 1_000)
        await eventually(all_counted(database, 1_000), within=WITHIN)
        await durable_postgres.kill()
        await append(log, 1_000, start=1_000)
        await eventually(standing_still, within=WITHIN)  # a turn that had begun may still end
        stopped = await heartbeats()
        assert all(stopped)
        assert process.returncode is None
        await durable_postgres.start()
        await eventually(all_counted(database, 2_000), within=WITHIN)
        await eventually(beating, within=WITHIN)
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0
    await connection.close()


async def test_a_poisoned_key_waits_through_a_kill_and_is_folded_in_order_by_the_release_that_can(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog, owner: str
) -> None:
    # pitfall 14
    poisoned, port = NAMES[0], free_port()
    poison = Envelope("demo", POISON).seal().event(id_of("poison"), key_of(poisoned), 0, b"")
    for number in range(10):
        await log.append([added(name) for name in NAMES])
        if number == 4:
            await log.append([poison])
    flowing, all_of_it = 5 + 10 * (len(NAMES) - 1), 10 * len(NAMES) + 1

    async def letters() -> int:
        connection = await asyncpg.connect(database)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM dead_letters"))
        finally:
            await connection.close()

    async def all_but_the_new_one_wait() -> bool:
        return await letters() == 6

    async def all_wait() -> bool:
        return await letters() == 7

    async with running(relay_of(log, broker)):
        async with reference_consumer(database, own_nats.url, owner):
            await eventually(all_counted(database, flowing), within=WITHIN)
            await eventually(all_but_the_new_one_wait, within=WITHIN)
        async with reference_consumer(
            database, own_nats.url, owner, TAKES_POISON="true", PORT=str(port), METRICS_PORT=str(free_port())
        ):
            await log.append([added(poisoned), added(NAMES[1])])
            await eventually(all_counted(database, flowing + 1), within=WITHIN)
            await eventually(all_wait, within=WITHIN)
            async with channel(f"{LOOPBACK}:{port}") as connected:
                request = ops_pb.RetryDeadLetterRequest(projection=CONSUMER, key=key_of(poisoned))
                stub = ProjectionsStub(connected)
                mended = await stub.RetryDeadLetter(request, metadata=metadata_for("demo"), wait_for_ready=True)
            assert (mended.folded, mended.waiting, mended.HasField("failed")) == (7, 0, False)
            await eventually(all_counted(database, all_of_it + 2), within=WITHIN)
    assert await told_of(database) == await to_be_told(log)
