"""A stream that takes nothing any more is made anew by one relay, and is then as good as new for the others."""

from contextlib import suppress
from dataclasses import dataclass

import pytest

from libs.eventlog.event import Batch
from libs.eventlog.feed import Feed, NoStream
from libs.eventlog.memory_feed import MemoryBroker, MemoryFeed
from libs.eventlog.relay import Relay
from libs.runtime.errors import Unavailable
from tests.support.transport import BRISK, PARTITIONS, append, memory_log, relay_of


class _FullOnceFeed(MemoryFeed):
    """Its first stream refuses whatever is published, as one of nats-server does once a write has failed."""

    async def publish(self, batch: Batch, *, follows: int, origin: bytes, seconds: float) -> int:
        if self.broker.stream(self.log).number == 1:
            raise Unavailable("broker", "the disk is full")
        return await super().publish(batch, follows=follows, origin=origin, seconds=seconds)


@dataclass(eq=False)
class FullOnce(MemoryBroker):
    """A broker whose disk was full."""

    def feed(self, log: str) -> MemoryFeed:
        return _FullOnceFeed(self, log)


async def refused(relay: Relay, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable):
            await relay.turn()


async def carried(feed: Feed) -> dict[int, int]:
    """Where each partition ends in the stream."""
    ends = {partition: await feed.end(partition) for partition in range(PARTITIONS)}
    return {partition: end.position for partition, end in ends.items() if end is not None}


async def test_what_one_relay_republished_the_other_does_not_throw_away() -> None:
    log, broker = memory_log(), FullOnce()
    mine, others = range(PARTITIONS // 2), range(PARTITIONS // 2, PARTITIONS)
    first, second = relay_of(log, broker, partitions=mine), relay_of(log, broker, partitions=others)
    await append(log, 500)
    await refused(first, BRISK.refusals)
    await refused(second, BRISK.refusals)

    await first.turn()  # gives the stream up
    while await first.turn():
        pass
    heads = await log.heads()
    assert await carried(broker.feed(log.name)) == {partition: heads[partition] for partition in mine}
    for _ in range(3):
        with suppress(NoStream):
            await second.turn()
    assert await carried(broker.feed(log.name)) == heads
