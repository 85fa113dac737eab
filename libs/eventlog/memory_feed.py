"""A broker in memory, for tests and simulation: under the contract of JetStream, with every way to fail at hand."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from libs.eventlog.event import Batch
from libs.eventlog.feed import Lost, NoStream, Oversized, Overtaken, Parcel, StreamSettings, Tail
from libs.runtime.errors import Unavailable

LARGEST_MESSAGE: Final = 1 << 20
PORTION: Final = 128
SILENCE_SECONDS: Final = 2.0


@dataclass(eq=False, slots=True)
class MemoryStream:
    """What a stream holds: `parcels[i]` has the sequence `first + i`; None where it was purged.

    `number` tells it from the others of its broker.
    """

    number: int
    max_bytes: int
    first: int = 1
    size: int = 0
    parcels: list[Parcel | None] = field(default_factory=list)
    subscriptions: "list[MemorySubscription]" = field(default_factory=list)

    @property
    def next(self) -> int:
        """The sequence that the next message will have."""
        return self.first + len(self.parcels)

    def tail(self, partition: int) -> Tail | None:
        """The newest message of a partition."""
        for index in reversed(range(len(self.parcels))):
            parcel = self.parcels[index]
            if parcel is not None and parcel.partition == partition:
                return Tail(parcel.last_position, self.first + index)
        return None

    def add(self, parcel: Parcel) -> int:
        """Take a message, forget the oldest where there is no more room for it, and wake whoever waits for one."""
        self.parcels.append(parcel)
        self.size += len(parcel.data)
        while self.size > self.max_bytes and len(self.parcels) > 1:
            oldest = self.parcels.pop(0)
            self.first += 1
            self.size -= len(oldest.data) if oldest else 0
        for subscription in self.subscriptions:
            subscription.arrival.set()
        return self.next - 1

    def purge(self, partition: int | None = None) -> None:
        """Forget the messages of a partition, or all; sequences go on."""
        for index, parcel in enumerate(self.parcels):
            if parcel is not None and partition in {None, parcel.partition}:
                self.parcels[index] = None
                self.size -= len(parcel.data)

    def locate(self, positions: Mapping[int, int]) -> int:
        """The sequence of the first message that carries anything behind the positions; past the end if none does."""
        for index, parcel in enumerate(self.parcels):
            if parcel is not None and parcel.last_position > positions.get(parcel.partition, parcel.last_position):
                return self.first + index
        return self.next


@dataclass(eq=False)
class MemoryBroker:
    """See `Broker`. `down` refuses every call; streams can be deleted, purged, held up, and forget who subscribed."""

    down: bool = False
    streams: dict[str, MemoryStream] = field(default_factory=dict)
    made: int = 0

    def feed(self, log: str) -> "MemoryFeed":
        """See `Broker.feed`."""
        return MemoryFeed(self, log)

    def stream(self, log: str) -> MemoryStream:
        """The stream of a log; raises `NoStream` or `Unavailable`."""
        if self.down:
            raise Unavailable("broker", "it is down")
        if log not in self.streams:
            raise NoStream(log)
        return self.streams[log]

    def make(self, log: str, max_bytes: int) -> MemoryStream:
        """A new stream for a log that has none."""
        self.made += 1
        return self.streams.setdefault(log, MemoryStream(self.made, max_bytes))

    def delete(self, log: str) -> None:
        """Forget a stream, and with it who subscribed; a new one counts from 1 again."""
        if (stream := self.streams.pop(log, None)) is not None:
            self._end(stream, "the stream was deleted")

    def forget_subscriptions(self, log: str) -> None:
        """Forget who subscribed; they hear nothing of it, nor of anything else."""
        if (stream := self.streams.get(log)) is not None:
            stream.subscriptions.clear()

    def hold(self, log: str, *, held: bool) -> None:
        """Keep what is published from those who subscribed so far, or let them have it again."""
        if (stream := self.streams.get(log)) is not None:
            for subscription in stream.subscriptions:
                subscription.held = held
                subscription.arrival.set()

    def _end(self, stream: MemoryStream, sign: str) -> None:
        for subscription in stream.subscriptions:
            subscription.end = sign
            subscription.arrival.set()
        stream.subscriptions.clear()


@dataclass(frozen=True, slots=True)
class MemoryFeed:
    """See `Feed`. Of the settings only the size is heeded: nothing here grows old by itself."""

    broker: MemoryBroker
    log: str

    async def ensure(self, partitions: int, settings: StreamSettings) -> str:
        """See `Feed.ensure`."""
        try:
            stream = self.broker.stream(self.log)
        except NoStream:
            stream = self.broker.make(self.log, settings.max_bytes)
        stream.max_bytes = settings.max_bytes
        return str(stream.number)

    async def publish(self, batch: Batch, *, follows: int, origin: bytes, seconds: float) -> int:
        """See `Feed.publish`."""
        stream, data = self.broker.stream(self.log), batch.to_wire(self.log)
        if len(data) > LARGEST_MESSAGE:
            raise Oversized
        tail = stream.tail(batch.partition)
        if follows != (tail.sequence if tail else 0):
            raise Overtaken
        return stream.add(Parcel(batch.partition, batch.last_position, data, origin))

    async def end(self, partition: int) -> Tail | None:
        """See `Feed.end`."""
        return self.broker.stream(self.log).tail(partition)

    async def purge(self, partition: int) -> None:
        """See `Feed.purge`."""
        self.broker.stream(self.log).purge(partition)

    async def discard(self, stream: str) -> None:
        """See `Feed.discard`."""
        with suppress(NoStream):
            if str(self.broker.stream(self.log).number) == stream:
                self.broker.delete(self.log)

    async def subscribe(self, positions: Mapping[int, int]) -> "MemorySubscription":
        """See `Feed.subscribe`."""
        stream = self.broker.stream(self.log)
        subscription = MemorySubscription(self.broker, stream, frozenset(positions), stream.locate(positions))
        stream.subscriptions.append(subscription)
        return subscription


@dataclass(eq=False)
class MemorySubscription:
    """See `Subscription`. `next` is the sequence that it wants to see next."""

    broker: MemoryBroker
    stream: MemoryStream
    partitions: frozenset[int]
    next: int
    held: bool = False
    end: str = ""
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    _heard_at: float = field(default_factory=lambda: asyncio.get_running_loop().time(), init=False)

    async def take(self, wait: float, linger: float) -> list[Parcel]:
        """See `Subscription.take`."""
        if not (taken := self._look()):
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    while not (taken := self._look()):
                        self.arrival.clear()
                        await self.arrival.wait()
            if taken:
                await asyncio.sleep(linger)
                taken = self._look()
            elif self._silent_for() > SILENCE_SECONDS:
                raise Lost("silence")
        self.next = taken[-1][0] + 1 if taken else self.next
        return [parcel for _, parcel in taken]

    async def close(self) -> None:
        """See `Subscription.close`."""
        with suppress(ValueError):
            self.stream.subscriptions.remove(self)

    def _stands(self) -> bool:
        return self in self.stream.subscriptions

    def _silent_for(self) -> float:
        """Seconds since the broker last showed that it knows us, as it does even when it has nothing to deliver."""
        now = asyncio.get_running_loop().time()
        if self._stands():
            self._heard_at = now
        return now - self._heard_at

    def _look(self) -> list[tuple[int, Parcel]]:
        """The next portion of what may be delivered, with sequences."""
        if self.broker.down:
            raise Unavailable("broker", "it is down")
        if self.end:
            raise Lost(self.end)
        if self.held or not self._stands():
            return []
        stream, found = self.stream, list[tuple[int, Parcel]]()
        for sequence in range(max(self.next, stream.first), stream.next):
            parcel = stream.parcels[sequence - stream.first]
            if parcel is not None and parcel.partition in self.partitions:
                found.append((sequence, parcel))
                if len(found) == PORTION:
                    break
        return found
