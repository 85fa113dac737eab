import asyncpg
import pytest

from libs.eventlog.verdict import Park, Retry, verdict_on
from libs.runtime.errors import InvalidArgument, QueueFull, Unavailable

OUTAGES = [
    asyncpg.PostgresConnectionError("gone"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.AdminShutdownError("restarting"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.DeadlockDetectedError("again"),
    asyncpg.SerializationError("again"),
    asyncpg.DiskFullError("no space"),
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
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_troubles_of_database_and_network_never_park(error: Exception) -> None:
    assert isinstance(verdict_on(error), Retry)


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_what_is_wrong_with_the_events_parks(error: Exception) -> None:
    assert verdict_on(error) == Park(f"{type(error).__name__}: {error}")
