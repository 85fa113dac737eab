"""What time it is for a tenant here: the last moment up to which everything has been read.

Of what waits unread nothing may be known. Who took the clock for the time would say after an outage that somebody did
nothing for days, while what they did is being read.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import asyncpg
import structlog

from libs.eventlog.database import TROUBLE
from libs.eventlog.log_source import Standing
from libs.people.following import MAP
from libs.people.identity_events import LOG as IDENTITY
from libs.runtime.clock import Micros
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from services.tagging.folding import FEATURES, INTERACTIONS

REFRESH_SECONDS: Final = 0.4
ASK_SECONDS: Final = 0.02

_REACHED: Final = """
    SELECT consumer, partition, position FROM checkpoints WHERE (consumer, log) IN (($1, $2), ($3, $4))"""


class Tells(Protocol):
    """Another service, as far as it says how far it is."""

    async def standing(self) -> Standing:
        """See `GrpcLogSource.standing`."""
        ...


@dataclass(eq=False)
class Moments:
    """Takes the heads of the interactions with the clocks, and waits until all that follows from them is here."""

    pool: asyncpg.Pool
    interactions: Tells
    identity: Tells
    metrics: Metrics
    _now: Mapping[str, Micros] = field(default_factory=dict, init=False)

    def now(self, tenant: str) -> Micros | None:
        """The time of a tenant; None before everything has been read once, and while nothing ever happened to it."""
        return self._now.get(tenant)

    async def run(self) -> None:
        """Let time go on, until cancelled; it stands while a service is away or this one lags."""
        while True:
            try:
                await self.refresh()
            except (*TROUBLE, Unavailable) as error:
                structlog.get_logger().info("time_stands", error=repr(error))
            self.metrics.heartbeat("moments")
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Let it be the moment of this call, once that is true. Raises `Unavailable`."""
        told = await self.interactions.standing()
        followed = await self.identity.standing()
        while not _reaches(followed.consumed.get(INTERACTIONS, {}), told.heads):
            await asyncio.sleep(ASK_SECONDS)
            followed = await self.identity.standing()
        await self._reach(told.heads, followed.heads)
        self._now = told.clocks

    async def reach(self, partition: int, position: int) -> None:
        """Wait until a position of the interactions is folded here, and who is who behind it; raises `Unavailable`."""
        await self._reach({partition: position}, {})
        followed = await self.identity.standing()
        while followed.consumed.get(INTERACTIONS, {}).get(partition, 0) < position:
            await asyncio.sleep(ASK_SECONDS)
            followed = await self.identity.standing()
        await self._reach({}, followed.heads)

    async def _reach(self, interactions: Mapping[int, int], identity: Mapping[int, int]) -> None:
        """Wait until as much of both logs is folded here."""
        while True:
            here: dict[str, dict[int, int]] = {FEATURES: {}, MAP: {}}
            rows = await self.pool.fetch(_REACHED, FEATURES, INTERACTIONS, MAP, IDENTITY)
            for consumer, partition, position in rows:
                here[consumer][partition] = position
            if _reaches(here[FEATURES], interactions) and _reaches(here[MAP], identity):
                return
            await asyncio.sleep(ASK_SECONDS)


def _reaches(here: Mapping[int, int], heads: Mapping[int, int]) -> bool:
    return all(here.get(partition, 0) >= head for partition, head in heads.items())
