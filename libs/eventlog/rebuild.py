"""Building a new version of a lazy projection beside the one that is read, and comparing the two.

A rebuild notes the heads, then builds partition after partition up to them: each key is read once, whole, folded and
written. What comes later is in the new version's tails, as it is in those of any version, and the live compactors take
care of it. Then both versions are compared key by key at equal positions. Several workers share the partitions; each
saves how far it is with what it has done, so that whoever comes after a crash goes on from there.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Generic, Literal, Protocol

import msgspec

from libs.eventlog.difference import Comparison, Difference, Found
from libs.eventlog.lazy import LazyReader
from libs.eventlog.log import BulkReader, Whole
from libs.eventlog.projection import Folded, State, bounded, needs_refold, refold
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored

CHUNK_SECONDS: Final = 0.5
CHUNK_KEYS: Final = 4_000
COMPARE_KEYS: Final = 200
SAMPLED_KEYS: Final = 200  # of a partition, whose differences are kept to be looked at
WAIT_SECONDS: Final = 0.1

Phase = Literal["build", "compare", "done", "cancelled"]
RUNNING: Final[frozenset[Phase]] = frozenset({"build", "compare"})


class Run(msgspec.Struct, frozen=True):
    """One go at a rebuild: its epoch fences whoever went at it before."""

    projection: str
    version: int
    against: int
    workers: int
    epoch: int


class Step(msgspec.Struct, frozen=True):
    """One partition in one phase, and how far it is; `until` is the head noted, `after` the last key done."""

    phase: Phase
    partition: int
    until: int
    after: KeyOfTenant | None = None
    events: int = 0
    keys: int = 0
    done: bool = False
    found: Found = msgspec.field(default_factory=Found)

    def further(self, after: KeyOfTenant | None, events: int, keys: int, *, done: bool = False) -> "Step":
        """The step with more done."""
        return msgspec.structs.replace(self, after=after, events=self.events + events, keys=self.keys + keys, done=done)


class Overtaken(Exception):
    """The rebuild was cancelled, or somebody else goes at it now: leave everything as it is."""


class Progress(Protocol):
    """Where the workers of a run get their steps from and save what they have done; all of it raises `Overtaken`."""

    async def phase(self) -> Phase:
        """The phase at hand; the one that follows as soon as every step of one is done."""
        ...

    async def claim(self) -> Step | None:
        """A step of the phase at hand for this worker alone; None while others have the last ones."""
        ...

    async def built(self, step: Step, compacted: Sequence[Compacted]) -> None:
        """Store snapshots of the new version and how far the step is, both or neither."""
        ...

    async def next_keys(self, step: Step, limit: int) -> list[KeyOfTenant]:
        """The keys of the new version that the step has still to compare."""
        ...

    async def pairs(self, keys: Sequence[KeyOfTenant]) -> list[tuple[Stored, Stored]]:
        """Snapshot and tail of every key in the old and the new version, all read at one moment."""
        ...

    async def compared(self, step: Step, differences: Sequence[Difference]) -> None:
        """Store differences and how far the step is, both or neither."""
        ...


@dataclass(frozen=True, slots=True)
class RebuildWorker(Generic[State]):
    """Takes steps until none are left; any number of workers may share a run."""

    log: BulkReader
    old: LazyReader[State]
    new: LazyReader[State]
    progress: Progress

    async def work(self) -> None:
        """Work until the rebuild is done; raises `Overtaken`."""
        while await self.progress.phase() in RUNNING:
            step = await self.progress.claim()
            if step is None:
                await asyncio.sleep(WAIT_SECONDS)
            elif step.phase == "build":
                await self._build(step)
            else:
                await self._compare(step)

    async def _build(self, step: Step) -> None:
        chunk: list[Compacted] = []
        events, last, began = 0, step.after, perf_counter()
        async with aclosing(self.log.keys_in_order(step.partition, step.until, step.after)) as keys:
            async for whole in keys:
                if self._concerns(whole):
                    chunk.append(await self._folded(whole))
                events, last = events + len(whole.events), (whole.tenant, whole.key)
                if len(chunk) == CHUNK_KEYS or perf_counter() - began > CHUNK_SECONDS:
                    step = step.further(last, events, len(chunk))
                    await self.progress.built(step, chunk)
                    chunk, events, began = [], 0, perf_counter()
        await self.progress.built(step.further(last, events, len(chunk), done=True), chunk)

    def _concerns(self, whole: Whole) -> bool:
        """Whether the projection handles any event of a key; a schema's key is nobody's, and would be counted."""
        handles = self.new.projection.handles
        return any(recorded.event.type in handles for recorded in whole.events)

    async def _folded(self, whole: Whole) -> Compacted:
        projection = self.new.projection
        await projection.prepare(whole.events)
        folded = bounded(projection, refold(projection, whole.events))
        return Compacted(
            whole.tenant,
            whole.key,
            expected=None,
            position=folded.position,
            recorded_at=folded.recorded_at,
            state=projection.encode(folded.state),
            parked=folded.parked,
        )

    async def _compare(self, step: Step) -> None:
        comparison = Comparison(self.old.projection, self.new.projection)
        while keys := await self.progress.next_keys(step, COMPARE_KEYS):
            differences = []
            for key, (old, new) in zip(keys, await self.progress.pairs(keys), strict=True):
                until = _meeting(old, new)
                before, after = await self._standing(key, old, new, until)
                found, difference = comparison.compare(key, step.partition, until, before, after)
                if difference is not None and step.found.differing < SAMPLED_KEYS:
                    differences.append(difference)
                step.found.add(found)
            step = step.further(keys[-1], 0, len(keys))
            await self.progress.compared(step, differences)
        await self.progress.compared(step.further(step.after, 0, 0, done=True), [])

    async def _standing(
        self, key: KeyOfTenant, old: Stored, new: Stored, until: int
    ) -> tuple[Folded[State], Folded[State]]:
        """Both states at one position. What was trimmed hangs on when that was, until it is folded anew."""
        before, after = await _at(self.old, key, old, until), await _at(self.new, key, new, until)
        if self.old.projection.trimmed(before.state) or self.new.projection.trimmed(after.state):
            return await self.old.refolded(key, until), await self.new.refolded(key, until)
        return before, after


def _meeting(old: Stored, new: Stored) -> int:
    """The position to compare at: of the newer snapshot, or the last of all where one stands still before an event."""
    parked = [one.tail[-1].position for one in (old, new) if one.parked and one.tail]
    return max(old.position, new.position, *parked)


async def _at(reader: LazyReader[State], key: KeyOfTenant, stored: Stored, until: int) -> Folded[State]:
    tail = [recorded for recorded in stored.tail if recorded.position <= until]
    if needs_refold(tail):
        return await reader.refolded(key, until)
    return await reader.state(key, msgspec.structs.replace(stored, tail=tail))
