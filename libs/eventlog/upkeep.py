"""What a log needs now and then: ranges ahead of time, message ids forgotten, and erasures brought to their end."""

import asyncio
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from libs.eventlog.blanking import Blanking
from libs.eventlog.database import UNREACHABLE
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import SECOND, Clock
from libs.runtime.errors import PortraitError
from libs.telemetry.metrics import Metrics

PAUSE_SECONDS: Final = 30.0
FORGET_AT_ONCE: Final = 5_000
DAY: Final = 86_400 * SECOND

_FORGET = """
    DELETE FROM message_ids WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM message_ids WHERE recorded_at < $1 AND import_id = '' LIMIT $2))"""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Keeps a log in shape; a database that is away only delays it."""

    pool: asyncpg.Pool
    ranges: Ranges
    clock: Clock
    message_id_days: int
    metrics: Metrics
    blanking: Blanking | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        log = structlog.get_logger()
        while True:
            try:
                await self.ranges.cover(self.clock.now())
                forgotten = await self.forget()
                if self.blanking is not None:
                    await self.blanking.finish()
            except (*UNREACHABLE, asyncpg.PostgresError, PortraitError) as error:
                log.warning("upkeep_delayed", error=repr(error))
                forgotten = 0
            self.metrics.heartbeat("upkeep")
            if forgotten < FORGET_AT_ONCE:
                await asyncio.sleep(PAUSE_SECONDS)

    async def forget(self) -> int:
        """Forget some of the message ids whose window is over, imports excepted; answers how many."""
        done: str = await self.pool.execute(_FORGET, self.clock.now() - self.message_id_days * DAY, FORGET_AT_ONCE)
        return int(done.rsplit(" ", 1)[1])
