"""The memory adapters as a process meets them: at the far end of a link."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libs.eventlog.checkpoint import MemorySavedPositions
from libs.eventlog.event import Appended, Batch, NewEvent, Recorded
from libs.eventlog.feed import Feed, Parcel, StreamSettings, Subscription, Tail
from libs.eventlog.lease_store import MemoryLeases
from libs.eventlog.leases import Lease, Roll
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS
from libs.eventlog.memory import MemoryHorizons, MemoryLog, MemorySnapshots
from libs.eventlog.memory_feed import MemoryBroker
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored
from libs.runtime.errors import Unavailable
from tests.simulation.network import Link

REFUSED: Final = b"what no log takes"


class LinkedLog:
    """See `Log` and `LogSource`."""

    def __init__(self, log: MemoryLog, link: Link) -> None:
        self.name = log.name
        self.partitions = log.partitions
        self._log = log
        self._link = link

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        async def append() -> list[Appended]:
            if any(REFUSED in event.data for event in events):
                raise ValueError("no log takes this")
            return await self._log.append(events)

        return await self._link.write(f"append {len(events)}", append)

    async def heads(self) -> dict[int, int]:
        return await self._link.call("heads", self._log.heads)

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        return await self._link.call("read", lambda: self._log.read(after, limit=limit, max_bytes=max_bytes))

    async def read_key(self, tenant: str, key: bytes, *, after: int = 0) -> list[Recorded]:
        return await self._link.call("read_key", lambda: self._log.read_key(tenant, key, after=after))


@dataclass(frozen=True, slots=True)
class LinkedSource:
    """See `LogSource`. Every batch may be the last that arrives."""

    log: MemoryLog
    link: Link
    batch_events: int = 3

    async def heads(self) -> dict[int, int]:
        return await self.link.call("heads", self.log.heads)

    async def read(self, partition: int, after: int) -> AsyncIterator[Batch]:
        end = (await self.heads())[partition]
        while after < end:
            position = after
            run = await self.link.call(
                f"gap {partition}:{position}",
                lambda: self.log.read({partition: position}, limit=self.batch_events),  # noqa: B023 - awaited in this turn
            )
            for batch in run:
                yield batch
                after = batch.last_position


@dataclass(frozen=True, slots=True)
class LinkedSnapshots:
    """See `Snapshots`."""

    snapshots: MemorySnapshots
    link: Link

    async def load(self, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        return await self.link.call("load", lambda: self.snapshots.load(keys))

    async def save(self, compacted: Sequence[Compacted]) -> int:
        if not compacted:
            return 0
        return await self.link.write(f"save {_places(compacted)}", lambda: self.snapshots.save(compacted))


@dataclass(frozen=True, slots=True)
class LinkedHorizons:
    """See `Horizons`."""

    horizons: MemoryHorizons
    link: Link

    async def tails(self) -> list[tuple[str, bytes, int]]:
        return await self.link.call("tails", self.horizons.tails)

    async def parked(self) -> list[KeyOfTenant]:
        return await self.link.call("parked", self.horizons.parked)

    async def stragglers(self) -> list[KeyOfTenant]:
        return await self.link.call("stragglers", self.horizons.stragglers)

    async def advance(self) -> bool:
        return await self.link.call("advance", self.horizons.advance)


@dataclass(frozen=True, slots=True)
class LinkedSavedPositions:
    """See `SavedPositions`."""

    saved: MemorySavedPositions
    link: Link

    async def load(self) -> dict[int, int]:
        return await self.link.call("load saved", self.saved.load)

    async def save(self, positions: Mapping[int, int]) -> None:
        await self.link.write("save positions", lambda: self.saved.save(positions))


@dataclass(frozen=True, slots=True)
class LinkedLeases:
    """See `LeaseStore`."""

    leases: MemoryLeases
    link: Link

    async def attend(self, role: str, member: str, partitions: int, seconds: float) -> Roll:
        return await self.link.call("attend", lambda: self.leases.attend(role, member, partitions, seconds))

    async def change(self, role: str, wanted: Sequence[Lease]) -> list[Lease]:
        return await self.link.write(f"lease {role} {_owners(wanted)}", lambda: self.leases.change(role, wanted))

    async def leave(self, role: str, member: str) -> None:
        await self.link.write(f"leave {role}", lambda: self.leases.leave(role, member))


@dataclass(frozen=True, slots=True)
class LinkedBroker:
    """See `Broker`."""

    broker: MemoryBroker
    link: Link

    def feed(self, log: str) -> "LinkedFeed":
        return LinkedFeed(self.broker.feed(log), self.link)


@dataclass(frozen=True, slots=True)
class LinkedFeed:
    """See `Feed`."""

    feed: Feed
    link: Link

    async def ensure(self, partitions: int, settings: StreamSettings) -> str:
        return await self.link.call("ensure", lambda: self.feed.ensure(partitions, settings))

    async def publish(self, batch: Batch, *, follows: int, origin: bytes, seconds: float) -> int:
        what = f"publish {batch.partition}:{batch.first_position}-{batch.last_position} behind #{follows}"
        try:
            async with asyncio.timeout(seconds):
                return await self.link.write(
                    what, lambda: self.feed.publish(batch, follows=follows, origin=origin, seconds=seconds)
                )
        except TimeoutError as error:
            raise Unavailable("broker", "no answer in time") from error

    async def end(self, partition: int) -> Tail | None:
        return await self.link.call("end", lambda: self.feed.end(partition))

    async def purge(self, partition: int) -> None:
        await self.link.call("purge", lambda: self.feed.purge(partition))

    async def discard(self, stream: str) -> None:
        await self.link.call("discard", lambda: self.feed.discard(stream))

    async def subscribe(self, positions: Mapping[int, int]) -> "LinkedSubscription":
        wanted = dict(positions)
        subscription = await self.link.call(f"subscribe {wanted}", lambda: self.feed.subscribe(wanted))
        return LinkedSubscription(subscription, self.link)


@dataclass(frozen=True, slots=True)
class LinkedSubscription:
    """See `Subscription`. What was on its way when the link was cut is gone."""

    subscription: Subscription
    link: Link

    async def take(self, wait: float, linger: float) -> list[Parcel]:
        taken = await self.subscription.take(wait, linger)
        await self.link.travel()
        self.link.network.tell(f"broker: took {[(one.partition, one.last_position) for one in taken]}")
        return taken

    async def close(self) -> None:
        await self.subscription.close()


def _owners(wanted: Sequence[Lease]) -> list[tuple[int, str, int]]:
    return [(lease.partition, lease.owner, lease.epoch) for lease in wanted]


def _places(compacted: Sequence[Compacted]) -> list[tuple[str, int | None, int]]:
    return [(one.key.hex()[:4], one.expected, one.position) for one in compacted]
