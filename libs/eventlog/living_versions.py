"""What a replica does with the versions of a projection: keeps each of them up, and knows which one is read."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import structlog

from libs.eventlog.database import TROUBLE
from libs.eventlog.versions import KEPT_UP, Meaning, UnknownFold, Version, Versions
from libs.runtime.errors import Unavailable

REFRESH_SECONDS: Final = 1.0

One = TypeVar("One")


class Declared(Protocol):
    """A projection that exists in versions."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def of(self, version: Version, /) -> object:
        """How a version is folded; raises `UnknownFold`."""
        ...

    def first(self) -> Meaning:
        """The meaning of version 1."""
        ...


@dataclass(eq=False)
class LivingVersions(ABC, Generic[One]):
    """Follows what the database says of the versions. Another replica's switch is heard of within a second."""

    declared: Declared
    versions: Versions
    _known: dict[int, One] = field(default_factory=dict, init=False)
    _active: int = field(default=0, init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def active(self) -> One:
        """The version that is read."""
        return self._known[self._active]

    @property
    def living(self) -> Sequence[One]:
        """Every version that is kept up, by number."""
        return [self._known[number] for number in sorted(self._known)]

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

    @abstractmethod
    def _kept_up(self, version: Version, known: One | None) -> One:
        """How a version is kept up here; `known` says how it was a second ago. Raises `UnknownFold`."""

    @abstractmethod
    def _switched(self) -> None:
        """Hear that another version is read."""

    async def _refresh(self) -> None:
        versions = {one.number: one for one in await self.versions.load() if one.state in KEPT_UP}
        for number, version in versions.items():
            try:
                self._known[number] = self._kept_up(version, self._known.get(number))
            except UnknownFold:
                if version.state == "active":
                    raise
                # else it is of a newer release, which keeps it up
        for number in self._known.keys() - versions.keys():
            del self._known[number]
        before, self._active = self._active, next(n for n, one in versions.items() if one.state == "active")
        self._changed.set()
        if before not in {0, self._active}:
            structlog.get_logger().info("projection_switched", projection=self.declared.name, version=self._active)
            self._switched()

    async def _follow(self) -> None:
        """Refresh until cancelled; a database that is away only delays it."""
        log = structlog.get_logger()
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except (*TROUBLE, Unavailable) as error:
                log.warning("versions_not_refreshed", projection=self.declared.name, error=repr(error))
