import asyncio
from contextlib import suppress
from dataclasses import replace

from libs.devstack.nats import NatsServer
from libs.eventlog.checkpoint import MemorySavedPositions
from libs.eventlog.event import Envelope
from libs.eventlog.feed import StreamSettings
from libs.eventlog.jetstream import Broker
from libs.eventlog.relay import Relay
from libs.eventlog.stream import stream_name, subject_of
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import extract
from tests.support.full_disk import full_disk
from tests.support.logs import running
from tests.support.transport import (
    BRISK,
    PARTITIONS,
    WITHIN_SECONDS,
    Stream,
    append,
    events,
    eventually,
    memory_log,
    relay_of,
)


async def publish_all(relay: Relay) -> None:
    """Until nothing is left; as a relay that runs, it tries again what the broker has no time for."""

    async def nothing_is_left() -> bool:
        with suppress(Unavailable):
            return not await relay.turn()
        return False

    await eventually(nothing_is_left)


async def test_every_event_is_published_once_and_in_order(broker: Broker) -> None:
    log = memory_log()
    await append(log, 3_000)
    await publish_all(relay_of(log, broker))
    assert await Stream(broker, log).is_whole()


async def test_many_customers_make_no_more_subjects_than_partitions_and_no_message_ids(broker: Broker) -> None:
    # pitfall 13: each subject and each message id costs the broker memory
    log = memory_log()
    await append(log, 100_000)
    await publish_all(relay_of(log, broker))
    jetstream = await broker.jetstream()
    state = (await jetstream.stream_info(stream_name(log.name), subjects_filter=">")).state
    assert set(state.subjects or {}) == {subject_of(log.name, partition) for partition in range(PARTITIONS)}
    messages = await Stream(broker, log).messages()
    assert len(messages) <= 100_000 / 500 + PARTITIONS
    assert not any("Nats-Msg-Id" in (message.headers or {}) for message in messages)


async def test_a_relay_resumes_where_the_last_one_stopped(broker: Broker) -> None:
    log = memory_log()
    await append(log, 800)
    await publish_all(relay_of(log, broker))
    await append(log, 800, start=800)
    await publish_all(relay_of(log, broker))
    assert await Stream(broker, log).is_whole()


async def test_racing_relays_publish_nothing_twice(own_nats: NatsServer, broker: Broker) -> None:
    log = memory_log()
    async with Broker(own_nats.url, name="rival") as rival, running(relay_of(log, broker), relay_of(log, rival)):
        for start in range(0, 4_000, 100):
            await append(log, 100, start=start)
        await eventually(Stream(broker, log).reaches_the_heads)
    assert await Stream(broker, log).is_whole()


async def test_an_appender_wakes_the_relay(broker: Broker) -> None:
    log = memory_log()
    relay = relay_of(log, broker, settings=replace(BRISK, poll_seconds=3_600))
    async with running(relay):
        await eventually(Stream(broker, log).reaches_the_heads)
        await append(log, 100)
        relay.wake.set()
        await eventually(Stream(broker, log).reaches_the_heads)


async def test_a_publisher_outlives_a_server_that_is_killed_in_mid_flight(own_nats: NatsServer, broker: Broker) -> None:
    # pitfall 9: futures of publishing have no end of their own
    log = memory_log()
    stream = Stream(broker, log)
    client = await broker.client()
    async with running(relay_of(log, broker)):
        for start in range(0, 6_000, 2_000):
            await append(log, 1_000, start=start)
            await own_nats.kill()
            await append(log, 1_000, start=start + 1_000)
            await eventually(lambda: _holds(not client.is_connected))
            assert client.pending_data_size == 0
            await own_nats.start()
            await eventually(stream.reaches_the_heads)
    assert await stream.is_whole()


async def test_a_deleted_stream_is_made_again(broker: Broker) -> None:
    log = memory_log()
    stream = Stream(broker, log)
    async with running(relay_of(log, broker)):
        await append(log, 500)
        await eventually(stream.reaches_the_heads)
        await (await broker.jetstream()).delete_stream(stream_name(log.name))
        await append(log, 500, start=500)
        await eventually(stream.reaches_the_heads)


async def test_a_stream_that_takes_nothing_since_the_disk_was_full_is_made_anew(
    own_nats: NatsServer, broker: Broker
) -> None:
    log = memory_log()
    stream = Stream(broker, log)
    async with running(relay_of(log, broker)):
        await append(log, 500)
        await eventually(stream.reaches_the_heads)
        with full_disk(own_nats):
            await append(log, 500, start=500)
            await asyncio.sleep(0.5)
        await eventually(stream.reaches_the_heads)


async def test_a_stream_survives_that_its_broker_was_away(own_nats: NatsServer, broker: Broker) -> None:
    log = memory_log()
    stream = Stream(broker, log)
    async with running(relay_of(log, broker)):
        await append(log, 500)
        await eventually(stream.reaches_the_heads)
        await own_nats.kill()
        await append(log, 500, start=500)
        await asyncio.sleep(2)
        await own_nats.start()
        await eventually(stream.reaches_the_heads)
    assert await stream.is_whole()


