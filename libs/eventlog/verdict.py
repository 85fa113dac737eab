"""What becomes of events that were handed to a handler: it judges, and only the runtime acts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import grpc
import msgspec

from libs.eventlog.event import NewEvent
from libs.runtime.errors import PortraitError


class Output(msgspec.Struct, frozen=True, gc=False):
    """An event for the service's own log, and the place in the consumed log of what caused it.

    Its id is a function of its cause, so that whoever derives it derives the same event.
    """

    partition: int
    position: int
    event: NewEvent


@dataclass(frozen=True, slots=True)
class Done:
    """Folded: commit, together with what follows from it."""

    outputs: Sequence[Output] = ()


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


class Refused(Exception):
    """A handler did not fold what it was given; the transaction is undone."""

    def __init__(self, verdict: Retry | Park) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


_DATABASE_PASSES: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # its state machine, surprised by a server that was killed
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # we stood still for so long that the server gave us up
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that has not been promoted yet
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being changed
    asyncpg.InvalidCatalogNameError,  # a database that is being restored
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
)

# Of the log's own tables: another append recorded the same id at the same moment, or no range takes a row of this
# moment yet. The same errors of other tables are the events' fault.
_LOG_TABLES: Final = re.compile("message_ids|log|log_from_[0-9]+")

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
        case Refused(verdict=verdict):
            return verdict
        case PortraitError(retryable=True):
            passes = True
        case grpc.RpcError():
            passes = getattr(error, "code", lambda: None)() in _CALL_PASSES
        case asyncpg.UniqueViolationError() | asyncpg.CheckViolationError():
            passes = _LOG_TABLES.fullmatch(error.table_name or "") is not None
        case _:
            passes = isinstance(error, (*_DATABASE_PASSES, OSError))
    reason = f"{type(error).__name__}: {error}"
    return Retry(reason) if passes else Park(reason)
