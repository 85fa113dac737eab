"""Folding anchors anew from their owner's log, where what was folded was taken back, erased, or cut otherwise."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from libs.eventlog.checkpoint import PostgresCheckpoints
from libs.eventlog.database import Connection
from libs.eventlog.event import Recorded, partition_of
from libs.eventlog.log import KeySource
from libs.telemetry.metrics import Metrics
from services.tagging.domain.layers import BASE
from services.tagging.folding import FEATURES, INTERACTIONS, FeatureFold
from services.tagging.store import refolds
from services.tagging.store.places import share_map
from services.tagging.store.refolds import Refold

IDLE_SECONDS: Final = 0.5  # unless somebody saw that there is something
PAUSE_SECONDS: Final = 1.0
AT_ONCE: Final = 100

_POSITION: Final = "SELECT position FROM checkpoints WHERE consumer = $1 AND log = $2 AND partition = $3"


def consumer_of(layer: int) -> str:
    """The name of what folds a layer."""
    return FEATURES if layer == BASE else f"{FEATURES}:{layer}"


@dataclass(frozen=True, slots=True)
class Refolding:
    """Works off what is asked for. An anchor's checkpoint stands still meanwhile, so that nobody folds its events."""

    pool: asyncpg.Pool
    partitions: int
    anchors: KeySource
    fold_of: Callable[[int], FeatureFold | None]
    metrics: Metrics
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whoever sees that there is something to fold anew."""

    async def run(self) -> None:
        """Fold anew until cancelled; what fails is told and tried again."""
        log = structlog.get_logger()
        while True:
            self.asked.clear()
            try:
                busy = await self.turn()
            except Exception as error:  # noqa: BLE001  database or network, or an event that can't be read
                log.warning("refolding_waits", error=repr(error))
                busy = False
                await asyncio.sleep(PAUSE_SECONDS)
            self.metrics.heartbeat("refolding")
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.asked.wait(), IDLE_SECONDS)

    async def turn(self) -> bool:
        """Fold some of those anew that are asked for; whether there were any. What fails is raised behind the rest."""
        async with self.pool.acquire() as connection:
            asked = await refolds.next_ones(connection, AT_ONCE)
        failures: list[Exception] = []
        busy = False
        for one in asked:
            try:
                busy |= await self._fold(one)
            except Exception as error:  # noqa: BLE001  told by whoever called, behind all that can be done
                failures.append(error)
        if failures:
            raise failures[0]
        return busy

    async def _fold(self, refold: Refold) -> bool:
        fold = self.fold_of(refold.layer)
        if fold is None:  # another replica fills that layer
            return False
        consumer, partition = consumer_of(refold.layer), partition_of(refold.anchor, self.partitions)
        checkpoints = PostgresCheckpoints(self.pool, consumer, INTERACTIONS)
        await checkpoints.load([partition])
        async with checkpoints.hold(partition) as connection:
            await share_map(connection)  # before the row is held, because who learns of cuts asks for rows behind it
            if await refolds.take(connection, refold):
                position: int = await connection.fetchval(_POSITION, consumer, INTERACTIONS, partition)
                events = await self._events(connection, refold, consumer, position)
                await fold.fold_anew(connection, refold.tenant, refold.anchor, events)
        return True

    async def _events(self, connection: Connection, refold: Refold, consumer: str, until: int) -> list[Recorded]:
        """What the consumer has folded of an anchor."""
        parked = await refolds.parked(connection, consumer, INTERACTIONS, refold.tenant, refold.anchor)
        events: list[Recorded] = []
        async for page in self.anchors.read_key(refold.tenant, refold.anchor):
            events += [one for one in page if one.position <= until and one.position not in parked]
            await connection.execute("SELECT 1")  # a silent transaction is ended, and a long history takes long
        return events
