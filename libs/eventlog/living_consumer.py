"""The versions of a consumer's projection at work in one replica: one is live, the others follow as its shadows."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import asyncpg

from libs.eventlog.checkpoint import consumed
from libs.eventlog.consumer import Consumer
from libs.eventlog.consumer_versions import ConsumerVersions, VersionedConsumer
from libs.eventlog.database import Connection
from libs.eventlog.folding import Folding
from libs.eventlog.living_versions import LivingVersions
from libs.eventlog.log import LogSource
from libs.eventlog.mending import ConsumerMender, Mender
from libs.eventlog.shadow import Shadow
from libs.eventlog.versions import Version
from libs.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Following:
    """One version, and its two ways of being kept up."""

    version: Version
    folding: Folding[Connection]
    live: Consumer[Connection]
    shadow: Shadow[Connection]


@dataclass(eq=False)
class LivingConsumer(LivingVersions[Following]):
    """Keeps the active version up live, and the others behind it.

    Until another replica's switch is heard of, it consumes live what is a shadow already, or the other way round; whose
    outputs count is asked in every transaction.
    """

    declared: VersionedConsumer
    versions: ConsumerVersions
    pool: asyncpg.Pool
    fold: Callable[[Version], Folding[Connection]]
    consume: Callable[[Folding[Connection]], Consumer[Connection]]
    source: LogSource
    partitions: Collection[int]
    metrics: Metrics

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

    def _kept_up(self, version: Version, known: Following | None) -> Following:
        if known is not None:
            return replace(known, version=version)
        folding = self.fold(version)

        async def ceilings(partitions: Sequence[int]) -> dict[int, int]:
            return await self.active.folding.checkpoints.load(partitions)

        shadow = Shadow(folding, self.partitions, ceilings, self.source, self.metrics)
        return Following(version, folding, self.consume(folding), shadow)

    def _switched(self) -> None:
        """`run` sees to it."""


@dataclass(frozen=True, slots=True)
class ConsumerMenders:
    """A mender for each version of a consumer that is kept up at the moment."""

    living: LivingConsumer

    def __iter__(self) -> Iterator[Mender]:
        for one in self.living.living:
            yield ConsumerMender(one.folding)
