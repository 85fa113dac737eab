from pathlib import Path
from typing import Any

import asyncpg
import protovalidate
import pytest
from google.rpc import code_pb2, error_details_pb2
from portrait.profile.v1 import collector_service_pb2, profiles_service_pb2

from libs.rpc.errors import UNMAPPED, status_of
from libs.runtime import errors


def detail(status: Any, kind: Any) -> Any:
    found = kind()
    return next((found for one in status.details if one.Unpack(found)), None)


def test_an_invalid_argument_names_its_field() -> None:
    status = status_of(errors.InvalidArgument("at.as_of", "lies in the future"))
    (violation,) = detail(status, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("at.as_of", "lies in the future")


def test_what_is_too_large_names_the_limit() -> None:
    status = status_of(errors.TooLarge("a batch", 3000, 2500))
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert detail(status, error_details_pb2.ErrorInfo).metadata["limit"] == "2500"


def test_broken_rules_become_violations_with_their_paths() -> None:
    people = [profiles_service_pb2.PersonReference(person_id="a" * 32), profiles_service_pb2.PersonReference()]
    with pytest.raises(protovalidate.ValidationError) as caught:
        protovalidate.validate(profiles_service_pb2.BatchGetProfilesRequest(people=people))
    status = status_of(caught.value)
    (violation,) = detail(status, error_details_pb2.BadRequest).field_violations
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert violation.field == "people[1].reference"


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (TimeoutError(), code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (asyncpg.QueryCanceledError(), code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (asyncpg.ConnectionDoesNotExistError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.CannotConnectNowError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.AdminShutdownError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.CrashShutdownError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.TooManyConnectionsError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.DeadlockDetectedError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.InternalClientError("cannot switch to state 11"), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("connection is closed"), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("pool is closing"), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (ConnectionRefusedError(), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (FileNotFoundError(2, "No such file or directory"), code_pb2.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
    ],
)
def test_what_libraries_raise_is_understood(error: Exception, code: int, reason: str) -> None:
    status = status_of(error)
    assert (status.code, detail(status, error_details_pb2.ErrorInfo).reason) == (code, reason)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("+86 138 0013 8000"),
        asyncpg.UniqueViolationError("Key (phone)=(+86 138 0013 8000) already exists"),
        asyncpg.InterfaceError("another operation is in progress"),
        FileNotFoundError(2, "No such file", "/etc/shop.yaml"),
    ],
)
def test_what_nobody_thought_of_is_internal_and_tells_nothing(error: Exception) -> None:
    status = status_of(error)
    assert status.code == code_pb2.INTERNAL
    assert detail(status, error_details_pb2.ErrorInfo).reason == UNMAPPED
    assert "138" not in str(status)


def test_a_missing_file_is_not_a_missing_database(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "nowhere").read_text()
    assert status_of(caught.value).code == code_pb2.INTERNAL


def test_a_status_fits_into_the_trailers_that_clients_take() -> None:
    request = profiles_service_pb2.BatchGetProfilesRequest(
        people=[profiles_service_pb2.PersonReference(person_id="错" * 500) for _ in range(900)]
    )
    with pytest.raises(protovalidate.ValidationError) as caught:
        protovalidate.validate(request)
    for error in (caught.value, errors.InvalidArgument("字" * 9000, "长" * 9000), errors.NotFound("a", "名" * 9000)):
        status = status_of(error)
        assert status.ByteSize() + 3 * len(status.message.encode()) < 8000
        assert status.details


def test_collectors_own_requests_are_understood_by_the_rules() -> None:
    with pytest.raises(protovalidate.ValidationError) as caught:
        protovalidate.validate(collector_service_pb2.RetractRequest())
    assert status_of(caught.value).message == "target: exactly one field is required in oneof"
