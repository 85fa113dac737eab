"""The log and its snapshots in memory: for fast tests and simulation, under the same contract as PostgreSQL."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.blanks import blanked_event, to_blank, without_payload
from libs.eventlog.event import Appended, Batch, NewEvent, Recorded, partition_of
from libs.eventlog.horizons import LAG_EVENTS
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS, Whole
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored
from libs.runtime.clock import Clock


@dataclass(eq=False)
class MemoryLog:
    """A log that lives as long as its process."""

    name: str
    partitions: int
    clock: Clock
    _events: list[list[bytes]] = field(init=False)
    _times: list[list[int]] = field(init=False)
    _ids: dict[tuple[str, bytes], tuple[int, int, int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._events = [[] for _ in range(self.partitions)]
        self._times = [[] for _ in range(self.partitions)]

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """See `Log.append`."""
        return self._record(events)

    async def append_in(self, transaction: MemoryTransaction, events: Sequence[NewEvent]) -> None:
        """Append when a transaction commits; nobody reads what may yet be undone."""
        transaction.at_commit(lambda: self._record(events))

    def _record(self, events: Sequence[NewEvent]) -> list[Appended]:
        touched = {partition_of(event.key, self.partitions) for event in events}
        recorded_at = max(
            self.clock.now(), *(self._times[partition][-1] for partition in touched if self._times[partition]), 0
        )
        return [self._place(event, recorded_at) for event in events]

    def _place(self, event: NewEvent, recorded_at: int) -> Appended:
        identity = (event.tenant, event.id)
        if identity in self._ids:
            partition, position, digest = self._ids[identity]
            return Appended(partition, position, duplicate=True, differs=digest != event.digest)
        partition = partition_of(event.key, self.partitions)
        self._events[partition].append(event.data)
        self._times[partition].append(recorded_at)
        position = len(self._events[partition])
        self._ids[identity] = (partition, position, event.digest)
        return Appended(partition, position)

    async def heads(self) -> dict[int, int]:
        """See `LogReader.heads`."""
        return {partition: len(events) for partition, events in enumerate(self._events)}

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        """See `LogReader.read`."""
        batches = []
        for partition, position in after.items():
            events: list[bytes] = []
            size = 0
            for event in self._events[partition][position : position + limit]:
                size += len(event)
                if events and size > max_bytes:
                    break
                events.append(event)
            if events:
                times = self._times[partition][position : position + len(events)]
                batches.append(Batch(partition, position + 1, times, events))
        return batches

    async def stream(self, partition: int, after: int) -> AsyncIterator[Batch]:
        """Everything behind a position of a partition, up to the head of the moment, batch by batch."""
        end = len(self._events[partition])
        while after < end:
            for batch in await self.read({partition: after}):
                yield batch
                after = batch.last_position

    async def read_key(self, tenant: str, key: bytes, *, after: int = 0) -> list[Recorded]:
        """See `KeyReader.read_key`."""
        return self.events_of(tenant, key, after)

    def events_of(self, tenant: str, key: bytes, after: int = 0) -> list[Recorded]:
        """The same at once."""
        partition = partition_of(key, self.partitions)
        times, events = self._times[partition], self._events[partition]
        parsed = (
            Recorded(position + 1, times[position], pb.Event.FromString(events[position]))
            for position in range(after, len(events))
        )
        return [recorded for recorded in parsed if recorded.event.key == key and recorded.event.tenant == tenant]

    async def keys_at(self, places: Collection[tuple[int, int, int]]) -> dict[tuple[int, int], bytes]:
        """See `PostgresLog.keys_at`."""
        return {
            (partition, position): pb.Event.FromString(self._events[partition][position - 1]).key
            for partition, position, _ in places
        }

    async def keys_in_order(
        self, partition: int, until: int, after: tuple[str, bytes] | None = None
    ) -> AsyncGenerator[Whole, None]:
        """See `BulkReader.keys_in_order`."""
        for tenant, key in sorted(set(self.keys(partition, 0, until))):
            if after is None or (tenant, key) > after:
                events = [one for one in await self.read_key(tenant, key) if one.position <= until]
                yield Whole(tenant, key, events)

    async def blank(self, tenant: str, key: bytes, positions: Collection[int] | None, reason: str) -> int:
        """See `blanking.Blanking.blank`."""
        wanted = to_blank(await self.read_key(tenant, key), positions)
        if wanted:
            await self.append([blanked_event(tenant, key, wanted, reason, self.clock.now())])
        events = self._events[partition_of(key, self.partitions)]
        for position in wanted:
            events[position - 1] = without_payload(events[position - 1])
        return len(wanted)

    def keys(self, partition: int, after: int, until: int) -> list[KeyOfTenant]:
        """The key of every event of a stretch of a partition."""
        events = map(pb.Event.FromString, self._events[partition][after:until])
        return [(event.tenant, event.key) for event in events]


@dataclass(eq=False)
class MemorySnapshots:
    """Snapshots that live as long as their process."""

    log: MemoryLog
    _rows: dict[KeyOfTenant, Compacted] = field(default_factory=dict, init=False)

    async def load(self, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        """See `Snapshots.load`."""
        stored = []
        for key in keys:
            row = self._rows.get(key)
            tail = await self.log.read_key(*key, after=row.position if row else 0)
            if row is None:
                stored.append(Stored(None, 0, 0, parked=False, tail=tail))
            else:
                stored.append(Stored(row.state, row.position, row.recorded_at, row.parked is not None, tail))
        return stored

    async def save(self, compacted: Sequence[Compacted]) -> int:
        """See `Snapshots.save`."""
        saved = 0
        for one in compacted:
            row = self._rows.get((one.tenant, one.key))
            if (row.position if row else None) == one.expected:
                self._rows[one.tenant, one.key] = one
                saved += 1
        return saved

    def row(self, key: KeyOfTenant) -> Compacted | None:
        """The snapshot of a key, if there is one."""
        return self._rows.get(key)

    def stored(self) -> list[KeyOfTenant]:
        """Keys that have a snapshot."""
        return list(self._rows)

    def parked(self) -> list[KeyOfTenant]:
        """Keys whose snapshot stands still before an event."""
        return [key for key, row in self._rows.items() if row.parked is not None]


@dataclass(eq=False)
class MemoryHorizons:
    """See `compaction.Horizons`."""

    log: MemoryLog
    snapshots: MemorySnapshots
    lag_events: int = LAG_EVENTS
    _positions: dict[int, int] = field(default_factory=dict, init=False)

    async def tails(self) -> list[tuple[str, bytes, int]]:
        """See `compaction.Horizons.tails`."""
        heads = await self.log.heads()
        tails = Counter(key for partition, head in heads.items() for key in self._unfolded(partition, head))
        return [(*key, tail) for key, tail in tails.items()]

    async def parked(self) -> list[KeyOfTenant]:
        """See `compaction.Horizons.parked`."""
        return self.snapshots.parked()

    async def stragglers(self) -> list[KeyOfTenant]:
        """See `compaction.Horizons.stragglers`."""
        parked = set(self.snapshots.parked())
        behind = dict.fromkeys(  # in an order that is the same in every run, as a set of bytes is not
            key for partition, until in (await self._stretches()).items() for key in self._unfolded(partition, until)
        )
        return [key for key in behind if key not in parked]

    async def advance(self) -> bool:
        """See `compaction.Horizons.advance`."""
        parked, moved = set(self.snapshots.parked()), False
        for partition, until in (await self._stretches()).items():
            if parked.issuperset(self._unfolded(partition, until)):
                self._positions[partition] = until
                moved = True
        return moved

    async def _stretches(self) -> dict[int, int]:
        """How far each horizon may move that has room."""
        heads = await self.log.heads()
        return {
            partition: head - self.lag_events
            for partition, head in heads.items()
            if head - self.lag_events > self._positions.get(partition, 0)
        }

    def _unfolded(self, partition: int, until: int) -> Iterator[KeyOfTenant]:
        """The key of every event between the horizon and a position that its snapshot lacks."""
        after = self._positions.get(partition, 0)
        for position, key in enumerate(self.log.keys(partition, after, until), after + 1):
            row = self.snapshots.row(key)
            if row is None or row.position < position:
                yield key
