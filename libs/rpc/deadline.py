"""The caller's deadline, handed down to the database, so that nobody works for a caller who has gone."""

from typing import Any

import grpc

from libs.runtime.errors import DeadlineExceeded


def remaining_seconds(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Seconds until the caller gives up, 0 at the least; None if there is no deadline."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else max(remaining, 0.0)


def sql_timeout(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Seconds that a query may take, as asyncpg's `timeout`; raises `DeadlineExceeded` if none are left.

    asyncpg cancels the query on the server when they are over and raises TimeoutError, which becomes
    DEADLINE_EXCEEDED. (0 would not do: asyncpg then waits a moment for a connection all the same.)
    """
    remaining = remaining_seconds(context)
    if remaining is not None and remaining <= 0:
        raise DeadlineExceeded
    return remaining
