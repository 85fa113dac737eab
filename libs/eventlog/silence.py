"""Ending what a frozen replica left open, so that the others do not wait for it."""

import asyncio
from typing import Final

import asyncpg
import structlog

from libs.eventlog.database import TROUBLE

LOOK_SECONDS: Final = 2.0
SILENT_SECONDS: Final = 10.0

# Between two statements the server itself counts the silence (see `open_pool`); within a COPY it would wait for ever.
_END: Final = """
    SELECT pid, pg_terminate_backend(pid) AS ended FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
      AND state = 'active' AND wait_event = 'ClientRead' AND query ~ '^COPY "(log|message_ids)"'
      AND query_start < clock_timestamp() - make_interval(secs => $1)"""


async def end_silent_appends(pool: asyncpg.Pool) -> None:
    """Until cancelled, end appends whose process has stopped sending rows: they hold heads that all others need."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await end_those_silent_for(pool, SILENT_SECONDS)
        except TROUBLE as error:
            structlog.get_logger().warning("silence_not_seen", error=repr(error))


async def end_those_silent_for(pool: asyncpg.Pool, seconds: float) -> int:
    """End the appends that have waited for rows for so long; answers how many."""
    ended = await pool.fetch(_END, seconds)
    for row in ended:
        structlog.get_logger().warning("silent_append_ended", backend=row["pid"], ended=row["ended"])
    return len(ended)
