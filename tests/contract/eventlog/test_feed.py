from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from libs.devstack.nats import NatsServer
from libs.eventlog.event import Batch
from libs.eventlog.feed import Broker, Feed, Lost, NoStream, Oversized, Overtaken, Parcel, StreamSettings, Subscription
from libs.eventlog.jetstream import Broker as JetStreamBroker
from libs.eventlog.memory_feed import MemoryBroker, MemoryStream
from libs.eventlog.stream import stream_name, subject_of
from libs.runtime.errors import Unavailable

LOG = "interactions"
PARTITIONS = 3
ORIGIN = bytes(range(1, 26))
ROOMY = StreamSettings(max_bytes=1 << 28)


class Trouble(Protocol):
    """A broker, and what can befall it."""

    @property
    def broker(self) -> Broker: ...

    async def delete_stream(self) -> None: ...
    async def forget_subscriptions(self) -> None: ...
    async def put(self, partition: int, data: bytes) -> None: ...
    async def stop(self) -> None: ...
    async def start(self) -> None: ...


class MemoryTrouble:
    def __init__(self) -> None:
        self.broker = MemoryBroker()

    async def delete_stream(self) -> None:
        self.broker.delete(LOG)

    async def forget_subscriptions(self) -> None:
        self.broker.forget_subscriptions(LOG)

    async def put(self, partition: int, data: bytes) -> None:
        stream: MemoryStream = self.broker.stream(LOG)
        stream.add(Parcel(partition, 0, data))

    async def stop(self) -> None:
        self.broker.down = True

    async def start(self) -> None:
        self.broker.down = False


class JetStreamTrouble:
    def __init__(self, broker: JetStreamBroker, server: NatsServer) -> None:
        self.broker = broker
        self._server = server

    async def delete_stream(self) -> None:
        await (await self.broker.jetstream()).delete_stream(stream_name(LOG))

    async def forget_subscriptions(self) -> None:
        jetstream = await self.broker.jetstream()
        for consumer in await jetstream.consumers_info(stream_name(LOG)):
            await jetstream.delete_consumer(stream_name(LOG), consumer.name)

    async def put(self, partition: int, data: bytes) -> None:
        await (await self.broker.jetstream()).publish(subject_of(LOG, partition), data)

    async def stop(self) -> None:
        await self._server.kill()

    async def start(self) -> None:
        await self._server.start()


@pytest.fixture(params=["memory", "jetstream"])
async def trouble(request: pytest.FixtureRequest, own_folder: Path) -> AsyncIterator[Trouble]:
    if request.param == "memory":
        yield MemoryTrouble()
        return
    async with NatsServer(own_folder / "nats") as server, JetStreamBroker(server.url, name="test") as broker:
        yield JetStreamTrouble(broker, server)


@pytest.fixture
async def feed(trouble: Trouble) -> Feed:
    made = trouble.broker.feed(LOG)
    await made.ensure(PARTITIONS, ROOMY)
    return made


def batch(partition: int, first: int, last: int, size: int = 10) -> Batch:
    count = last - first + 1
    return Batch(partition, first, [5] * count, [b"x" * size] * count)


async def publish(feed: Feed, one: Batch, follows: int) -> int:
    return await feed.publish(one, follows=follows, origin=ORIGIN, seconds=60.0)


@asynccontextmanager
async def subscribed(feed: Feed, positions: dict[int, int]) -> AsyncIterator[Subscription]:
    subscription = await feed.subscribe(positions)
    try:
        yield subscription
    finally:
        await subscription.close()


async def taken(subscription: Subscription, count: int) -> list[tuple[int, int, int]]:
    """Partition, first and last position of so many batches."""
    runs: list[tuple[int, int, int]] = []
    for _ in range(20):
        for parcel in await subscription.take(0.5, 0.01):
            one = Batch.from_wire(parcel.data)
            assert (one.partition, one.last_position) == (parcel.partition, parcel.last_position)
            runs.append((one.partition, one.first_position, one.last_position))
        if len(runs) >= count:
            break
    return runs


