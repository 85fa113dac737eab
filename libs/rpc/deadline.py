"""The caller's deadline. When it passes, the call's task is cancelled, and asyncpg cancels its query with it."""

from typing import Any

import grpc


def remaining_seconds(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Seconds until the caller gives up, 0 at the least; None if there is no deadline."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else max(remaining, 0.0)
