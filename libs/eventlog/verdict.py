"""What becomes of events that were handed to a handler: it judges, and only the runtime acts."""

from dataclasses import dataclass
from typing import Final

import asyncpg
import grpc

from libs.runtime.errors import PortraitError


@dataclass(frozen=True, slots=True)
class Done:
    """Folded: commit."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The world is not ready: nothing was wrong with the events, so they are tried again for as long as it takes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """The events can't be folded by this release; `reason` is for the people who mend it."""

    reason: str


Verdict = Done | Retry | Park

DONE: Final = Done()

_DATABASE_PASSES: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # we stood still for so long that the server gave us up
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,  # another append recorded the same id at the same moment
    asyncpg.CheckViolationError,  # no range of the log takes a row of this moment yet
)

_CALL_PASSES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
    }
)


def verdict_on(error: Exception) -> Retry | Park:
    """The verdict on a handler that raised: troubles of database and network pass, everything else is about the events.

    A database or network failure that counted as the events' fault would park the world during an outage.
    """
    match error:
        case PortraitError(retryable=True):
            passes = True
        case grpc.RpcError():
            passes = getattr(error, "code", lambda: None)() in _CALL_PASSES
        case _:
            passes = isinstance(error, (*_DATABASE_PASSES, OSError))
    reason = f"{type(error).__name__}: {error}"
    return Retry(reason) if passes else Park(reason)