async def taken_until_lost(subscription: Subscription) -> None:
    for _ in range(20):
        assert await subscription.take(0.5, 0.01) == []


async def test_what_is_published_is_taken_whole_and_in_order(feed: Feed) -> None:
    async with subscribed(feed, dict.fromkeys(range(PARTITIONS), 0)) as subscription:
        first = await publish(feed, batch(0, 1, 3), 0)
        await publish(feed, batch(2, 1, 5), 0)
        await publish(feed, batch(0, 4, 4), first)
        assert await taken(subscription, 3) == [(0, 1, 3), (2, 1, 5), (0, 4, 4)]


async def test_a_parcel_brings_its_origin_along(feed: Feed) -> None:
    await publish(feed, batch(0, 1, 1), 0)
    async with subscribed(feed, {0: 0}) as subscription:
        while not (parcels := await subscription.take(0.5, 0.01)):
            pass
        assert [parcel.origin for parcel in parcels] == [ORIGIN]


async def test_of_two_that_follow_the_same_end_one_is_overtaken(feed: Feed) -> None:
    await publish(feed, batch(0, 1, 3), 0)
    with pytest.raises(Overtaken):
        await publish(feed, batch(0, 1, 2), 0)
    await publish(feed, batch(1, 1, 2), 0)  # other partitions do not overtake


async def test_the_end_of_a_partition_is_its_newest_message(feed: Feed) -> None:
    assert await feed.end(0) is None
    first = await publish(feed, batch(0, 1, 3), 0)
    assert await sure_end(feed, 0) == (3, first)
    second = await publish(feed, batch(0, 4, 7), first)
    await publish(feed, batch(2, 1, 1), 0)
    assert await sure_end(feed, 0) == (7, second)


async def sure_end(feed: Feed, partition: int) -> tuple[int, int]:
    tail = await feed.end(partition)
    assert tail is not None
    return tail.position, tail.sequence


async def test_without_a_stream_there_is_no_end_and_nothing_to_subscribe_to(trouble: Trouble) -> None:
    feed = trouble.broker.feed("counts")
    with pytest.raises(NoStream):
        await feed.end(0)
    with pytest.raises(Unavailable):
        await feed.subscribe({0: 0})
    with pytest.raises(Unavailable):
        await publish(feed, batch(0, 1, 1), 0)


async def test_a_purged_partition_begins_anew_and_the_others_stay(feed: Feed) -> None:
    await publish(feed, batch(0, 1, 3), 0)
    kept = await publish(feed, batch(1, 1, 3), 0)
    await feed.purge(0)
    assert await feed.end(0) is None
    assert await sure_end(feed, 1) == (3, kept)
    await publish(feed, batch(0, 9, 9), 0)


async def test_a_discarded_stream_is_made_anew(feed: Feed) -> None:
    stream = await feed.ensure(PARTITIONS, ROOMY)
    await publish(feed, batch(0, 1, 3), 0)
    for _ in range(2):
        await feed.discard(stream)
        with pytest.raises(NoStream):
            await feed.end(0)
    await feed.ensure(PARTITIONS, ROOMY)
    assert await feed.end(0) is None
    await publish(feed, batch(0, 4, 4), 0)


async def test_what_was_made_anew_is_not_discarded_by_who_knows_only_the_former_one(feed: Feed) -> None:
    former = await feed.ensure(PARTITIONS, ROOMY)
    assert await feed.ensure(PARTITIONS, StreamSettings(max_bytes=2_000_000)) == former
    await feed.discard(former)
    assert await feed.ensure(PARTITIONS, ROOMY) != former
    await publish(feed, batch(0, 1, 3), 0)
    await feed.discard(former)
    assert await sure_end(feed, 0) == (3, 1)


