"""Waiting until what happened has been taken in here, and who is who behind it."""

import asyncio
from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.barrier import LOOK_SECONDS, Barrier
from libs.runtime.errors import InvalidArgument

_POSITION: Final = "SELECT position FROM checkpoints WHERE consumer = $1 AND log = $2 AND partition = $3"


@dataclass(frozen=True, slots=True)
class Reaching:
    """Waits for positions of a log that a consumer of ours folds, and for what the identity service makes of them."""

    pool: asyncpg.Pool
    consumer: str
    log: str
    partitions: int
    identified: Barrier

    async def reach(self, partition: int, position: int) -> None:
        """Wait for as long as it takes; raises `InvalidArgument`, and `Unavailable` where the identity service is."""
        if partition >= self.partitions:
            raise InvalidArgument("at_least.partition", f"the log has {self.partitions} partitions")
        await self.identified.reach(partition, position)
        while await self._position(partition) < position:  # noqa: ASYNC110  another replica may be the one that folds
            await asyncio.sleep(LOOK_SECONDS)

    async def _position(self, partition: int) -> int:
        position: int | None = await self.pool.fetchval(_POSITION, self.consumer, self.log, partition)
        return position or 0
