"""The versions of a lazy projection at work in one replica: each is kept up, one is read."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple

import asyncpg
import structlog

from libs.eventlog.compaction import Compactor
from libs.eventlog.database import UNREACHABLE
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.lazy import LazyReader
from libs.eventlog.projection import Folded, LazyProjection, State
from libs.eventlog.snapshots import KeyOfTenant, SnapshotsGone
from libs.eventlog.versions import KEPT_UP, UnknownFold, Version, VersionedProjection, Versions
from libs.runtime.errors import Unavailable

REFRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Living(Generic[State]):
    """One version: how it is read and kept up."""

    version: Version
    reader: LazyReader[State]
    compactor: Compactor[State]


class Reading(NamedTuple, Generic[State]):
    """States of keys, and the version that they are of."""

    version: Version
    states: list[Folded[State]]


@dataclass(eq=False)
class LivingProjection(Generic[State]):
    """Follows what the database says of the versions, and reads the one that is active.

    `open` makes reader and compactor of a version's projection. Another replica's switch is heard of within a second;
    until then reads here are of the version before, which is as exact.
    """

    declared: VersionedProjection[State]
    versions: Versions
    open: Callable[[LazyProjection[State]], tuple[LazyReader[State], Compactor[State]]]
    on_switch: Callable[[], None] = lambda: None
    _living: dict[int, Living[State]] = field(default_factory=dict, init=False)
    _active: int = field(default=0, init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def active(self) -> Living[State]:
        """The version that is read."""
        return self._living[self._active]

    @property
    def living(self) -> Sequence[Living[State]]:
        """Every version that is kept up, by number."""
        return [self._living[number] for number in sorted(self._living)]

    def knows(self, version: Version) -> bool:
        """Whether this release has the fold of a version."""
        try:
            self.declared.of(version)
        except UnknownFold:
            return False
        return True

    async def begin(self) -> None:
        """Make version 1 where there is none, and learn of what there is; raises `UnknownFold`."""
        await self.versions.begin(self.declared.first())
        await self.refresh()

    async def refresh(self) -> None:
        """Learn of the versions as they are now; raises `UnknownFold` if the active one can't be folded here."""
        async with self._refreshing:  # one after another, or an older answer would undo what a newer one said
            await self._refresh()

    async def _refresh(self) -> None:
        versions = {one.number: one for one in await self.versions.load() if one.state in KEPT_UP}
        for number, version in versions.items():
            known = self._living.get(number)
            if known is None or known.version.meaning != version.meaning:
                try:
                    projection = self.declared.of(version)
                except UnknownFold:
                    if version.state == "active":
                        raise
                    continue  # of a newer release, which keeps it up
                self._living[number] = Living(version, *self.open(projection))
            elif known.version != version:
                self._living[number] = Living(version, known.reader, known.compactor)
        for number in self._living.keys() - versions.keys():
            del self._living[number]
        before, self._active = self._active, next(n for n, one in versions.items() if one.state == "active")
        self._changed.set()
        if before not in {0, self._active}:
            structlog.get_logger().info("projection_switched", projection=self.declared.name, version=self._active)
            self.on_switch()

    async def read(self, keys: Sequence[KeyOfTenant]) -> Reading[State]:
        """State of every key, in their order, all of one version."""
        active = self.active
        try:
            return Reading(active.version, await active.reader.read(keys))
        except SnapshotsGone:  # switched and dropped, all within the last second
            await self.refresh()
            return Reading(self.active.version, await self.active.reader.read(keys))

    async def read_at(
        self, keys: Sequence[KeyOfTenant], *, as_of: int | None = None, known_at: int | None = None
    ) -> Reading[State]:
        """The same as of a past moment, see `LazyReader.read_at`."""
        active = self.active
        return Reading(
            active.version, [await active.reader.read_at(key, as_of=as_of, known_at=known_at) for key in keys]
        )

    def count(self, events: Sequence[NewEvent], places: Sequence[Appended]) -> None:
        """Listener of the appender."""
        for one in self._living.values():
            one.compactor.count(events, places)

    def request(self, keys: Iterable[KeyOfTenant]) -> None:
        """Make keys due for compaction at once, in every version."""
        due = list(keys)
        for one in self._living.values():
            one.compactor.request(due)

    async def forget(self, keys: Sequence[KeyOfTenant]) -> None:
        """Fold keys again in every version, see `Compactor.forget`.

        Raises `Unavailable` while a version is built, or is one that only a newer release keeps up.
        """
        await self.refresh()
        standing = {one.number for one in await self.versions.load()}
        for one in self.living:
            await one.compactor.forget(keys)
        if standing - self._living.keys():
            raise Unavailable("projection", f"a version of {self.declared.name} is not kept up here")

    async def run(self) -> None:
        """Keep every version up until cancelled; raises what a compactor does, and `UnknownFold`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            running: dict[int, tuple[Compactor[State], asyncio.Task[None]]] = {}
            while True:
                self._changed.clear()
                compactors = {number: one.compactor for number, one in self._living.items()}
                for number, (compactor, task) in list(running.items()):
                    if compactors.get(number) is not compactor:
                        task.cancel()
                        del running[number]
                for number in compactors.keys() - running.keys():
                    running[number] = compactors[number], tasks.create_task(compactors[number].run())
                await self._changed.wait()

    async def _follow(self) -> None:
        log = structlog.get_logger()
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except (*UNREACHABLE, asyncpg.PostgresError, Unavailable, TimeoutError) as error:
                log.warning("versions_not_refreshed", projection=self.declared.name, error=repr(error))
