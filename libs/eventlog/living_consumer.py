"""The versions of a consumer's projection at work in one replica: one is live, the others follow as its shadows."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from libs.eventlog.checkpoint import consumed
from libs.eventlog.consumer import Consumer
from libs.eventlog.consumer_versions import ConsumerVersions, VersionedConsumer
from libs.eventlog.database import UNREACHABLE, Connection
from libs.eventlog.folding import Folding
from libs.eventlog.log import LogSource
from libs.eventlog.mending import ConsumerMender, Mender
from libs.eventlog.shadow import Shadow
from libs.eventlog.versions import KEPT_UP, UnknownFold, Version
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics

REFRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Following:
    """One version, and its two ways of being kept up."""

    version: Version
    folding: Folding[Connection]
    live: Consumer[Connection]
    shadow: Shadow[Connection]


@dataclass(eq=False)
class LivingConsumer:
    """Follows what the database says of the versions: keeps the active one up live, and the others behind it.

    Another replica's switch is heard of within a second. Until then it consumes live what is a shadow already, or the
    other way round; whose outputs count is asked in every transaction.
    """

    declared: VersionedConsumer
    versions: ConsumerVersions
    pool: asyncpg.Pool
    fold: Callable[[Version], Folding[Connection]]
    consume: Callable[[Folding[Connection]], Consumer[Connection]]
    source: LogSource
    partitions: Collection[int]
    metrics: Metrics
    _known: dict[int, Following] = field(default_factory=dict, init=False)
    _active: int = field(default=0, init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def active(self) -> Following:
        """The version that is read."""
        return self._known[self._active]

    @property
    def living(self) -> Sequence[Following]:
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
        versions = {one.number: one for one in await self.versions.load() if one.state in KEPT_UP}
        for number, version in versions.items():
            if version.state == "active" or (number not in self._known and self.knows(version)):
                self._known.setdefault(number, self._following(version))
        for number in self._known.keys() - versions.keys():
            del self._known[number]
        self._active = next(number for number, one in versions.items() if one.state == "active")
        self._changed.set()

    async def consumed(self) -> dict[str, dict[int, int]]:
        """How far the service has consumed each log: what its shadows lack, nobody waits for."""
        versions = await self.versions.load()
        return await consumed(self.pool, [one.name for one in versions if one.state != "active"])

    async def lag_of(self, version: Version) -> int:
        """Events that a version lacks, of the partitions that are this replica's."""
        held, following = sorted(self.partitions), self._known.get(version.number)
        lag = self.active.live.lag.events
        if version.number == self._active or following is None:
            return lag
        active = await self.active.folding.checkpoints.load(held)
        mine = await following.folding.checkpoints.load(held)
        return lag + sum(max(0, active[partition] - mine[partition]) for partition in held)

    async def run(self) -> None:
        """Keep every version up until cancelled; raises `UnknownFold`."""
        running: dict[tuple[int, bool], asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            while True:
                self._changed.clear()
                known = dict(self._known)  # it may change while tasks end
                wanted = {(number, number == self._active) for number in known}
                for role in running.keys() - wanted:
                    running[role].cancel()
                    await asyncio.wait([running.pop(role)])
                for number, live in wanted - running.keys():
                    one = known[number]
                    running[number, live] = tasks.create_task(one.live.run() if live else one.shadow.run())
                await self._changed.wait()

    def _following(self, version: Version) -> Following:
        folding = self.fold(version)

        async def ceilings(partitions: Sequence[int]) -> dict[int, int]:
            return await self.active.folding.checkpoints.load(partitions)

        shadow = Shadow(folding, self.partitions, ceilings, self.source, self.metrics)
        return Following(version, folding, self.consume(folding), shadow)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except (*UNREACHABLE, asyncpg.PostgresError, Unavailable, TimeoutError) as error:
                structlog.get_logger().warning(
                    "versions_not_refreshed", projection=self.declared.name, error=repr(error)
                )


@dataclass(frozen=True, slots=True)
class ConsumerMenders:
    """A mender for each version of a consumer that is kept up at the moment."""

    living: LivingConsumer

    def __iter__(self) -> Iterator[Mender]:
        for one in self.living.living:
            yield ConsumerMender(one.folding)
