"""Folding a version of a consumer's projection that is not read: in bulk, and never beyond the one that is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.event import Batch
from libs.eventlog.feed import heed_cancellation
from libs.eventlog.folding import Folding
from libs.eventlog.log import LogSource
from libs.telemetry.metrics import Metrics

TRANSACTION_EVENTS: Final = 5_000
IDLE_SECONDS: Final = 0.05
PAUSE_SECONDS: Final = 1.0

ConnectionT = TypeVar("ConnectionT")

Ceilings = Callable[[Sequence[int]], Awaitable[dict[int, int]]]
"""The positions of the version that is read, by partition."""


@dataclass(eq=False)
class Shadow(Generic[ConnectionT]):
    """Keeps some partitions of a version up with the version that is read, from the owner's log.

    A shadow that went ahead would have folded events whose outputs nobody has recorded yet, and after a switch nobody
    would. `partitions` may change from turn to turn, as leases do.
    """

    folding: Folding[ConnectionT]
    partitions: Collection[int]
    ceilings: Ceilings
    source: LogSource
    metrics: Metrics
    transaction_events: int = TRANSACTION_EVENTS
    positions: dict[int, int] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Follow until cancelled; outages are waited out."""
        told = structlog.get_logger().bind(consumer=self.folding.name, log=self.folding.log)
        while True:
            heed_cancellation()
            try:
                behind = await self.turn()
            except Fenced:
                await asyncio.sleep(IDLE_SECONDS)
            except Exception as error:  # noqa: BLE001  a shadow that stops could never be switched to
                told.warning("shadow_waits", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.metrics.heartbeat(f"shadow:{self.folding.name}")
                self.metrics.projection_lag_events.labels(self.folding.name).set(behind)
                if not behind:
                    await asyncio.sleep(IDLE_SECONDS)

    async def turn(self, done: Callable[[], Awaitable[None]] | None = None) -> int:
        """Fold up to where the version that is read stood a moment ago; how many events it is ahead by now.

        `done` is awaited after every transaction. Raises `Fenced` where another went on, and the next turn goes on from
        there, `ParkingFull` or what broke.
        """
        held = sorted(self.partitions)
        self.positions = {partition: at for partition, at in self.positions.items() if partition in held}
        if unknown := [partition for partition in held if partition not in self.positions]:
            self.positions |= await self.folding.checkpoints.load(unknown)
        try:
            for partition, ceiling in (await self.ceilings(held)).items():
                if self.positions[partition] < ceiling:
                    await self._follow(partition, ceiling, done)
        except Fenced:
            self.positions = {}
            raise
        ahead = await self.ceilings(held)
        return sum(max(0, ahead[partition] - self.positions[partition]) for partition in held)

    async def _follow(self, partition: int, ceiling: int, done: Callable[[], Awaitable[None]] | None) -> None:
        portion: list[Batch] = []
        batches = self.source.read(partition, self.positions[partition])
        try:
            async for batch in batches:
                portion.append(batch.until(ceiling))
                reached = batch.last_position >= ceiling
                if reached or sum(len(one.events) for one in portion) >= self.transaction_events:
                    await self.folding.fold(portion, self.positions)
                    portion = []
                    if done is not None:
                        await done()
                if reached:
                    return
        finally:
            if isinstance(batches, AsyncGenerator):  # what lies beyond the ceiling is not asked for
                await batches.aclose()
        if portion:
            await self.folding.fold(portion, self.positions)
