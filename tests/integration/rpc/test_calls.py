"""What every call meets on its way: the caller, the deadline, the rules, and what becomes of its errors."""

import asyncio
from typing import Any

import grpc
import pytest
from portrait.profile.v1 import collector_service_pb2 as pb

from libs.rpc.caller import Caller, calling_tenant, current_caller
from libs.rpc.client import details_of, metadata_for
from libs.rpc.deadline import remaining_seconds
from libs.rpc.server import MAX_MESSAGE_BYTES
from libs.runtime.errors import EtagMismatch, InvalidArgument, PortraitError, QueueFull
from libs.telemetry.traces import TRACEPARENT, traceparent_bytes
from tests.integration.rpc.conftest import PREFIX, Open, World
from tests.support.transport import WITHIN_SECONDS, eventually

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def raw_call(world: World, method: str, data: bytes) -> Any:
    connected: Any = world.channel
    return connected.unary_unary(f"{PREFIX}{method}")(data)


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __call__(self, _: Any) -> None:
        raise self.error


async def test_a_call_is_answered_counted_and_traced(world: World) -> None:
    seen: list[bytes] = []

    async def look(_: Any) -> None:
        seen.append(traceparent_bytes())

    world.probe.act = look
    metadata = (*metadata_for("demo"), (TRACEPARENT, PARENT))
    assert await world.collector.Collect(pb.CollectRequest(), metadata=metadata) == pb.CollectResponse()
    assert world.calls("Collect", "OK") == 1
    (span,) = world.spans()
    assert span.name == "portrait.profile.v1.Collector/Collect"
    assert (span.attributes or {})["rpc.response.status_code"] == "OK"
    assert seen[0][:16].hex() == PARENT[3:35]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidArgument("documents", "there are too many"), "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (EtagMismatch("a", "b"), "ABORTED", "ETAG_MISMATCH"),
        (QueueFull(10), "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
        (TimeoutError(), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    ],
)
async def test_an_error_arrives_with_its_details(world: World, error: Exception, code: str, reason: str) -> None:
    world.probe.act = Raising(error)
    details = details_of(await refused(world.collector.Collect(pb.CollectRequest())))
    assert (details.code, details.reason) == (code, reason)
    assert details.retryable == (isinstance(error, PortraitError) and error.retryable)
    if isinstance(error, InvalidArgument):
        assert details.violations == {"documents": "there are too many"}
    assert world.calls("Collect", code) == 1
    assert (world.spans()[0].attributes or {})["rpc.response.status_code"] == code


async def test_an_error_nobody_thought_of_tells_nothing_and_counts(world: World) -> None:
    world.probe.act = Raising(KeyError("+86 138 0013 8000"))
    error = await refused(world.collector.Collect(pb.CollectRequest()))
    assert (error.code(), details_of(error).reason) == (grpc.StatusCode.INTERNAL, "UNMAPPED_ERROR")
    assert "138" not in str(error)
    labels = {"method": "portrait.profile.v1.Collector/Collect"}
    assert world.metrics.registry.get_sample_value("portrait_unmapped_errors_total", labels) == 1


async def test_a_handler_may_abort_by_itself(world: World) -> None:
    async def abort(context: Any) -> None:
        await context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    world.probe.act = abort
    error = await refused(world.collector.Collect(pb.CollectRequest()))
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "gone")

    async def counted() -> bool:  # its answer is sent before it is back
        return world.calls("Collect", "DATA_LOSS") == 1

    await eventually(counted)


async def test_an_error_in_the_middle_of_a_stream_arrives_with_its_details(world: World) -> None:
    stream = world.collector.CollectStream(metadata=metadata_for("demo"))
    await stream.write(pb.CollectStreamRequest())
    assert await stream.read() == pb.CollectStreamResponse()
    world.probe.act = Raising(QueueFull(10))
    await stream.write(pb.CollectStreamRequest())
    error = await refused(stream.read())
    assert details_of(error).reason == "QUEUE_FULL"


async def test_a_broken_rule_names_its_field_and_the_handler_never_sees_it(world: World) -> None:
    details = details_of(await refused(world.collector.Retract(pb.RetractRequest(message_id="x" * 200))))
    assert (details.code, details.violations) == ("INVALID_ARGUMENT", {"message_id": "must be at most 128 bytes"})
    stream = world.collector.CollectStream()
    await stream.write(pb.CollectStreamRequest(batch=pb.CollectRequest(import_id="x" * 200)))
    assert list(details_of(await refused(stream.read())).violations) == ["batch.import_id"]
    assert world.probe.requests == []


