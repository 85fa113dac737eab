"""Two processes of the service on one database, and how one of them ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import (
    DUPLICATE,
    QUARANTINED,
    RECORDED,
    Client,
    appends_held,
    document,
    fresh,
    person,
    refused,
    replica,
    tracked,
)
from tests.support.transport import WITHIN_SECONDS, eventually

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
async def second(stack: Stack, server_folder: Path) -> AsyncIterator[Client]:
    """The tenant `demo` at another replica."""
    async with replica(stack, server_folder) as service, channel(service.target) as connected:
        yield Client(connected, "demo")


async def test_what_one_replica_acknowledged_every_other_shows(demo: Client, second: Client) -> None:
    user = fresh()
    for count in range(1, 21):
        writer, reader = (demo, second) if count % 2 else (second, demo)
        await writer.recorded(tracked(user))
        assert (await reader.portrait(user)).interactions == count


async def test_an_id_is_recorded_once_whichever_replicas_hear_it(demo: Client, second: Client) -> None:
    said = [tracked(fresh()) for _ in range(200)]
    answers = await asyncio.gather(*(client.collect(*said) for client in (demo, second, demo, second)))
    for outcomes in zip(*answers, strict=True):
        assert sorted(one.outcome for one in outcomes) == [RECORDED, DUPLICATE, DUPLICATE, DUPLICATE]
        assert len({one.position.position for one in outcomes}) == 1


async def test_a_watcher_hears_of_changes_at_another_replica(demo: Client, second: Client) -> None:
    user = fresh()
    call = second.profiles.WatchProfile(pb.WatchProfileRequest(person=person(user)))
    states = aiter(call)
    await anext(states)
    await demo.recorded(tracked(user))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 1
    call.cancel()


async def test_a_published_schema_is_known_to_every_replica(demo: Client, second: Client) -> None:
    name, user = fresh("event").replace("-", "_"), fresh()
    amount = schemas_pb.Property(
        name="paid", type=schemas_pb.PROPERTY_TYPE_NUMBER, role=schemas_pb.PROPERTY_ROLE_AMOUNT
    )
    schema = schemas_pb.Schema(
        name=name,
        kind=schemas_pb.SCHEMA_KIND_EVENT,
        properties=[amount],
        money_flow=schemas_pb.MONEY_FLOW_ORDER,
    )
    await demo.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=schema))
    await demo.recorded(tracked(user, name, properties={"paid": 7}))
    # At once for what was recorded under it, and for whoever asks for it.
    assert (await second.portrait(user)).spending["CNY"].total.minor == 700
    assert (await second.schemas.GetSchema(schemas_pb.GetSchemaRequest(name=name))).schema.version == 1

    async def enforced() -> bool:
        (result,) = await second.collect(tracked(user, name, properties={"paid": "7"}))
        return bool(result.outcome == QUARANTINED)

    await eventually(enforced)


async def test_replicas_publish_one_after_the_other(demo: Client, second: Client) -> None:
    names = [fresh("event").replace("-", "_") for _ in range(10)]
    requests = [
        schemas_pb.PublishSchemaRequest(schema=schemas_pb.Schema(name=name, kind=schemas_pb.SCHEMA_KIND_EVENT))
        for name in names
    ]
    answers = await asyncio.gather(
        *((demo, second)[index % 2].schemas.PublishSchema(request) for index, request in enumerate(requests))
    )
    assert len({one.schema.revision for one in answers}) == 10


async def test_a_service_told_to_end_answers_what_runs_refuses_what_is_new_and_ends_well(
    stack: Stack, server_folder: Path, demo: Client
) -> None:
    user = fresh()
    said = tracked(user)
    async with replica(stack, server_folder, DRAIN_SECONDS="60") as service:
        impatient = [("grpc.enable_retries", 0)]
        async with grpc.aio.insecure_channel(service.target, options=impatient) as connected:
            ending = Client(connected, "demo")
            health: Any = health_pb2_grpc.HealthStub(connected)
            watched = ending.profiles.WatchProfile(pb.WatchProfileRequest(person=person(user)))
            await anext(aiter(watched))
            async with appends_held(stack) as one_waits:
                running = asyncio.create_task(ending.collect(said))
                await eventually(one_waits)
                assert service.pid is not None
                os.kill(service.pid, signal.SIGTERM)
                async for answer in health.Watch(health_pb2.HealthCheckRequest()):
                    if answer.status == NOT_SERVING:
                        break
                why = await refused(ending.collector.Collect(collector_pb.CollectRequest()))
                assert (why.code, why.reason, why.retryable) == ("UNAVAILABLE", "SHUTTING_DOWN", True)
                assert not running.done()
            (result,) = await asyncio.wait_for(running, WITHIN_SECONDS)
            assert result.outcome == RECORDED
            assert await asyncio.wait_for(service.died(), WITHIN_SECONDS) == 0
    assert (await demo.portrait(user)).interactions == 1


async def test_a_caller_whose_deadline_passed_may_send_the_same_again(stack: Stack, demo: Client) -> None:
    """Whether it was recorded is unknown to them then; it counts once."""
    user = fresh()
    said = [tracked(user) for _ in range(5)]
    async with appends_held(stack):
        request = collector_pb.CollectRequest(documents=[document(one) for one in said])
        why = await refused(demo.collector.Collect(request, timeout=0.3))
        assert why.code == "DEADLINE_EXCEEDED"
    assert {one.outcome for one in await demo.collect(*said)} <= {RECORDED, DUPLICATE}
    assert (await demo.portrait(user)).interactions == 5
