"""Consumers and relays that divide the partitions of a log by leases, on a real broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest

from libs.devstack.nats import NatsServer
from libs.eventlog.checkpoint import MemoryCheckpoints
from libs.eventlog.jetstream import Broker
from libs.eventlog.lease_store import MemoryLeases
from libs.eventlog.leases import Leases
from libs.eventlog.memory import MemoryLog
from libs.runtime.clock import ManualClock, SystemClock
from libs.telemetry.metrics import Metrics
from tests.support.logs import NOON, Loop, running
from tests.support.transport import (
    BRISK,
    PARTITIONS,
    WITHIN_SECONDS,
    Memory,
    Stream,
    append,
    consumer_of,
    eventually,
    relay_of,
)

SECONDS = 0.4


@pytest.fixture
def store() -> MemoryLeases:
    return MemoryLeases(SystemClock())


def leases_in(store: MemoryLeases, metrics: Metrics | None = None) -> Leases:
    return Leases(store, "counts:interactions", PARTITIONS, metrics or Metrics(), seconds=SECONDS)


@asynccontextmanager
async def at_work(loop: Loop, leases: Leases) -> AsyncIterator[None]:
    """As a service runs them: the leases begin before the work, and are given back after it has ended."""
    async with running(leases), running(loop):
        yield


async def shared(*holders: Leases) -> bool:
    """Whether each holds its share."""
    return sorted(partition for leases in holders for partition in leases) == list(range(PARTITIONS)) and {
        len(leases) for leases in holders
    } == {PARTITIONS // len(holders)}


async def test_consumers_come_and_go_and_every_event_is_folded_once_and_in_order(
    own_nats: NatsServer, broker: Broker, log: MemoryLog, store: MemoryLeases
) -> None:
    memory, checkpoints = Memory(), MemoryCheckpoints()
    first, second = leases_in(store), leases_in(store)
    async with (
        Broker(own_nats.url, name="second") as second_broker,
        running(relay_of(log, broker)),
        at_work(consumer_of(log, broker, memory, checkpoints, partitions=first), first),
    ):
        await append(log, 400)
        await eventually(lambda: memory.holds_all_of(log))
        async with at_work(consumer_of(log, second_broker, memory, checkpoints, partitions=second), second):
            await append(log, 400, start=400)
            await eventually(lambda: shared(first, second))
            await append(log, 400, start=800)
            await eventually(lambda: memory.holds_all_of(log))
        await append(log, 400, start=1_200)
        await eventually(lambda: shared(first))
        await eventually(lambda: memory.holds_all_of(log))


async def test_a_consumer_without_partitions_takes_nothing_and_lags_nothing(
    broker: Broker, log: MemoryLog, store: MemoryLeases
) -> None:
    memory, metrics, idle = Memory(), Metrics(), leases_in(store)
    async with running(relay_of(log, broker), consumer_of(log, broker, memory, metrics=metrics, partitions=idle)):
        await append(log, 400)
        await eventually(Stream(broker, log).reaches_the_heads)

        async def has_turned() -> bool:
            return (
                metrics.registry.get_sample_value("portrait_loop_heartbeat_seconds", {"loop": "consumer:counts"})
                is not None
            )

        await eventually(has_turned)
    assert memory.positions == {}
    assert metrics.registry.get_sample_value("portrait_projection_lag_events", {"projection": "counts"}) == 0


async def test_relays_divide_the_partitions_and_publish_each_event_once(
    own_nats: NatsServer, broker: Broker, log: MemoryLog, store: MemoryLeases
) -> None:
    metrics = Metrics(), Metrics()
    first, second = leases_in(store), leases_in(store)
    stream, starts = Stream(broker, log), count(step=400)
    sure = replace(BRISK, publish_seconds=WITHIN_SECONDS)  # what is given up may be published, and is not counted

    def published() -> list[float]:
        return [each.registry.get_sample_value("portrait_relay_published_total") or 0 for each in metrics]

    async def both_have_work() -> bool:
        await append(log, 400, start=next(starts))
        await eventually(stream.reaches_the_heads)
        return min(published()) > 1_000

    async with (
        Broker(own_nats.url, name="second") as second_broker,
        at_work(relay_of(log, broker, metrics=metrics[0], settings=sure, partitions=first), first),
    ):
        await append(log, 400, start=next(starts))
        await eventually(stream.reaches_the_heads)
        async with at_work(relay_of(log, second_broker, metrics=metrics[1], settings=sure, partitions=second), second):
            await eventually(lambda: shared(first, second))
            await eventually(both_have_work)
        await append(log, 400, start=next(starts))
        await eventually(stream.reaches_the_heads)
    assert await stream.is_whole()
    assert sum(published()) == next(starts)


async def test_leases_are_measured() -> None:
    store, metrics = MemoryLeases(ManualClock(NOON)), (Metrics(), Metrics())
    first, second = leases_in(store, metrics[0]), leases_in(store, metrics[1])
    for _ in range(2):
        await first.beat()
        await second.beat()
    labels = {"role": "counts:interactions"}
    values = [each.registry.get_sample_value for each in metrics]
    assert [value("portrait_leases_held", labels) for value in values] == [PARTITIONS / 2] * 2
    assert [value("portrait_lease_epochs_total", labels) for value in values] == [PARTITIONS, PARTITIONS / 2]
