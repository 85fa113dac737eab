"""Rebuilding a consumer's projection beside live traffic, on real processes: every effect is recorded once."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg
import grpc
import psutil
import pytest
from portrait.log.v1 import event_pb2
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub

from libs.devstack.nats import NatsServer
from libs.devstack.ports import LOOPBACK, free_port
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from libs.rpc.client import channel, details_of, metadata_for
from tests.support.logs import added, id_of, key_of, running
from tests.support.profile import refused
from tests.support.reference_consumer.counts import CONSUMER, POISON
from tests.support.reference_process import owner_of, reference_consumer
from tests.support.transport import eventually, relay_of

WITHIN = 120.0
NAMES = range(40)
PLATFORM, DEMO = metadata_for("*"), metadata_for("demo")
EACH = {1: 1, 2: 10}  # that an event counts, by fold

Counts = dict[bytes, int]


@dataclass
class World:
    """A reference consumer that has both folds, the log that it counts, and its database."""

    log: MemoryLog
    pool: asyncpg.Pool
    stub: ProjectionsStub
    process: asyncio.subprocess.Process

    async def answers(self) -> bool:
        try:
            await self.stub.ListProjections(pb.ListProjectionsRequest(), metadata=PLATFORM)
        except grpc.aio.AioRpcError:
            return False
        return True

    async def arrive(self, rounds: int) -> None:
        for _ in range(rounds):
            await self.log.append([added(name) for name in NAMES])

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Events all the time."""

        async def flow() -> None:
            while True:
                await self.log.append([added(random.choice(NAMES)) for _ in range(20)])
                await asyncio.sleep(0.02)

        flowing = asyncio.create_task(flow())
        try:
            yield
            assert not flowing.done()
        finally:
            flowing.cancel()
            with suppress(asyncio.CancelledError):
                await flowing

    async def rebuilt(self) -> pb.Rebuild:
        """A new version, built and compared."""
        started = await self.stub.StartRebuild(pb.StartRebuildRequest(projection=CONSUMER), metadata=PLATFORM)
        return await self.done(started.rebuild.version)

    async def done(self, version: int) -> pb.Rebuild:
        request = pb.GetRebuildRequest(projection=CONSUMER, version=version)

        async def is_done() -> bool:
            return (await self.stub.GetRebuild(request, metadata=PLATFORM)).rebuild.phase == pb.REBUILD_PHASE_DONE

        await eventually(is_done, within=WITHIN)
        return (await self.stub.GetRebuild(request, metadata=PLATFORM)).rebuild

    async def switch(self, version: int) -> None:
        """As soon as the version has come up to the one that is read, which under load may take it several tries."""
        request = pb.SwitchProjectionRequest(projection=CONSUMER, version=version)

        async def switched() -> bool:
            try:
                await self.stub.SwitchProjection(request, metadata=PLATFORM)
            except grpc.aio.AioRpcError as error:
                if details_of(error).reason != "VERSION_BEHIND":
                    raise
                return False
            return True

        await eventually(switched, within=WITHIN)

    async def difference(self, version: int) -> pb.DiffRebuildResponse:
        request = pb.DiffRebuildRequest(projection=CONSUMER, version=version)
        return await self.stub.DiffRebuild(request, metadata=PLATFORM)

    async def golden(self) -> Counts:
        """Events of each key."""
        found: Counter[bytes] = Counter()
        for partition in range(self.log.partitions):
            async for batch in self.log.stream(partition, 0):
                found.update(recorded.event.key for recorded in batch.recorded())
        return dict(found)

    async def counts(self, version: int) -> Counts:
        schema = "public" if version == 1 else f"{CONSUMER}_{version}"
        return dict(map(tuple, await self.pool.fetch(f"SELECT key, count FROM {schema}.counts")))

    async def settled(self, **folds: int) -> None:
        """Every version has counted everything, each by its fold, and each event was told of once, in order."""

        async def counted() -> bool:
            golden = await self.golden()
            for version, fold in folds.items():
                wanted = {key: EACH[fold] * count for key, count in golden.items()}
                if await self.counts(int(version[1:])) != wanted:
                    return False
            return True

        await eventually(counted, within=WITHIN)
        assert await self.effects() == await self.causes()

    async def effects(self) -> dict[bytes, list[bytes]]:
        """Ids of the causes that the outputs name, by key and in the order of the own log."""
        told: dict[bytes, list[bytes]] = {}
        for (data,) in await self.pool.fetch("SELECT event FROM log ORDER BY partition, position"):
            event = event_pb2.Event.FromString(data)
            told.setdefault(event.key, []).append(event.causation_id)
        return told

    async def causes(self) -> dict[bytes, list[bytes]]:
        return {
            key: [recorded.event.id for recorded in await self.log.read_key("demo", key)] for key in await self.golden()
        }


@asynccontextmanager
async def world_of(
    log: MemoryLog, nats: NatsServer, broker: Broker, database: str, **settings: str
) -> AsyncIterator[World]:
    port = free_port()
    async with (
        owner_of(log) as owner,
        running(relay_of(log, broker)),
        reference_consumer(
            database,
            nats.url,
            owner,
            **{
                "PORT": str(port),
                "METRICS_PORT": str(free_port()),
                "NEWEST_FOLD": "2",
                "LEASE_SECONDS": "5",
                **settings,
            },
        ) as process,
        open_pool(database, size=2) as pool,
        channel(f"{LOOPBACK}:{port}") as connected,
    ):
        world = World(log, pool, ProjectionsStub(connected), process)
        await eventually(world.answers, within=WITHIN)
        yield world
        process.terminate()
        assert await process.wait() == 0


@pytest.fixture
async def world(own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog) -> AsyncIterator[World]:
    async with world_of(log, own_nats, broker, database) as world:
        yield world


