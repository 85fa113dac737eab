"""What a server owes beside its methods: health, reflection, a port of its own, and a clean end."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1.collector_service_pb2_grpc import CollectorStub

from libs.rpc.client import channel, details_of
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import READINESS
from libs.runtime.errors import Unavailable
from libs.runtime.tenants import Tenants
from tests.integration.rpc.conftest import PREFIX, Open, World

COLLECTOR = "portrait.profile.v1.Collector"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(connected: grpc.aio.Channel, name: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(connected)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=name))).status)


async def not_serving(connected: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(connected)
    async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
        if answer.status == NOT_SERVING:
            return


def impatient(port: int) -> grpc.aio.Channel:
    """A channel that does not try again, and so shows what a single attempt was told."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0)])


class Waiting:
    """Keeps a call running until it is told to go on."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, _: Any) -> None:
        self.arrived.set()
        await self.go_on.wait()


async def test_health_knows_the_process_its_readiness_and_every_service(world: World) -> None:
    for name in ("", READINESS, COLLECTOR):
        assert await health(world.channel, name) == SERVING


async def test_a_server_that_is_not_ready_is_alive(world: World) -> None:
    await world.server.set_ready(False)
    assert await health(world.channel, "") == SERVING
    assert await health(world.channel, READINESS) == NOT_SERVING
    await world.server.set_ready(True)
    assert await health(world.channel, COLLECTOR) == SERVING


async def test_reflection_lists_the_services(world: World) -> None:
    def listed() -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{world.server.port}") as connected:
            return list(ProtoReflectionDescriptorDatabase(connected).get_services())

    names = await asyncio.to_thread(listed)
    assert {COLLECTOR, "grpc.health.v1.Health"} <= set(names)


async def test_a_port_that_is_taken_is_an_error(world: World, open_world: Open) -> None:
    with pytest.raises(RuntimeError, match="bind"):
        async with open_world(port=world.server.port):
            pass


async def test_a_running_call_ends_while_health_says_no_and_new_calls_are_sent_elsewhere(open_world: Open) -> None:
    waiting = Waiting()
    opened = open_world(waiting, drain_seconds=30)
    world = await opened.__aenter__()
    async with impatient(world.server.port) as connected:
        collect = CollectorStub(connected).Collect
        running = asyncio.ensure_future(collect(pb.CollectRequest(), timeout=30))
        await waiting.arrived.wait()
        ending = asyncio.create_task(opened.__aexit__(None, None, None))
        await not_serving(connected)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(pb.CollectRequest(), timeout=30)
        assert (details_of(caught.value).code, details_of(caught.value).reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        assert details_of(caught.value).retryable
        waiting.go_on.set()
        assert await running == pb.CollectResponse()
        await ending


async def test_a_call_that_takes_too_long_is_cut_and_told_to_try_elsewhere(open_world: Open) -> None:
    waiting = Waiting()
    async with AsyncExitStack() as clients:
        async with open_world(waiting, drain_seconds=0.1) as world:
            connected = await clients.enter_async_context(impatient(world.server.port))
            running = asyncio.ensure_future(CollectorStub(connected).Collect(pb.CollectRequest(), timeout=30))
            await waiting.arrived.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running
        assert details_of(caught.value).reason == "SHUTTING_DOWN"


async def test_an_endless_stream_does_not_hold_up_the_end(open_world: Open) -> None:
    async with AsyncExitStack() as clients:
        async with open_world(drain_seconds=60, endless={f"{PREFIX}CollectStream"}) as world:
            connected = await clients.enter_async_context(channel(f"127.0.0.1:{world.server.port}"))
            stream = CollectorStub(connected).CollectStream()
            await stream.write(pb.CollectStreamRequest())
            await stream.read()
            health_stub: Any = health_pb2_grpc.HealthStub(connected)
            watch = health_stub.Watch(health_pb2.HealthCheckRequest())
            assert (await anext(aiter(watch))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert details_of(caught.value).reason == "SHUTTING_DOWN"


async def test_a_client_tries_again_while_a_service_is_unavailable(world: World) -> None:
    attempts = 0

    async def unwell_twice(_: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise Unavailable("database", "it is away")

    world.probe.act = unwell_twice
    await world.collector.Collect(pb.CollectRequest(), timeout=30)
    assert attempts == 3


async def test_only_this_machine_is_believed() -> None:
    class Far:
        def peer(self) -> str:
            return "ipv4:10.0.0.7:4711"

    far: Any = Far()
    with pytest.raises(Exception, match="from this machine only"):
        DevelopmentCredential(Tenants.demo()).caller(far)
