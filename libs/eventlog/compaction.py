"""Keeping tails short: keys with sixteen unfolded events get a new snapshot, in the background and unhurried."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Generic, Protocol

import structlog

from libs.eventlog.database import UNREACHABLE
from libs.eventlog.dead_letters import PARKED_KEYS
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.lazy import LazyReader
from libs.eventlog.projection import State, needs_refold
from libs.eventlog.snapshots import Compacted, KeyOfTenant, SnapshotsGone, Stored
from libs.runtime.clock import Timer
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics

TAIL_EVENTS: Final = 16
BATCH_KEYS: Final = 48
SLICE_KEYS: Final = 4
CALM_BACKLOG: Final = 500
WORKERS: Final = 4
LEISURE: Final = 3  # times as long as it folds, the compactor of a version that nobody reads rests
IDLE_SECONDS: Final = 0.1
SWEEP_SECONDS: Final = 10.0
BREATH_SECONDS: Final = 0.01

MOST_COUNTS: Final = 2_000_000

AWAY: Final = (
    *UNREACHABLE,
    Unavailable,
    SnapshotsGone,
)  # of a version that was dropped, until this replica hears of it
RETRY_SECONDS: Final = 1.0
TRIES: Final = 5  # each fails only if another compactor was faster


class Horizons(Protocol):
    """What of the log is known to be folded for every key, and what is not yet.

    Behind its horizon a partition holds no event that a snapshot lacks, so a restart counts tails from there only.
    """

    async def tails(self) -> list[tuple[str, bytes, int]]:
        """Tenant, key and number of unfolded events of every key that has any."""
        ...

    async def parked(self) -> list[KeyOfTenant]:
        """Keys that stand still before an event that could not be folded."""
        ...

    async def stragglers(self) -> list[KeyOfTenant]:
        """Keys whose unfolded events lie so far back that they hold up a horizon."""
        ...

    async def advance(self) -> bool:
        """Move the horizons over what is folded now; false where there is nowhere to move."""
        ...


@dataclass(eq=False)
class Compactor(Generic[State]):
    """Counts unfolded events by key as they are appended, and folds the keys that are due.

    It makes haste as its backlog grows, but not for a version that nobody reads. Two compactors of the same projection
    are harmless: a snapshot is replaced only if it is the one that was read.
    """

    reader: LazyReader[State]
    horizons: Horizons
    metrics: Metrics
    tail_events: int = TAIL_EVENTS
    parked_keys: int = PARKED_KEYS
    sweep_seconds: float = SWEEP_SECONDS
    timer: Timer = perf_counter
    hasty: bool = True
    _counts: dict[KeyOfTenant, int] = field(default_factory=dict, init=False)
    _due_since: float = field(default=0.0, init=False)
    _due: deque[KeyOfTenant] = field(default_factory=deque, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def backlog(self) -> int:
        """Keys that are due."""
        return len(self._due)

    @property
    def lag_events(self) -> int:
        """Events of the keys that are due."""
        return sum(self._counts.get(key, 0) for key in self._due)

    @property
    def lag_seconds(self) -> float:
        """For how long some key has been due; 0 where none is."""
        return self.timer() - self._due_since if self._due else 0.0

    def count(self, events: Sequence[NewEvent], places: Sequence[Appended]) -> None:
        """Listener of the appender."""
        counts, limit = self._counts, self.tail_events
        if len(counts) > MOST_COUNTS:  # of keys that other replicas folded meanwhile, for one; the sweep finds the rest
            counts.clear()
        for event, place in zip(events, places, strict=True):
            if place.duplicate:
                continue
            key = (event.tenant, event.key)
            tail = counts.get(key, 0) + 1
            counts[key] = tail
            if tail == limit:
                self.request((key,))

    def remember(self, key: KeyOfTenant, tail: int) -> None:
        """Know of a tail that was not counted here: one from before this process, or of a replica that is gone."""
        before = self._counts.get(key, 0)
        self._counts[key] = max(before, tail)
        if before < self.tail_events <= tail:
            self.request((key,))

    def request(self, keys: Iterable[KeyOfTenant]) -> None:
        """Make keys due at once, such as those whose past was changed by a retraction."""
        if not self._due:
            self._due_since = self.timer()
        self._due.extend(keys)
        self._wake.set()

    async def run(self) -> None:
        """Compact until cancelled; a database that is away only delays it."""
        async with asyncio.TaskGroup() as tasks:
            for worker in range(WORKERS):
                tasks.create_task(self._compact_forever(worker))
            tasks.create_task(self._sweep_forever())

    async def compact_all(self) -> None:
        """Fold every key that is due, now."""
        while self._due:
            await self.compact([self._due.popleft() for _ in range(min(BATCH_KEYS, len(self._due)))])

    async def forget(self, keys: Sequence[KeyOfTenant]) -> None:
        """Fold keys whose past was taken back until no snapshot holds it; raises `Unavailable` if one still does.

        A key that stands still before an event has forgotten too: it is folded from its whole log.
        """
        for _ in range(TRIES):
            await self.compact(keys)
            stored = await self.reader.snapshots.load(keys)
            keys = [key for key, one in zip(keys, stored, strict=True) if needs_refold(one.tail) and not one.parked]
            if not keys:
                return
        raise Unavailable("compaction", f"{len(keys)} keys can't be folded")

    async def _compact_forever(self, worker: int) -> None:
        """Fold what is due; all but the first worker only while the backlog is long.

        So more of them join as it grows, and take from appends what they need to keep it from growing on.
        """
        log, name = structlog.get_logger(), self.reader.projection.name
        while True:
            await self._wake.wait()
            if len(self._due) <= worker * CALM_BACKLOG or (worker and not self.hasty):
                if not self._due:
                    self._wake.clear()
                await asyncio.sleep(IDLE_SECONDS)
                continue
            began, due_since = self.timer(), self._due_since
            keys = [self._due.popleft() for _ in range(min(BATCH_KEYS, len(self._due)))]
            if not self._due:
                self._wake.clear()
            try:
                await self.compact(keys)
            except AWAY as error:  # the log keeps everything; compaction may come later
                log.warning("compaction_delayed", projection=name, error=repr(error))
                self.request(keys)
                self._due_since = due_since
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception:  # noqa: BLE001  one key that can't be stored must not hold up the others
                await self._compact_singly(keys)
            self.metrics.fold_seconds.labels(name).observe(self.timer() - began)
            self.metrics.projection_lag_events.labels(name).set(len(self._due) * self.tail_events)
            self.metrics.projection_lag_seconds.labels(name).set(self.lag_seconds)
            self.metrics.heartbeat(f"compaction:{name}")
            if not self.hasty:
                await asyncio.sleep(LEISURE * (self.timer() - began))
            elif len(self._due) < CALM_BACKLOG:  # reads and appends go first while there is no need to hurry
                await asyncio.sleep(self.timer() - began)

    async def _compact_singly(self, keys: Sequence[KeyOfTenant]) -> None:
        log = structlog.get_logger()
        for tenant, key in keys:
            try:
                await self.compact([(tenant, key)])
            except Exception:
                log.exception("key_not_compacted", tenant=tenant, key=key.hex())

    async def compact(self, keys: Sequence[KeyOfTenant]) -> None:
        """Fold some keys now, whether they are due or not."""
        stored = await self.reader.snapshots.load(keys)
        compacted: list[Compacted] = []
        newly_parked: list[Compacted] = []
        for index, (key, one) in enumerate(zip(keys, stored, strict=True)):
            self._counts.pop(key, None)
            if one.tail and (folded := await self._fold(key, one)) is not None:
                (newly_parked if folded.parked and not one.parked else compacted).append(folded)
            if index % SLICE_KEYS == SLICE_KEYS - 1:
                await asyncio.sleep(0)
        await self.reader.snapshots.save(compacted + await self._that_may_be_parked(newly_parked))

    async def _that_may_be_parked(self, compacted: list[Compacted]) -> list[Compacted]:
        """As many as there is room for; the others stay as they are, uncompacted, and are read as well as before."""
        if not compacted:
            return compacted
        room = max(0, self.parked_keys - len(await self.horizons.parked()))
        if room < len(compacted):
            name = self.reader.projection.name
            self.metrics.parking_full.labels(name).set(1)
            structlog.get_logger().error("parking_full", projection=name, limit=self.parked_keys)
        return compacted[:room]

    async def _fold(self, key: KeyOfTenant, stored: Stored) -> Compacted | None:
        projection = self.reader.projection
        folded = await self.reader.state(key, stored)
        if folded.position == 0 and folded.parked is None:
            return None
        if projection.overfull(folded.state):
            folded = await self.reader.read_at(key)
            projection.trim(folded.state)
        return Compacted(
            *key,
            expected=stored.position if stored.state is not None else None,
            position=folded.position,
            recorded_at=folded.recorded_at,
            state=projection.encode(folded.state),
            parked=folded.parked,
        )

    async def _sweep_forever(self) -> None:
        """Learn of tails that were appended before this process started, then keep the horizons moving.

        What an older release parked is tried again: this one may know better.
        """
        log = structlog.get_logger()
        counted = False
        while True:
            try:
                if not counted:
                    for tenant, key, tail in await self.horizons.tails():
                        self.remember((tenant, key), tail)
                    self.request(await self.horizons.parked())
                    counted = True
                self._tell_parked(len(await self.horizons.parked()))
                stragglers = await self.horizons.stragglers()
                for start in range(0, len(stragglers), BATCH_KEYS):
                    await self.compact(stragglers[start : start + BATCH_KEYS])
                    await asyncio.sleep(BREATH_SECONDS)
                if await self.horizons.advance():
                    continue
            except Exception as error:  # noqa: BLE001  as above
                log.warning("sweep_delayed", projection=self.reader.projection.name, error=repr(error))
            await asyncio.sleep(self.sweep_seconds)

    def _tell_parked(self, keys: int) -> None:
        name = self.reader.projection.name
        self.metrics.dead_letters.labels(name).set(keys)
        self.metrics.parking_full.labels(name).set(keys >= self.parked_keys)
