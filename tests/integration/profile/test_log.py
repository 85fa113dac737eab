"""`log.v1.Log`, `ops.v1.Projections`, health and reflection, as the profile service answers them."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb

from libs.devstack.stack import Stack
from libs.rpc.pages import next_page
from tests.support.profile import PARTITIONS, Client, fresh, refused, refused_stream, tracked
from tests.support.transport import eventually


async def batches(client: Client, method: str, request: Any) -> list[Any]:
    return [answer.batch async for answer in getattr(client.log, method)(request)]


async def heads(client: Client) -> dict[int, int]:
    answer = await client.log.GetHeads(log_pb.GetHeadsRequest())
    return {one.partition: one.position for one in answer.heads}


async def test_heads_name_the_log_and_every_partition(demo: Client) -> None:
    answer = await demo.log.GetHeads(log_pb.GetHeadsRequest())
    assert answer.log == "interactions"
    assert [one.partition for one in answer.heads] == list(range(PARTITIONS))
    assert not answer.consumed


async def test_a_head_moves_with_every_interaction(demo: Client) -> None:
    before = await heads(demo)
    (position,) = await demo.recorded(tracked(fresh()))
    after = await heads(demo)
    assert after[position.partition] == position.position > before[position.partition]


async def test_a_partition_is_read_without_gaps_up_to_its_head(demo: Client) -> None:
    await demo.recorded(*(tracked(fresh()) for _ in range(1_200)))
    everything = demo.of("*")
    for partition, head in (await heads(everything)).items():
        runs = await batches(everything, "ReadLog", log_pb.ReadLogRequest(partition=partition))
        positions = [run.first_position + index for run in runs for index in range(len(run.events))]
        assert positions[:head] == list(range(1, head + 1))
        times = [time for run in runs for time in run.recorded_at_micros]
        assert times == sorted(times)
        assert {run.log for run in runs} <= {"interactions"}


async def test_a_run_can_begin_and_end_anywhere(demo: Client) -> None:
    user = fresh()
    positions = await demo.recorded(*(tracked(user) for _ in range(20)))
    partition, first = positions[0].partition, positions[0].position
    request = log_pb.ReadLogRequest(partition=partition, from_position=first + 5, limit=7)
    (run,) = await batches(demo.of("*"), "ReadLog", request)
    assert (run.first_position, len(run.events)) == (first + 5, 7)
    (own,) = await batches(demo, "ReadLog", request)
    assert list(own.positions) == list(range(first + 5, first + 12))
    beyond = log_pb.ReadLogRequest(partition=partition, from_position=2**64 - 1)
    assert await batches(demo, "ReadLog", beyond) == []


async def test_a_key_is_read_with_its_retractions(demo: Client) -> None:
    user = fresh()
    said = [tracked(user) for _ in range(120)]
    positions = await demo.recorded(*said)
    await demo.collector.Retract(collector_pb.RetractRequest(message_id=said[0]["message_id"]))
    key = bytes.fromhex((await demo.portrait(user)).person_id)
    runs = await batches(demo, "ReadKey", log_pb.ReadKeyRequest(key=key))
    events = [event for run in runs for event in run.events]
    assert [position for run in runs for position in run.positions][:120] == [one.position for one in positions]
    assert Counter(event.type for event in events) == {"interaction_recorded": 120, "retracted": 1}
    assert {event.key for event in events} == {key}
    after = log_pb.ReadKeyRequest(key=key, from_position=positions[-1].position)
    assert sum(len(run.events) for run in await batches(demo, "ReadKey", after)) == 2


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ReadLog", log_pb.ReadLogRequest(partition=PARTITIONS), "partition"),
        ("ReadLog", log_pb.ReadLogRequest(partition=5_000), "partition"),
        ("ReadKey", log_pb.ReadKeyRequest(key=b"short"), "key"),
    ],
)
async def test_what_the_log_does_not_have_is_refused(demo: Client, method: str, request_: Any, field: str) -> None:
    why = await refused_stream(getattr(demo.log, method)(request_))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", field)


async def test_the_portraits_have_no_backlog_once_they_are_compacted(demo: Client) -> None:
    user = fresh()
    for _ in range(40):
        await demo.recorded(tracked(user))

    async def settled() -> bool:
        (one,) = (await demo.projections.ListProjections(ops_pb.ListProjectionsRequest())).projections
        assert (one.name, one.log, one.kind) == ("portraits", "interactions", ops_pb.PROJECTION_KIND_LAZY)
        return bool(one.lag_events == 0 and one.lag_seconds == 0 and one.version == 1)

    await eventually(settled)
    assert (await demo.portrait(user)).interactions == 40


async def test_there_are_no_dead_letters(demo: Client) -> None:
    answer = await demo.projections.ListDeadLetters(ops_pb.ListDeadLettersRequest(projection="portraits"))
    assert not answer.dead_letters
    why = await refused(demo.projections.ListDeadLetters(ops_pb.ListDeadLettersRequest(page_token="x")))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "page_token")


async def test_a_forged_token_of_a_difference_is_refused(demo: Client) -> None:
    request = ops_pb.DiffRebuildRequest(projection="portraits")
    request.page_token = next_page(request, ("\0", bytes(16)))
    why = await refused(demo.of("*").projections.DiffRebuild(request))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "page_token")


async def test_the_service_says_that_it_is_well(connected: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(connected)
    for name in ("", "readiness", "portrait.profile.v1.Collector", "portrait.log.v1.Log"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_every_service(stack: Stack) -> None:
    def listed() -> list[str]:
        with grpc.insecure_channel(stack.services["profile"].target) as channel:
            return sorted(ProtoReflectionDescriptorDatabase(channel).get_services())

    assert await asyncio.to_thread(listed) == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "portrait.log.v1.Log",
        "portrait.ops.v1.Projections",
        "portrait.profile.v1.Collector",
        "portrait.profile.v1.Profiles",
        "portrait.profile.v1.Quarantine",
        "portrait.profile.v1.Schemas",
    ]
