"""What operators see: one trace from the call to whoever consumes the event, and every metric under its name."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import collector_service_pb2_grpc as collector_rpc

from libs.devstack.stack import Stack
from libs.eventlog.jetstream import Broker
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.stream import position_of, stream_name, subject_of
from libs.rpc.client import metadata_for
from libs.telemetry.metrics import METRIC_NAMES
from libs.telemetry.traces import extract
from tests.support.profile import (
    PARTITIONS,
    QUARANTINED,
    Client,
    document,
    fresh,
    measured,
    metrics_of,
    refused,
    tracked,
)
from tests.support.reference_consumer.tables import prepare
from tests.support.spans import SpanReceiver, linked
from tests.support.transport import eventually

COLLECT = "portrait.profile.v1.Collector/Collect"


async def consumed(database: str) -> dict[int, int]:
    """How far the reference consumer came."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT partition, position FROM checkpoints WHERE position > 0")
    finally:
        await connection.close()
    return {row["partition"]: row["position"] for row in rows}


@asynccontextmanager
async def reference_consumer(demo: Client, stack: Stack, endpoint: str) -> AsyncIterator[None]:
    """Another service, which has consumed all that profile recorded before and follows the stream from there."""
    await stack.postgres.create_database("reference", role="reference")
    database = stack.postgres.dsn("reference", role="reference")
    await prepare(database, PARTITIONS)
    settings = {
        "DATABASE_URL": database,
        "NATS_URL": stack.nats.url,
        "SOURCE": stack.services["profile"].target,
        "PARTITIONS": str(PARTITIONS),
        "OTLP_ENDPOINT": endpoint,
        "TRACE_RATIO": "0",
        "LOG_LEVEL": "warning",
    }
    environment = {f"PORTRAIT_REFERENCE_{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.reference_consumer"),
        env={**os.environ, **environment, "OTEL_BSP_SCHEDULE_DELAY": "200"},
    )

    owner = GrpcLogSource(demo.channel, "interactions")

    async def follows() -> bool:
        heads = await owner.heads()
        return await consumed(database) == {partition: head for partition, head in heads.items() if head}

    try:
        await eventually(follows)
        yield
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_one_trace_leads_from_the_call_through_log_and_broker_to_the_consumer(
    demo: Client, stack: Stack, spans: SpanReceiver
) -> None:
    async with reference_consumer(demo, stack, spans.endpoint), Broker(stack.nats.url, name="test") as broker:

        async def leads_through() -> bool:
            """Of one more call; a consumer whom the broker keeps waiting reads the log, where only the call stands."""
            trace_id, caller = os.urandom(16), os.urandom(8)
            traceparent = ("traceparent", f"00-{trace_id.hex()}-{caller.hex()}-01")
            collect: Any = collector_rpc.CollectorStub(demo.channel).Collect
            user = fresh()
            request = collector_pb.CollectRequest(documents=[document(tracked(user))])
            answer = await collect(request, metadata=(*metadata_for("demo"), traceparent))
            position = answer.results[0].position

            # In the log: the span of the call.
            key = bytes.fromhex((await demo.portrait(user)).person_id)
            (run,) = [one.batch async for one in demo.log.ReadKey(log_pb.ReadKeyRequest(key=key))]
            (event,) = run.events
            seen = await spans.trace(trace_id, (COLLECT, "relay", "consume"))
            (called,), relayed, consumed = (seen[name] for name in (COLLECT, "relay", "consume"))
            assert called.parent_span_id == caller
            assert event.traceparent == trace_id + called.span_id + b"\1"

            # At the broker: the relay's, which is linked to it; a busy broker may have been asked more than once.
            assert all(called.span_id in linked(attempt) for attempt in relayed)
            jetstream = await broker.jetstream()
            message = await jetstream.get_last_msg(
                stream_name("interactions"), subject_of("interactions", position.partition)
            )
            assert position_of(message.headers) == position.position
            published = [
                attempt.span_id for attempt in relayed if extract(message.headers) == trace_id + attempt.span_id + b"\1"
            ]

            # At the consumer: its own, which is linked to the relay's.
            return any(span_id in linked(attempt) for span_id in published for attempt in consumed)

        await eventually(leads_through)


