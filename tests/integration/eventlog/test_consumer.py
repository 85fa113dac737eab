import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.devstack.nats import NatsServer
from libs.eventlog.checkpoint import MemoryCheckpoints
from libs.eventlog.event import Batch, Envelope
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from libs.eventlog.stream import stream_name
from libs.eventlog.subscription import locate
from libs.eventlog.verdict import DONE, Retry, Verdict
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces, span_context_from
from tests.support.logs import running
from tests.support.transport import (
    EAGER,
    PARTITIONS,
    DirectSource,
    Memory,
    Stream,
    append,
    consumer_of,
    eventually,
    relay_of,
)

TRUSTING = replace(EAGER, check_seconds=3_600)  # reads nothing because the broker takes long


@pytest.fixture
def memory() -> Memory:
    return Memory()


async def test_every_event_is_folded_once_and_in_order(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    source = DirectSource(log)
    async with running(relay_of(log, broker), consumer_of(log, broker, memory, source=source)):
        for start in range(0, 5_000, 500):
            await append(log, 500, start=start)
        await eventually(lambda: memory.holds_all_of(log))


async def test_what_the_stream_carries_is_not_read_from_the_owner(
    broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    await append(log, 3_000)
    source = DirectSource(log)
    async with running(relay_of(log, broker)):
        await eventually(Stream(broker, log).reaches_the_heads)
        async with running(consumer_of(log, broker, memory, source=source, settings=TRUSTING)):
            await eventually(lambda: memory.holds_all_of(log))
    assert source.reads == 0


async def test_a_restarted_consumer_goes_on_where_it_stopped(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    checkpoints, source = MemoryCheckpoints(), DirectSource(log)
    async with running(relay_of(log, broker)):
        for start in range(0, 2_000, 500):
            async with running(consumer_of(log, broker, memory, checkpoints, source, settings=TRUSTING)):
                await append(log, 500, start=start)
                await eventually(lambda: memory.holds_all_of(log))
    assert source.reads == 0


async def test_a_place_in_the_stream_is_found_by_position(broker: Broker, log: MemoryLog) -> None:
    relay = relay_of(log, broker)
    for start in range(0, 3_000, 100):
        await append(log, 100, start=start)
        await relay.turn()
    jetstream = await broker.jetstream()
    messages = await Stream(broker, log).messages()
    for reached in range(0, len(messages) + 1, 7):
        positions = dict.fromkeys(range(PARTITIONS), 0)
        for message in messages[:reached]:
            batch = Batch.from_wire(message.data or b"")
            positions[batch.partition] = batch.last_position
        assert await locate(jetstream, log.name, positions) == reached + 1


async def test_a_consumer_goes_on_when_its_pull_consumer_is_deleted(
    broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    # pitfall 10: a fetch in flight hears nothing of it
    async with running(relay_of(log, broker), consumer_of(log, broker, memory)):
        await append(log, 500)
        await eventually(lambda: memory.holds_all_of(log))
        jetstream = await broker.jetstream()
        for consumer in await jetstream.consumers_info(stream_name(log.name)):
            await jetstream.delete_consumer(stream_name(log.name), consumer.name)
        await append(log, 500, start=500)
        await eventually(lambda: memory.holds_all_of(log))


async def test_a_consumer_goes_on_when_the_server_restarts(
    own_nats: NatsServer, broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    # pitfall 10
    async with running(relay_of(log, broker), consumer_of(log, broker, memory)):
        for start in range(0, 2_000, 1_000):
            await append(log, 500, start=start)
            await eventually(lambda: memory.holds_all_of(log))
            await own_nats.kill()
            await append(log, 500, start=start + 500)
            await own_nats.start()
            await eventually(lambda: memory.holds_all_of(log))


async def test_a_store_wiped_in_mid_run_costs_nothing_but_time(
    own_nats: NatsServer, broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    # pitfall 6: a broker's store is no place to keep anything
    async with running(relay_of(log, broker), consumer_of(log, broker, memory)):
        await append(log, 2_000)
        await eventually(lambda: memory.has_more_than(500))
        await own_nats.kill()
        await own_nats.wipe_store()
        await append(log, 1_000, start=2_000)
        await own_nats.start()
        await append(log, 1_000, start=3_000)
        await eventually(lambda: memory.holds_all_of(log))


async def test_a_stream_deleted_and_made_again_costs_nothing_but_time(
    broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    # pitfall 7: sequences that were noted mean nothing in the new stream
    async with running(relay_of(log, broker), consumer_of(log, broker, memory)):
        for start in range(0, 3_000, 1_000):
            await append(log, 1_000, start=start)
            await eventually(lambda: memory.has_more_than(start))  # noqa: B023 - awaited in this turn
            await (await broker.jetstream()).delete_stream(stream_name(log.name))
        await eventually(lambda: memory.holds_all_of(log))


async def test_what_the_stream_forgot_is_read_from_the_owner(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    source = DirectSource(log)
    async with running(relay_of(log, broker)):
        await append(log, 2_000)
        await eventually(Stream(broker, log).reaches_the_heads)
        await (await broker.jetstream()).purge_stream(stream_name(log.name))
        async with running(consumer_of(log, broker, memory, source=source)):
            await append(log, 400, start=2_000)
            await eventually(lambda: memory.holds_all_of(log))
    assert source.reads >= 1


async def test_without_a_relay_the_owner_is_read(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    async with running(consumer_of(log, broker, memory)):
        for start in range(0, 1_500, 500):
            await append(log, 500, start=start)
            await eventually(lambda: memory.holds_all_of(log))


async def test_without_a_broker_the_owner_is_read(log: MemoryLog, memory: Memory) -> None:
    async with Broker("nats://127.0.0.1:9", name="test") as broker, running(consumer_of(log, broker, memory)):
        await append(log, 500)
        await eventually(lambda: memory.holds_all_of(log))


async def test_what_no_message_brought_goes_on_with_the_trace_of_its_call(log: MemoryLog, memory: Memory) -> None:
    exporter, called = InMemorySpanExporter(), os.urandom(24) + b"\1"
    await log.append(
        [Envelope("demo", "interaction_recorded", traceparent=called).seal().event(b"i" * 16, b"k" * 16, 1, b"")]
    )
    with Traces.recording("test", exporter).closing() as traces:
        async with (
            Broker("nats://127.0.0.1:9", name="test") as broker,
            running(consumer_of(log, broker, memory, traces=traces)),
        ):
            await eventually(lambda: memory.holds_all_of(log))
    (span,) = exporter.get_finished_spans()
    assert [span_context_from(called)] == [link.context for link in span.links] == [span.parent]


async def test_of_two_replicas_with_the_same_partitions_one_is_undone(
    own_nats: NatsServer, broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    checkpoints = MemoryCheckpoints()
    async with (
        Broker(own_nats.url, name="second") as second,
        running(
            relay_of(log, broker),
            consumer_of(log, broker, memory, checkpoints),
            consumer_of(log, second, memory, checkpoints),
        ),
    ):
        for start in range(0, 5_000, 100):
            await append(log, 100, start=start)
        await eventually(lambda: memory.holds_all_of(log))


async def test_events_whose_time_has_not_come_stay_at_the_front(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    tries = count()

    def moody(batches: Sequence[Batch]) -> Verdict:
        match next(tries) % 3:
            case 0:
                return Retry("not now")
            case 1:
                raise ConnectionResetError
            case _:
                return DONE

    memory.judge = moody
    async with running(relay_of(log, broker), consumer_of(log, broker, memory)):
        await append(log, 1_000)
        await eventually(lambda: memory.holds_all_of(log))


async def test_a_consumer_says_how_far_behind_it_is(broker: Broker, log: MemoryLog, memory: Memory) -> None:
    metrics = Metrics()
    memory.judge = lambda _: Retry("not now")
    value = metrics.registry.get_sample_value
    labels = {"projection": "counts"}
    async with running(relay_of(log, broker), consumer_of(log, broker, memory, metrics=metrics)):
        await append(log, 700)
        await eventually(Stream(broker, log).reaches_the_heads)
        memory.judge = lambda _: DONE
        await eventually(lambda: memory.holds_all_of(log))
        await eventually(lambda: _holds(value("portrait_projection_lag_events", labels) == 0))
        assert value("portrait_projection_lag_seconds", labels) == 0
        assert value("portrait_loop_heartbeat_seconds", {"loop": "consumer:counts"})


async def test_a_consumer_that_leaves_leaves_nothing_at_the_server(
    broker: Broker, log: MemoryLog, memory: Memory
) -> None:
    async with running(relay_of(log, broker)):
        await append(log, 100)
        async with running(consumer_of(log, broker, memory)):
            await eventually(lambda: memory.holds_all_of(log))
        assert await (await broker.jetstream()).consumers_info(stream_name(log.name)) == []


async def _holds(condition: object) -> bool:
    return bool(condition)
