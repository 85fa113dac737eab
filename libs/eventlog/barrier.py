"""Waiting until what another service made of a position has arrived here."""

import asyncio
from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.checkpoint import consumed
from libs.eventlog.log_source import GrpcLogSource

ASK_SECONDS: Final = 0.02
LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Barrier:
    """A log that another service makes of ours, and of which we consume what it says.

    Behind the barrier, whatever follows from an event of `log` by way of `through` is folded here: the other service
    has consumed the event, and this one has consumed the other's log as far as it went then.
    """

    pool: asyncpg.Pool
    log: str
    through: str
    source: GrpcLogSource

    async def reach(self, partition: int, position: int) -> None:
        """Wait for as long as it takes; raises `Unavailable` while the other service does not answer."""
        standing = await self.source.standing()
        while standing.consumed.get(self.log, {}).get(partition, 0) < position:
            await asyncio.sleep(ASK_SECONDS)
            standing = await self.source.standing()
        here = await consumed(self.pool)
        while any(here.get(self.through, {}).get(part, 0) < head for part, head in standing.heads.items()):
            await asyncio.sleep(LOOK_SECONDS)
            here = await consumed(self.pool)