async def test_a_wiped_store_is_filled_from_what_was_certainly_published(own_nats: NatsServer, broker: Broker) -> None:
    log, saved = memory_log(), MemorySavedPositions()
    stream = Stream(broker, log)
    await append(log, 1_000)
    heads = await log.heads()
    async with running(relay_of(log, broker, saved)):
        await eventually(lambda: _holds(saved.positions == heads))
        await own_nats.stop()
        await own_nats.wipe_store()
        await append(log, 200, start=1_000)
        await own_nats.start()
        await eventually(stream.reaches_the_heads)
        runs = await stream.runs()
    assert min(run[0][0] for run in runs.values()) > 1


async def test_a_relay_without_memory_republishes_no_more_than_its_bound(broker: Broker) -> None:
    log = memory_log()
    await append(log, 2_000)
    await publish_all(relay_of(log, broker, settings=replace(BRISK, longest_republication=100)))
    heads = await log.heads()
    assert await Stream(broker, log).runs() == {partition: [(head - 99, head)] for partition, head in heads.items()}


async def test_a_subject_that_is_ahead_of_its_log_is_purged(broker: Broker) -> None:
    forgotten = memory_log()
    await append(forgotten, 4_000)
    await publish_all(relay_of(forgotten, broker))
    log = memory_log()
    await append(log, 400)
    await publish_all(relay_of(log, broker))
    assert await Stream(broker, log).is_whole()


async def test_a_message_that_no_relay_wrote_is_purged(broker: Broker) -> None:
    log = memory_log()
    await append(log, 400)
    await publish_all(relay_of(log, broker))
    await (await broker.jetstream()).publish(subject_of(log.name, 0), b"who is this?")
    await publish_all(relay_of(log, broker))
    await append(log, 400, start=400)
    await publish_all(relay_of(log, broker))
    assert await Stream(broker, log).reaches_the_heads()


async def test_a_batch_that_the_broker_cannot_carry_is_left_to_the_log(broker: Broker) -> None:
    log = memory_log(partitions=1)
    await log.append(events(1, size=2 << 20))
    await append(log, 10, start=1)
    await publish_all(relay_of(log, broker))
    relay = relay_of(log, broker)
    await publish_all(relay)
    await publish_all(relay)
    assert await Stream(broker, log).runs() == {0: [(2, 11)]}


async def test_a_relay_says_how_far_it_has_come(broker: Broker) -> None:
    log, metrics = memory_log(), Metrics()
    await append(log, 600)
    sure = replace(BRISK, publish_seconds=WITHIN_SECONDS)  # what is given up may be published, and is not counted
    async with running(relay_of(log, broker, metrics=metrics, settings=sure)):
        await eventually(Stream(broker, log).reaches_the_heads)
        value = metrics.registry.get_sample_value
        heartbeat = {"loop": "relay:interactions"}
        await eventually(lambda: _holds(value("portrait_loop_heartbeat_seconds", heartbeat)))
    assert value("portrait_relay_published_total") == 600
    assert value("portrait_relay_lag_events", {"log": "interactions"}) == 0


async def test_a_relay_says_how_far_it_falls_behind_while_the_broker_is_away(
    own_nats: NatsServer, broker: Broker
) -> None:
    log, metrics = memory_log(), Metrics()
    await append(log, 3)  # some partitions are empty

    def lag() -> float | None:
        return metrics.registry.get_sample_value("portrait_relay_lag_events", {"log": "interactions"})

    await publish_all(relay_of(log, broker))
    async with running(relay_of(log, broker, metrics=metrics)):  # which published none of it itself
        await eventually(lambda: _holds(lag() == 0))
        await own_nats.stop()
        await append(log, 400, start=3)
        await eventually(lambda: _holds(lag() == 400))
        await own_nats.start()
        await eventually(lambda: _holds(lag() == 0))


async def test_an_event_brings_its_trace_along(broker: Broker) -> None:
    log = memory_log(partitions=1)
    seal = Envelope("demo", "interaction_recorded", traceparent=bytes(range(1, 26))).seal()
    await log.append([seal.event(b"i" * 16, b"k" * 16, 0, b"")])
    await publish_all(relay_of(log, broker))
    (message,) = await Stream(broker, log).messages()
    assert extract(message.headers) == bytes(range(1, 26))


async def test_a_stream_takes_on_the_settings_of_a_new_release(broker: Broker) -> None:
    log = memory_log()
    await publish_all(relay_of(log, broker))
    await publish_all(relay_of(log, broker, stream=StreamSettings(max_age_seconds=60, max_bytes=1 << 20)))
    config = (await (await broker.jetstream()).stream_info(stream_name(log.name))).config
    assert (config.max_age, config.max_bytes, config.allow_direct) == (60, 1 << 20, True)


async def _holds(condition: object) -> bool:
    return bool(condition)
