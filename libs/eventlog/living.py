"""The versions of a lazy projection at work in one replica: each is kept up, one is read."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple

from libs.eventlog.compaction import Compactor
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.lazy import LazyReader
from libs.eventlog.living_versions import LivingVersions
from libs.eventlog.projection import Folded, LazyProjection, State
from libs.eventlog.snapshots import KeyOfTenant, SnapshotsGone
from libs.eventlog.versions import Version, VersionedProjection, Versions
from libs.runtime.errors import Unavailable


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
class LivingProjection(LivingVersions[Living[State]], Generic[State]):
    """Keeps every version compacted, and reads the one that is active.

    `open` makes reader and compactor of a version's projection. Until another replica's switch is heard of, reads here
    are of the version before, which is as exact.
    """

    declared: VersionedProjection[State]
    versions: Versions
    open: Callable[[LazyProjection[State]], tuple[LazyReader[State], Compactor[State]]]
    on_switch: Callable[[], None] = lambda: None

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
        for one in self._known.values():
            one.compactor.count(events, places)

    def request(self, keys: Iterable[KeyOfTenant]) -> None:
        """Make keys due for compaction at once, in every version."""
        due = list(keys)
        for one in self._known.values():
            one.compactor.request(due)

    async def forget(self, keys: Sequence[KeyOfTenant]) -> None:
        """Fold keys again in every version, see `Compactor.forget`.

        Raises `Unavailable` while a version is built, or is one that only a newer release keeps up.
        """
        await self.refresh()
        standing = {one.number for one in await self.versions.load()}
        for one in self.living:
            await one.compactor.forget(keys)
        if standing - self._known.keys():
            raise Unavailable("projection", f"a version of {self.declared.name} is not kept up here")

    async def run(self) -> None:
        """Keep every version up until cancelled; raises what a compactor does, and `UnknownFold`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            running: dict[int, tuple[Compactor[State], asyncio.Task[None]]] = {}
            while True:
                self._changed.clear()
                compactors = {number: one.compactor for number, one in self._known.items()}
                for number, (compactor, task) in list(running.items()):
                    if compactors.get(number) is not compactor:
                        task.cancel()
                        del running[number]
                for number in compactors.keys() - running.keys():
                    running[number] = compactors[number], tasks.create_task(compactors[number].run())
                await self._changed.wait()

    def _kept_up(self, version: Version, known: Living[State] | None) -> Living[State]:
        if known is None or known.version.meaning != version.meaning:
            known = Living(version, *self.open(self.declared.of(version)))
        known.compactor.hasty = version.state == "active"
        return replace(known, version=version)

    def _switched(self) -> None:
        self.on_switch()
