"""An unfriendly afternoon, second half: servers die while interactions come in, and nothing acknowledged is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf.message import Message
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as pb

from libs.devstack.stack import Stack
from libs.eventlog.jetstream import Broker
from libs.eventlog.stream import BROKER_ERRORS, position_of, stream_name, subject_of
from libs.rpc.client import details_of
from services.profile.domain.incoming import event_id_of
from tests.support.profile import (
    DUPLICATE,
    PARTITIONS,
    RECORDED,
    SMALL,
    Client,
    document,
    fresh,
    measured,
    refused,
    tracked,
)
from tests.support.transport import eventually

IMPATIENT = [("grpc.enable_retries", 0)]  # what is said of a single attempt is to be seen


@pytest.fixture(scope="module")
async def shaken() -> AsyncIterator[Stack]:
    """A stack of its own, whose servers are killed."""
    async with Stack(services=("profile",), postgres_settings=SMALL) as running:
        yield running


@pytest.fixture
async def demo(shaken: Stack) -> AsyncIterator[Client]:
    """The tenant `demo` at that stack."""
    async with grpc.aio.insecure_channel(shaken.services["profile"].target, options=IMPATIENT) as opened:
        yield Client(opened, "demo")


@dataclass(slots=True)
class Writers:
    """Send batches, each until it is acknowledged, and remember what they heard."""

    client: Client
    user: str = field(default_factory=fresh)
    sent: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)
    ending: bool = False

    async def write(self) -> None:
        while not self.ending:
            said = [tracked(self.user) for _ in range(10)]
            self.sent |= {event_id_of(one["message_id"]) for one in said}
            request = pb.CollectRequest(documents=[document(one) for one in said])
            while not await self.is_acknowledged(request):  # noqa: ASYNC110 - a server that is down signals nothing
                await asyncio.sleep(0.05)
            self.acknowledged |= {event_id_of(one["message_id"]) for one in said}

    async def is_acknowledged(self, request: Message) -> bool:
        try:
            answer = await self.client.collector.Collect(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            details = details_of(error)
            self.heard[details.code] += 1
            assert details.retryable or details.code != "UNAVAILABLE"
            return False
        assert {one.outcome for one in answer.results} <= {RECORDED, DUPLICATE}
        self.heard["OK"] += 1
        return True

    async def go_on(self) -> None:
        """Wait until more is acknowledged than was."""
        await self.hear("OK")

    async def hear(self, code: str) -> None:
        """Wait until some more calls end so."""
        before = self.heard[code]

        async def more() -> bool:
            return self.heard[code] >= before + 8

        await eventually(more)


@asynccontextmanager
async def writing(client: Client) -> AsyncIterator[Writers]:
    """Four writers at work inside the block; at its end everything they sent is acknowledged."""
    writers = Writers(client)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(writers.write())
        await writers.go_on()
        yield writers
        writers.ending = True
    assert writers.acknowledged == writers.sent


async def nothing_is_lost_or_doubled(client: Client, writers: Writers) -> None:
    """Everything acknowledged is in the log once, and in the portrait."""
    ids: Counter[bytes] = Counter()
    for partition in range(PARTITIONS):
        async for answer in client.log.ReadLog(log_pb.ReadLogRequest(partition=partition)):
            ids.update(event.id for event in answer.batch.events)
    assert writers.acknowledged <= ids.keys()
    assert set(ids.values()) == {1}
    assert (await client.portrait(writers.user)).interactions == len(writers.sent)


async def test_postgresql_killed_while_collecting_loses_and_doubles_nothing(shaken: Stack, demo: Client) -> None:
    service = shaken.services["profile"].pid
    async with writing(demo) as writers:
        for _ in range(2):
            await shaken.postgres.kill()
            why = await refused(demo.portrait(writers.user))
            assert (why.code, why.retryable) == ("UNAVAILABLE", True)
            await writers.hear("UNAVAILABLE")
            await shaken.postgres.start()
            await writers.go_on()
    assert writers.heard.keys() == {"OK", "UNAVAILABLE"}
    await nothing_is_lost_or_doubled(demo, writers)
    assert shaken.services["profile"].pid == service, "it recovered by itself"
    assert await measured(shaken, "portrait_unmapped_errors_total") == 0


async def test_what_can_not_be_recorded_is_not_acknowledged_while_postgresql_is_down(
    shaken: Stack, demo: Client
) -> None:
    bad = tracked("null")
    await shaken.postgres.kill()
    why = await refused(demo.collect(bad))
    assert (why.code, why.retryable) == ("UNAVAILABLE", True)
    await shaken.postgres.start()

    async def in_quarantine() -> bool:
        try:
            (result,) = await demo.collect(bad)
        except grpc.aio.AioRpcError:
            return False
        return bool(result.rejection.reason == "NO_USABLE_IDENTIFIER")

    await eventually(in_quarantine)


async def test_nats_killed_while_collecting_is_not_noticed_and_caught_up_with(shaken: Stack, demo: Client) -> None:
    async with writing(demo) as writers:
        await shaken.nats.kill()
        await asyncio.sleep(0.5)
        await writers.go_on()
        assert (await demo.portrait(writers.user)).interactions > 0
        await shaken.nats.start()
        await writers.go_on()
    assert writers.heard.keys() == {"OK"}
    await nothing_is_lost_or_doubled(demo, writers)

    async def relayed() -> bool:
        heads = (await demo.log.GetHeads(log_pb.GetHeadsRequest())).heads
        async with Broker(shaken.nats.url, name="test") as broker:
            try:
                jetstream = await broker.jetstream()
                for head in filter(lambda one: one.position, heads):
                    subject = subject_of("interactions", head.partition)
                    last = await jetstream.get_last_msg(stream_name("interactions"), subject)
                    if position_of(last.headers) != head.position:
                        return False
            except BROKER_ERRORS:
                return False
        return True

    await eventually(relayed)


async def test_the_service_killed_while_collecting_comes_back_with_everything(shaken: Stack, demo: Client) -> None:
    service = shaken.services["profile"]
    async with writing(demo) as writers:
        await service.kill()
        await service.start()
        await writers.go_on()
    await nothing_is_lost_or_doubled(demo, writers)
