"""Watching a person: their portrait now and after every change, of what is filed and of who they are."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import asyncpg
import structlog

from libs.eventlog.watch import Watch
from libs.people.person import Name, Person
from libs.people.postgres_identity_map import PostgresIdentityMap
from services.profile.domain.snapshot import fingerprint
from services.profile.queries.portraits import Portraits, Read

LOOK_SECONDS: Final = 0.2

_MOVED: Final = "SELECT sum(position) FROM checkpoints WHERE log = 'identity'"


class Watched(NamedTuple):
    """Whom somebody watches, and as whom they know them."""

    tenant: str
    name: Name
    person: Person


@dataclass(eq=False)
class Regrouping:
    """Wakes whoever watches a person who is made up otherwise than before. Looks at nothing while nobody watches.

    Any replica may have consumed what changed it, so it looks at the map, and only where the identity log moved on.
    """

    pool: asyncpg.Pool
    map: PostgresIdentityMap
    _watchers: dict[asyncio.Event, Watched] = field(default_factory=dict, init=False)
    _watched: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _looked_at: int | None = field(default=None, init=False)
    _look_anyway: bool = field(default=False, init=False)

    @contextmanager
    def watching(self, watched: Watched, changed: asyncio.Event) -> Iterator[None]:
        """Have an event set when a person is another than the one given."""
        self._watchers[changed] = watched
        self._look_anyway = True  # the map may have changed since the watcher looked
        self._watched.set()
        try:
            yield
        finally:
            del self._watchers[changed]
            if not self._watchers:
                self._watched.clear()

    async def run(self) -> None:
        """Look for the watchers until cancelled."""
        while True:
            await self._watched.wait()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  it looks again, so nothing is missed when the database is back
                structlog.get_logger().warning("watch_delayed", error=repr(error))
                self._look_anyway = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        moved = await self.pool.fetchval(_MOVED)
        if moved == self._looked_at and not self._look_anyway:
            return
        self._looked_at, self._look_anyway = moved, False
        tenants: dict[str, list[tuple[asyncio.Event, Watched]]] = {}
        for changed, watched in self._watchers.items():
            tenants.setdefault(watched.tenant, []).append((changed, watched))
        for tenant, those in tenants.items():
            people = await self.map.people(tenant, [watched.name for _, watched in those])
            for (changed, watched), person in zip(those, people, strict=True):
                if person != watched.person:
                    changed.set()


@dataclass(frozen=True, slots=True)
class Watching:
    """Tells of changes of one person."""

    portraits: Portraits
    watch: Watch
    regrouping: Regrouping | None = None

    async def changes(self, tenant: str, name: Name) -> AsyncIterator[Read]:
        """The portrait of a person now and after every change, until the caller leaves; none comes twice."""
        shown: object = None
        while True:
            (person,) = await self.portraits.people(tenant, [name])
            async with self.watch.changes(*((tenant, member.identifier) for member in person.members)) as changed:
                with self._regrouped(Watched(tenant, name, person), changed):
                    while True:
                        changed.clear()
                        if await self.portraits.people(tenant, [name]) != [person]:
                            break
                        read = await self.portraits.of(tenant, [person])
                        (seen,) = read.people
                        told = read.version.number, seen.person, seen.parked_at, fingerprint(seen.state)
                        if told != shown:
                            shown = told
                            yield read
                        await changed.wait()

    @contextmanager
    def _regrouped(self, watched: Watched, changed: asyncio.Event) -> Iterator[None]:
        if self.regrouping is None:
            yield
        else:
            with self.regrouping.watching(watched, changed):
                yield
