"""Worlds in which one part is broken in a way that has been shipped somewhere: the simulator must notice each."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.checkpoint import Step
from libs.eventlog.compaction import Compactor
from libs.eventlog.consumer import Consumer
from libs.eventlog.dead_letters import Aside
from libs.eventlog.event import Appended, Batch, NewEvent, partition_of
from libs.eventlog.feed import Parcel
from libs.eventlog.lazy import LazyReader
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS
from libs.eventlog.memory import MemoryLog, MemorySnapshots
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.projection import Folded, fold
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored
from libs.eventlog.verdict import Output
from libs.eventlog.watch import Watch
from libs.runtime.errors import Unavailable
from tests.simulation.ledger import LedgerSession, LinkedLetters
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import Parts
from tests.support.tally import Tally

_HOLE: Final = pb.Event(key=bytes(16)).SerializeToString()


class Unfenced(LedgerSession):
    """The compare-and-swap always succeeds."""

    def fence(self, steps: Sequence[Step]) -> None:
        pass


class CheckpointFirst(LedgerSession):
    """The checkpoint is committed before what was folded."""

    def move(self, transaction: MemoryTransaction, steps: Sequence[Step]) -> None:
        self.ledger.positions.update({step.partition: step.new for step in steps})


class CheckpointLast(LedgerSession):
    """The checkpoint is committed after what was folded, in a transaction of its own."""

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[MemoryTransaction]:
        async with super().advance(steps) as transaction:
            yield transaction
        super().move(after := MemoryTransaction(), steps)
        with after.committing():
            pass

    def move(self, transaction: MemoryTransaction, steps: Sequence[Step]) -> None:
        pass


class Untrimmed(Consumer[MemoryTransaction]):
    """What was folded before is tried again whenever it is delivered again; only the fence refuses it, for ever."""

    def _is_fresh(self, parcel: Parcel) -> bool:
        return parcel.last_position > 0

    def _connected(self, batches: Sequence[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if batch.first_position <= self._positions[batch.partition] + 1:
                yield batch


class Leaping(Consumer[MemoryTransaction]):
    """What is missing before a batch is taken for granted."""

    def _connected(self, batches: Sequence[Batch]) -> Iterator[Batch]:
        reached = dict(self._positions)
        for batch in batches:
            position = reached[batch.partition]
            if batch.last_position > position:
                reached[batch.partition] = batch.last_position
                yield batch.after(position)


class Blurting(LedgerSession):
    """Outputs are recorded while the transaction may still be undone, each time under a new id."""

    async def emit(self, connection: MemoryTransaction, outputs: Sequence[Output]) -> None:
        events = [output.event for output in outputs]
        chance = self.link.network.chance
        fresh = [NewEvent(chance.randbytes(16), one.tenant, one.key, one.data) for one in events]
        await self.ledger.log.append(fresh)


class Forgetful(LedgerSession):
    """Outputs are recorded after the transaction, if the process lives that long."""

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[MemoryTransaction]:
        self.kept: list[NewEvent] = []
        async with super().advance(steps) as transaction:
            yield transaction
        await self.ledger.log.append(self.kept)

    async def emit(self, connection: MemoryTransaction, outputs: Sequence[Output]) -> None:
        self.kept += [output.event for output in outputs]


class WithoutOrder(LinkedLetters):
    """Later events of a key flow past the one that failed."""

    async def aside(self, connection: MemoryTransaction, steps: Sequence[Step]) -> Aside:
        return Aside(frozenset(), frozenset())


class WithoutHeadLock(MemoryLog):
    """A position is taken before its row is visible, as from a sequence: readers pass over what comes in late."""

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        taken = self.__dict__.setdefault("taken", [0] * self.partitions)
        places = []
        for event in events:
            if (event.tenant, event.id) in self._ids:
                partition, position, _ = self._ids[event.tenant, event.id]
                places.append(Appended(partition, position, duplicate=True))
                continue
            partition = partition_of(event.key, self.partitions)
            taken[partition] += 1
            self._ids[event.tenant, event.id] = (partition, taken[partition], 0)
            places.append(Appended(partition, taken[partition]))
        await asyncio.sleep(cast("VirtualLoop", asyncio.get_running_loop()).chance.random() * 0.05)
        for event, place in zip(events, places, strict=True):
            if not place.duplicate:
                rows, times = self._events[place.partition], self._times[place.partition]
                rows.extend([_HOLE] * (place.position - len(rows)))
                now = max([self.clock.now(), *times[-1:]])
                times.extend([now] * (place.position - len(times)))
                rows[place.position - 1] = event.data
        return places

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        return [
            Batch(batch.partition, batch.first_position, batch.recorded_at[: len(events)], events)
            for batch in await super().read(after, limit=limit, max_bytes=max_bytes)
            if (events := [data for data in batch.events if data is not _HOLE])
        ]


class Overwriting(MemoryLog):
    """Two appends at once count from the same head."""

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        heads = [len(rows) for rows in self._events]
        await asyncio.sleep(0.005)
        for partition, head in enumerate(heads):
            del self._events[partition][head:]
            del self._times[partition][head:]
        return await super().append(events)


class WithoutMessageIds(MemoryLog):
    """Ids of earlier appends are forgotten."""

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        self._ids.clear()
        return await super().append(events)


class OwnClock(MemoryLog):
    """`recorded_at` is whatever the clock shows."""

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        return [self._place(event, self.clock.now()) for event in events]


class BlindSnapshots(MemorySnapshots):
    """A snapshot is saved over whatever stands there."""

    async def save(self, compacted: Sequence[Compacted]) -> int:
        for one in compacted:
            self._rows[one.tenant, one.key] = one
        return len(compacted)


class RetractionBlind(Compactor[Tally]):
    """Compaction folds the tail onto the snapshot, whatever is in it."""

    async def _fold(self, key: KeyOfTenant, stored: Stored) -> Compacted | None:
        projection = self.reader.projection
        folded = fold(projection, lambda: self.reader._snapshot(stored), stored.tail)
        if folded.position == 0 and folded.parked is None:
            return None
        expected = stored.position if stored.state is not None else None
        state = projection.encode(folded.state)
        return Compacted(*key, expected, folded.position, folded.recorded_at, state, folded.parked)


class Stale(LazyReader[Tally]):
    """Reads answer with the snapshot alone."""

    async def state(self, key: KeyOfTenant, stored: Stored) -> Folded[Tally]:
        return self._snapshot(stored)


class SkippingWatch(Watch):
    """After an outage it begins anew at the heads."""

    async def _advance(self, positions: dict[int, int]) -> bool:
        try:
            batches = await self.log.read(positions)
        except Unavailable:
            await asyncio.sleep(0.2)
            with suppress(Unavailable):
                positions |= await self.log.heads()
            return False
        for batch in batches:
            positions[batch.partition] = batch.last_position
            for recorded in batch.recorded():
                for changed in self._watchers.get((recorded.event.tenant, recorded.event.key), ()):
                    changed.set()
        return bool(batches)


MUTANTS: Final[Mapping[str, Parts]] = {
    "no_fence": Parts(session=Unfenced),
    "checkpoint_before_the_fold": Parts(session=CheckpointFirst),
    "checkpoint_after_the_fold": Parts(session=CheckpointLast),
    "no_trim": Parts(consumer=Untrimmed),
    "no_back_fill": Parts(consumer=Leaping),
    "outputs_before_the_commit": Parts(session=Blurting),
    "outputs_after_the_commit": Parts(session=Forgetful),
    "letters_without_order": Parts(letters=WithoutOrder),
    "positions_without_the_head_lock": Parts(log=WithoutHeadLock),
    "two_appends_at_one_head": Parts(log=Overwriting),
    "no_message_ids": Parts(log=WithoutMessageIds),
    "clock_that_runs_back": Parts(log=OwnClock),
    "snapshots_without_compare_and_swap": Parts(snapshots=BlindSnapshots),
    "compaction_blind_to_retractions": Parts(compactor=RetractionBlind),
    "watch_that_skips_what_came_in_an_outage": Parts(watch=SkippingWatch),
    "reads_without_the_tail": Parts(reader=Stale),
}
