"""Whether a service should be sent calls: it should while it reaches its database."""

import asyncio
from typing import Final

import asyncpg

from libs.eventlog.database import TROUBLE
from libs.rpc.server import Server

LOOK_SECONDS: Final = 2.0


async def follow_database(server: Server, pool: asyncpg.Pool) -> None:
    """Ask for calls while the database answers, and for none while it does not, until cancelled."""
    ready = True
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await pool.fetchval("SELECT 1", timeout=LOOK_SECONDS)
            answers = True
        except TROUBLE:
            answers = False
        if answers is not ready:
            ready = answers
            await server.set_ready(ready)
