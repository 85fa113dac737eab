"""Connections to a service's own PostgreSQL database, with identifiers as raw bytes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg

from libs.runtime.errors import Unavailable

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

CLOSE_SECONDS: Final = 5.0
SILENT_TRANSACTION: Final = "10s"
"""How long the server waits for the next statement of a transaction.

A replica that froze or lost its network between two statements would hold its row locks, and so hold up all others.
"""

UNREACHABLE: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # its state machine, surprised by a server that was killed
    asyncpg.OperatorInterventionError,  # shutting down, starting up, ended by an administrator
    asyncpg.IdleInTransactionSessionTimeoutError,  # we stood still, and the server let go of what we had locked
    asyncpg.TooManyConnectionsError,
)
"""What asyncpg raises when the database is out of reach for now."""

TROUBLE: Final = (*UNREACHABLE, asyncpg.PostgresError, TimeoutError)
"""The same, and whatever else the database may answer: for background work, which comes round again."""


@contextmanager
def reaching() -> Iterator[None]:
    """Raise `Unavailable` where the database can't be reached; what was sent to it may or may not have been done."""
    try:
        yield
    except asyncpg.QueryCanceledError:  # an operator intervention too, but by our own time limit
        raise
    except UNREACHABLE as error:
        raise Unavailable("postgresql", type(error).__name__) from error


@asynccontextmanager
async def open_pool(url: str, *, size: int = 8, scans: bool = True) -> AsyncIterator[asyncpg.Pool]:
    """A pool whose connections read and write `uuid` columns as 16 raw bytes (a UUID object costs a microsecond).

    `scans=False` is for statements that are always served by an index. PostgreSQL keeps the plans of what is asked
    often, and one made while a table held next to nothing would go on reading all of it as it grows; and for an array
    of a thousand keys it would rather hash a whole table, unless it plans without a look at the array.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=_raw_identifiers,
        reset=_nothing_to_reset,
        command_timeout=60,
        server_settings={
            "application_name": "portrait",
            "jit": "off",
            "enable_seqscan": "on" if scans else "off",
            "plan_cache_mode": "auto" if scans else "force_generic_plan",
            "idle_in_transaction_session_timeout": SILENT_TRANSACTION,
        },
    )
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
        except TimeoutError:
            pool.terminate()


async def _nothing_to_reset(_: Any) -> None:
    """Nothing here changes a session, so nothing needs undoing; asyncpg's own reset would cost a round trip a call."""


async def _raw_identifiers(connection: Any) -> None:
    await connection.set_builtin_type_codec("uuid", schema="pg_catalog", codec_name="bytea", format="binary")