async def test_a_subscription_starts_behind_its_positions(feed: Feed) -> None:
    ends = {0: 0, 1: 0}
    for first in range(1, 40, 4):
        for partition in (0, 1):
            ends[partition] = await publish(feed, batch(partition, first, first + 3), ends[partition])
    async with subscribed(feed, {0: 30, 1: 36}) as subscription:
        runs = await taken(subscription, 6)
    # One place in the stream serves all partitions, so those that are further ahead hear some of it again.
    assert runs == [(0, 29, 32), (1, 29, 32), (0, 33, 36), (1, 33, 36), (0, 37, 40), (1, 37, 40)]


async def test_a_subscription_brings_its_own_partitions_only(feed: Feed) -> None:
    async with subscribed(feed, {1: 0}) as subscription:
        await publish(feed, batch(0, 1, 1), 0)
        await publish(feed, batch(1, 1, 2), 0)
        assert await taken(subscription, 1) == [(1, 1, 2)]


async def test_a_batch_that_no_message_holds_is_oversized(feed: Feed) -> None:
    with pytest.raises(Oversized):
        await publish(feed, batch(0, 1, 1, size=2 << 20), 0)


async def test_what_no_relay_wrote_has_no_position(feed: Feed, trouble: Trouble) -> None:
    await trouble.put(0, b"who is this?")
    assert (await sure_end(feed, 0))[0] == 0
    async with subscribed(feed, {0: 0}) as subscription:
        await publish(feed, batch(0, 1, 1), (await sure_end(feed, 0))[1])
        assert await taken(subscription, 1) == [(0, 1, 1)]


async def test_a_full_stream_forgets_its_oldest(feed: Feed) -> None:
    await feed.ensure(PARTITIONS, StreamSettings(max_bytes=10_000))
    end = 0
    for position in range(1, 31):
        end = await publish(feed, batch(0, position, position, size=1_000), end)
    async with subscribed(feed, {0: 0}) as subscription:
        runs = await taken(subscription, 1)
        while runs[-1][1] < 30:
            runs += await taken(subscription, 1)
    assert runs[0][1] > 15


async def test_a_deleted_stream_loses_its_subscriptions_and_counts_anew(feed: Feed, trouble: Trouble) -> None:
    for first in range(1, 6):
        await publish(feed, batch(0, first, first), first - 1)
    async with subscribed(feed, {0: 5}) as subscription:
        await trouble.delete_stream()
        with pytest.raises(Lost):
            await taken_until_lost(subscription)
    with pytest.raises(NoStream):
        await feed.end(0)
    await feed.ensure(PARTITIONS, ROOMY)
    assert await feed.end(0) is None
    assert await publish(feed, batch(0, 6, 6), 0) == 1


async def test_a_forgotten_subscription_is_lost_and_can_be_made_again(feed: Feed, trouble: Trouble) -> None:
    async with subscribed(feed, {0: 0}) as subscription:
        await trouble.forget_subscriptions()
        await publish(feed, batch(0, 1, 1), 0)
        with pytest.raises(Lost):
            await taken_until_lost(subscription)
    async with subscribed(feed, {0: 0}) as subscription:
        assert await taken(subscription, 1) == [(0, 1, 1)]


async def test_a_broker_that_is_down_is_unavailable_in_every_call(feed: Feed, trouble: Trouble) -> None:
    async with subscribed(feed, {0: 0}) as subscription:
        await trouble.stop()
        with pytest.raises(Unavailable):
            await taken_until_lost(subscription)
        ensured = feed.ensure(PARTITIONS, ROOMY)
        for call in (feed.end(0), feed.purge(0), feed.discard(""), ensured, feed.subscribe({0: 0})):
            with pytest.raises(Unavailable):
                await call
        with pytest.raises(Unavailable):
            await feed.publish(batch(0, 1, 1), follows=0, origin=b"", seconds=0.5)
        await trouble.start()