async def test_rebuilding_and_switching_under_live_traffic_tells_of_every_event_once(world: World) -> None:
    # pitfall 16
    await world.arrive(100)
    async with world.traffic():
        rebuild = await world.rebuilt()
        assert (rebuild.version, rebuild.against, rebuild.events) == (2, 1, rebuild.events_wanted)
        for version in (2, 1, 2):
            await world.switch(version)
            await asyncio.sleep(1.5)
    await world.settled(v1=1, v2=2)


async def test_the_difference_says_who_differs_and_how(world: World) -> None:
    await world.arrive(20)
    await world.settled(v1=1)
    plan = pb.StartRebuildRequest(projection=CONSUMER, validate_only=True)
    assert list((await world.stub.StartRebuild(plan, metadata=PLATFORM)).changes) == ["fold: 1 → 2"]
    await world.rebuilt()
    difference = await world.difference(2)
    assert (difference.keys, difference.differing) == (len(NAMES), len(NAMES))
    assert [(one.field, one.keys) for one in difference.fields] == [("counts.count", len(NAMES))]
    assert difference.hash_before != difference.hash_after
    (change,) = difference.differences[0].changes
    assert (change.field, change.before.number_value * 10) == ("counts.count", change.after.number_value)
    await world.switch(2)
    (projection,) = (await world.stub.ListProjections(pb.ListProjectionsRequest(), metadata=PLATFORM)).projections
    assert (projection.kind, projection.version) == (pb.PROJECTION_KIND_CONSUMER, 2)
    assert [(one.version, one.state) for one in projection.versions] == [
        (1, pb.VERSION_STATE_READY),
        (2, pb.VERSION_STATE_ACTIVE),
    ]


async def test_the_same_fold_makes_the_same_hash_and_an_old_version_goes_with_its_tables(world: World) -> None:
    await world.arrive(20)
    await world.rebuilt()
    await world.switch(2)
    await world.stub.RetireProjection(pb.RetireProjectionRequest(projection=CONSUMER, version=1), metadata=PLATFORM)
    await world.arrive(5)
    rebuild = await world.rebuilt()
    difference = await world.difference(3)
    assert (rebuild.version, rebuild.against, difference.differing) == (3, 2, 0)
    assert difference.hash_before == difference.hash_after != ""
    await world.switch(3)
    await world.stub.RetireProjection(pb.RetireProjectionRequest(projection=CONSUMER, version=2), metadata=PLATFORM)
    await world.arrive(5)
    await world.settled(v3=2)
    assert await world.counts(1) == {}
    schemas = await world.pool.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'counts%'")
    assert [row["nspname"] for row in schemas] == ["counts_3"]


async def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on(world: World) -> None:
    for _ in range(15):
        await world.log.append([added(name) for name in NAMES for _ in range(100)])
    started = await world.stub.StartRebuild(pb.StartRebuildRequest(projection=CONSUMER), metadata=PLATFORM)
    version = started.rebuild.version
    again = await refused(world.stub.StartRebuild(pb.StartRebuildRequest(projection=CONSUMER), metadata=PLATFORM))
    assert (again.code, again.reason) == ("FAILED_PRECONDITION", "REBUILD_RUNNING")

    async def one_that_works() -> bool:
        return bool(workers_of(world.process))

    await eventually(one_that_works, within=WITHIN)
    await asyncio.sleep(0.8)
    for worker in workers_of(world.process):
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
    await world.done(version)
    await world.settled(v1=1, v2=2)


def workers_of(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if _rebuilds(child)]


def _rebuilds(process: psutil.Process) -> bool:
    try:
        return "rebuild" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


async def test_a_rebuild_that_is_cancelled_leaves_nothing(world: World) -> None:
    await world.arrive(50)
    started = await world.stub.StartRebuild(pb.StartRebuildRequest(projection=CONSUMER), metadata=PLATFORM)
    version = started.rebuild.version
    with suppress(Exception):
        await world.stub.CancelRebuild(pb.CancelRebuildRequest(projection=CONSUMER, version=version), metadata=PLATFORM)
    rebuild = (
        await world.stub.GetRebuild(pb.GetRebuildRequest(projection=CONSUMER, version=version), metadata=PLATFORM)
    ).rebuild
    assert rebuild.phase == pb.REBUILD_PHASE_CANCELLED
    assert await world.pool.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'counts_2'") == 0
    await world.arrive(5)
    await world.settled(v1=1)


async def test_nobody_switches_while_dead_letters_wait(
    own_nats: NatsServer, broker: Broker, database: str, log: MemoryLog
) -> None:
    poison = Envelope("demo", POISON).seal().event(id_of("poison"), key_of(NAMES[0]), 0, b"")
    async with world_of(log, own_nats, broker, database) as world:
        await world.arrive(5)
        await world.rebuilt()
        await log.append([poison, added(NAMES[0])])

        async def parked() -> bool:
            return bool(await world.pool.fetchval("SELECT count(*) = 4 FROM dead_letters"))

        await eventually(parked, within=WITHIN)
        why = await refused(world.switch(2))
        assert (why.code, why.reason) == ("FAILED_PRECONDITION", "DEAD_LETTERS_WAIT")
    async with world_of(log, own_nats, broker, database, TAKES_POISON="true") as world:
        for projection in ("counts", "counts@2"):
            request = pb.RetryDeadLetterRequest(projection=projection, key=key_of(NAMES[0]))
            mended = await world.stub.RetryDeadLetter(request, metadata=DEMO)
            assert (mended.folded, mended.HasField("failed")) == (2, False)
        await world.switch(2)
        await world.arrive(1)
        await world.settled(v1=1, v2=2)