async def test_a_call_without_a_trace_leaves_none_in_the_log(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    key = bytes.fromhex((await demo.portrait(user)).person_id)
    (run,) = [one.batch async for one in demo.log.ReadKey(log_pb.ReadKeyRequest(key=key))]
    assert run.events[0].traceparent == b""


async def test_every_metric_has_its_documented_name(demo: Client, stack: Stack) -> None:
    await demo.collect(tracked(fresh()), tracked("null"))
    samples = {sample.name for family in await metrics_of(stack) for sample in family.samples}
    named = {re.sub("_(bucket|count|sum)$", "", name) for name in samples if not name.endswith("_created")}
    assert named <= set(METRIC_NAMES)


async def test_traffic_is_counted(demo: Client, stack: Stack) -> None:
    async def now() -> dict[str, float]:
        return {
            "recorded": await measured(stack, "portrait_append_events_total"),
            "appends": await measured(stack, "portrait_append_seconds_count"),
            "duplicates": await measured(stack, "portrait_duplicates_total", differs="false"),
            "differing": await measured(stack, "portrait_duplicates_total", differs="true"),
            "nobody": await measured(stack, "portrait_quarantined_total", reason="NO_USABLE_IDENTIFIER"),
            "calls": await measured(stack, "portrait_rpc_seconds_count", method=COLLECT, code="OK"),
            "refused": await measured(stack, "portrait_rpc_seconds_count", method=COLLECT, code="INVALID_ARGUMENT"),
        }

    before = await now()
    said = [tracked(fresh()) for _ in range(10)]
    await demo.recorded(*said)
    results = await demo.collect(*said, {**said[0], "source": "elsewhere"}, tracked("null"))
    assert results[-1].outcome == QUARANTINED
    await refused(demo.collect(mode=9))
    after = await now()
    grown = {name: after[name] - before[name] for name in before}
    assert grown.pop("appends") >= 2
    assert grown.pop("recorded") >= 10
    assert grown == {"duplicates": 10, "differing": 1, "nobody": 1, "calls": 2, "refused": 1}


async def test_every_loop_shows_that_it_turns(demo: Client, stack: Stack) -> None:
    await demo.recorded(tracked(fresh()))
    families = {family.name: family for family in await metrics_of(stack)}
    loops = {sample.labels["loop"]: sample.value for sample in families["portrait_loop_heartbeat_seconds"].samples}
    assert {"schemas", "relay:interactions", "upkeep"} <= loops.keys()
    assert all(abs(time.time() - turned) < 120 for turned in loops.values())


async def test_the_relay_catches_up_and_says_so(demo: Client, stack: Stack) -> None:
    published = await measured(stack, "portrait_relay_published_total")
    await demo.recorded(*(tracked(fresh()) for _ in range(100)))

    async def caught_up() -> bool:
        now = await measured(stack, "portrait_relay_published_total")
        lag = await measured(stack, "portrait_relay_lag_events", log="interactions")
        return now >= published + 100 and lag == 0

    await eventually(caught_up)


async def test_however_many_people_there_are_subjects_are_as_many_as_partitions(demo: Client, stack: Stack) -> None:
    await demo.recorded(*(tracked(fresh()) for _ in range(2_000)))
    async with Broker(stack.nats.url, name="test") as broker:
        jetstream = await broker.jetstream()

        async def spread() -> bool:
            info = await jetstream.stream_info(stream_name("interactions"), subjects_filter=">")
            subjects = info.state.subjects or {}
            assert len(subjects) <= PARTITIONS
            return len(subjects) == PARTITIONS

        await eventually(spread)