async def test_a_method_that_checks_by_hand_is_left_alone(open_world: Open) -> None:
    async with open_world(hand_validated={f"{PREFIX}Retract"}) as world:
        assert (await world.collector.Retract(pb.RetractRequest())).retracted == 1


async def test_what_is_no_protobuf_is_called_malformed(world: World) -> None:
    error = await refused(raw_call(world, "Collect", b"\xff\xff\xff"))
    assert (error.code(), details_of(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    connected: Any = world.channel
    stream = connected.stream_stream(f"{PREFIX}CollectStream")()
    await stream.write(b"\xff\xff\xff")
    assert details_of(await refused(stream.read())).reason == "MALFORMED_REQUEST"


async def test_text_that_is_not_utf8_is_called_malformed(world: World) -> None:
    error = await refused(raw_call(world, "Collect", b"\x22\x02\xff\xfe"))
    assert details_of(error).reason == "MALFORMED_REQUEST"


async def test_a_message_that_is_too_big_is_told_the_limit(world: World) -> None:
    request = pb.CollectRequest(documents=[b"x" * (MAX_MESSAGE_BYTES + 1)])
    error = await refused(world.collector.Collect(request))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(MAX_MESSAGE_BYTES) in (error.details() or "")


async def test_a_batch_of_four_megabytes_passes(world: World) -> None:
    await world.collector.Collect(pb.CollectRequest(documents=[b"x" * 1024] * 4096))
    assert len(world.probe.requests[0].documents) == 4096


async def test_the_tenant_comes_from_metadata_and_is_demo_by_default(world: World) -> None:
    callers: list[Caller] = []

    async def look(_: Any) -> None:
        callers.append(current_caller())

    world.probe.act = look
    await world.collector.Collect(pb.CollectRequest())
    await world.collector.Collect(pb.CollectRequest(), metadata=metadata_for("grocery"))
    await world.collector.Collect(pb.CollectRequest(), metadata=metadata_for("*"))
    assert callers == [Caller("demo"), Caller("grocery"), Caller(None, platform=True)]


async def test_an_unknown_tenant_is_named(world: World) -> None:
    error = await refused(world.collector.Collect(pb.CollectRequest(), metadata=metadata_for("nobody")))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "'nobody'" in (error.details() or "")


async def test_the_platform_can_not_do_what_a_tenant_does(world: World) -> None:
    async def tenant_only(_: Any) -> None:
        calling_tenant()

    world.probe.act = tenant_only
    error = await refused(world.collector.Collect(pb.CollectRequest(), metadata=metadata_for("*")))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_call_knows_how_long_it_has(world: World) -> None:
    times: list[float | None] = []

    async def look(context: Any) -> None:
        times.append(remaining_seconds(context))

    world.probe.act = look
    stream = world.collector.CollectStream()
    await stream.write(pb.CollectStreamRequest())
    await stream.read()
    stream.cancel()
    assert times == [None]
    await world.collector.Collect(pb.CollectRequest(), timeout=600)
    assert abs((times[1] or 0) - 600) < 100


async def test_a_deadline_of_a_millisecond_is_exceeded_not_internal(world: World) -> None:
    async def slow(context: Any) -> None:
        await asyncio.sleep(5)

    world.probe.act = slow
    for _ in range(20):
        error = await refused(world.collector.Collect(pb.CollectRequest(), timeout=0.001))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(0.2)
    assert world.calls("Collect", "INTERNAL") == 0


async def test_a_handler_ends_at_once_when_the_caller_is_gone(world: World) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    world.probe.act = slow

    async def counted() -> bool:
        return world.calls("Collect", "CANCELLED") == 1

    call = world.collector.Collect(pb.CollectRequest())
    await began.wait()
    call.cancel()
    await asyncio.wait_for(ended.wait(), 30)
    await eventually(counted)


async def test_a_stream_is_closed_at_once_when_the_caller_is_gone(world: World) -> None:
    stream = world.collector.CollectStream()
    await stream.write(pb.CollectStreamRequest())
    await stream.read()
    stream.cancel()
    await asyncio.wait_for(world.probe.closed.wait(), WITHIN_SECONDS)


async def test_a_method_that_does_not_exist_is_unimplemented(world: World) -> None:
    error = await refused(raw_call(world, "Forget", b""))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
