import asyncpg
import pytest

from libs.eventlog.verdict import Park, Refused, Retry, verdict_on
from libs.runtime.errors import InvalidArgument, QueueFull, Unavailable


def of_table(error: asyncpg.PostgresError, table: str) -> asyncpg.PostgresError:
    error.table_name = table
    return error


OUTAGES = [
    asyncpg.PostgresConnectionError("gone"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.AdminShutdownError("restarting"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.DeadlockDetectedError("again"),
    asyncpg.SerializationError("again"),
    asyncpg.DiskFullError("no space"),
    asyncpg.InternalClientError("got result for unknown protocol state"),
    asyncpg.ReadOnlySQLTransactionError("a standby"),
    asyncpg.IdleInTransactionSessionTimeoutError("too slow"),
    asyncpg.InvalidPasswordError("changed"),
    of_table(asyncpg.UniqueViolationError("the same id at the same moment"), "message_ids"),
    of_table(asyncpg.CheckViolationError("no range yet"), "log"),
    ConnectionRefusedError(),
    TimeoutError(),
    Unavailable("postgresql", "gone"),
    QueueFull(10),
]

FAULTS = [
    ValueError("no such state"),
    KeyError("type"),
    asyncpg.NotNullViolationError("null"),
    asyncpg.UndefinedTableError("tags"),
    InvalidArgument("event", "unknown"),
    of_table(asyncpg.UniqueViolationError("duplicate"), "tags"),
    of_table(asyncpg.CheckViolationError("negative"), "logins"),
    asyncpg.DataError("invalid input for query argument $1"),
]


def test_what_a_handler_refuses_is_judged_as_it_said() -> None:
    for verdict in (Retry("not now"), Park("not ever")):
        assert verdict_on(Refused(verdict)) == verdict


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_troubles_of_database_and_network_never_park(error: Exception) -> None:
    assert isinstance(verdict_on(error), Retry)


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_what_is_wrong_with_the_events_parks(error: Exception) -> None:
    assert verdict_on(error) == Park(f"{type(error).__name__}: {error}")
