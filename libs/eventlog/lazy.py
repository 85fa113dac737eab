"""Reading a lazy projection: snapshot + tail, fresh at the acknowledgement of the last append."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from libs.eventlog.log import KeyReader
from libs.eventlog.projection import Folded, LazyProjection, State, bounded, fold, needs_refold, refold
from libs.eventlog.snapshots import KeyOfTenant, Snapshots, Stored

LONG_TAIL: Final = 64  # several times what compaction lets gather
BREATH_KEYS: Final = 16


@dataclass(frozen=True, slots=True)
class LazyReader(Generic[State]):
    """Answers with the state of keys as of now, or as of a past moment.

    Listeners hear of a key whose tail is long, and how long: the replica that counted it did not live to compact it.
    """

    projection: LazyProjection[State]
    log: KeyReader
    snapshots: Snapshots
    listeners: list[Callable[[KeyOfTenant, int], None]] = field(default_factory=list)

    async def read(self, keys: Sequence[KeyOfTenant]) -> list[Folded[State]]:
        """State of every key, in their order; position 0 for a key that the log has nothing of."""
        stored = await self.snapshots.load(keys)
        states = []
        for index, (key, one) in enumerate(zip(keys, stored, strict=True)):
            if len(one.tail) > LONG_TAIL and not one.parked:
                for listener in self.listeners:
                    listener(key, len(one.tail))
            states.append(await self.state(key, one))
            if index % BREATH_KEYS == BREATH_KEYS - 1:
                await asyncio.sleep(0)  # let others have the loop
        return states

    async def read_at(
        self, key: KeyOfTenant, *, as_of: int | None = None, known_at: int | None = None
    ) -> Folded[State]:
        """State of a key from what had happened by `as_of`, and what was known by `known_at` (microseconds)."""
        events = await self.log.read_key(*key)
        await self.projection.prepare(events)
        return refold(self.projection, events, as_of=as_of, known_at=known_at)

    async def refolded(self, key: KeyOfTenant, until: int) -> Folded[State]:
        """State of a key from its whole log up to a position, as it may be stored."""
        events = [recorded for recorded in await self.log.read_key(*key) if recorded.position <= until]
        await self.projection.prepare(events)
        return bounded(self.projection, refold(self.projection, events))

    async def state(self, key: KeyOfTenant, stored: Stored) -> Folded[State]:
        """The state of a key: its tail folded onto its snapshot, or its whole log folded again."""
        if needs_refold(stored.tail):
            return await self.read_at(key)
        await self.projection.prepare(stored.tail)
        return fold(self.projection, lambda: self._snapshot(stored), stored.tail)

    def _snapshot(self, stored: Stored) -> Folded[State]:
        if stored.state is None:
            return Folded(self.projection.initial())
        return Folded(self.projection.decode(stored.state), stored.position, stored.recorded_at)
