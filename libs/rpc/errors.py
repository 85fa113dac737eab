"""The one place where an error becomes a status: `google.rpc.Status` with ErrorInfo, BadRequest and RetryInfo.

A RetryInfo says that the same request may be sent again, and its absence that it may not. What is not known here is
INTERNAL with a text that tells nothing: it is a bug, and its own text may hold a customer's data.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import asyncpg
import grpc
import protovalidate
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from libs.runtime import errors

DOMAIN: Final = "portrait"
UNMAPPED: Final = "UNMAPPED_ERROR"

# A status travels in HTTP/2 trailers, of which clients take 8 KiB by default; more, and they see no reason at all.
_MOST_STATUS_BYTES: Final = 4096
_LONGEST_MESSAGE: Final = 400
_LONGEST_FACT: Final = 200

_RETRY_DELAY: Final = Duration(nanos=100_000_000)

_CODES: Final[Mapping[type[errors.PortraitError], int]] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.EtagMismatch: code_pb2.ABORTED,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.QueueFull: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
}

_DATABASE_TROUBLES: Final[Mapping[type[Exception], str]] = {
    asyncpg.PostgresConnectionError: "the connection was lost",
    # Its state machine, surprised by a server that was killed between two steps of preparing a statement.
    asyncpg.InternalClientError: "the connection was lost",
    asyncpg.OperatorInterventionError: "it is starting, stopping or recovering",
    asyncpg.InsufficientResourcesError: "it has run out of connections, memory or disk",
    asyncpg.TransactionRollbackError: "concurrent transactions were in each other's way",
    ConnectionError: "it can't be reached",
}


def status_of(error: BaseException) -> Any:
    """What a caller is told of an error, as a `google.rpc.Status`."""
    if isinstance(error, protovalidate.ValidationError):
        violations = [(field_path(found), found.proto.message) for found in error.violations]
        return _status(code_pb2.INVALID_ARGUMENT, _first(violations), "INVALID_ARGUMENT", {}, violations=violations)
    known = understood(error)
    if known is None:
        return _status(code_pb2.INTERNAL, "something went wrong inside the service", UNMAPPED, {})
    code = next((_CODES[kind] for kind in type(known).__mro__ if kind in _CODES), code_pb2.INTERNAL)
    violations = [(known.field, known.message)] if isinstance(known, errors.InvalidArgument) else []
    return _status(code, str(known), known.reason, known.facts, violations=violations, retryable=known.retryable)


def understood(error: BaseException) -> errors.PortraitError | None:
    """The error in Portrait's own terms, where it comes from a library; None if nobody has thought of it."""
    match error:
        case errors.PortraitError():
            return error
        case asyncpg.CharacterNotInRepertoireError():  # PostgreSQL's text holds everything but NUL
            return errors.InvalidArgument("", "text holds a NUL character", "INVALID_TEXT")
        case TimeoutError() | asyncpg.QueryCanceledError():
            return errors.DeadlineExceeded()
        case grpc.aio.AioRpcError():
            return _of_upstream(error)
        case _:
            trouble = _database_trouble(error)
            return errors.Unavailable("database", trouble) if trouble else None


def field_path(violation: protovalidate.Violation) -> str:
    """Where a protovalidate rule is broken, as in the proto: `people[3].identifier.value`."""
    field = violation.proto.field
    if field is None:
        return ""
    return ".".join(_step(element.field_name or "", element.subscript) for element in field.elements)


def _database_trouble(error: BaseException) -> str | None:
    """What keeps the database from answering, if the error says so."""
    if isinstance(error, asyncpg.InterfaceError):
        return "the connection is closed" if "clos" in str(error) else None
    if isinstance(error, FileNotFoundError):
        # A missing file has a name; a Unix socket that nobody listens on has none.
        return None if error.filename else "its socket is not there"
    return next((trouble for kind, trouble in _DATABASE_TROUBLES.items() if isinstance(error, kind)), None)


def _of_upstream(error: grpc.aio.AioRpcError) -> errors.PortraitError | None:
    match error.code():
        case grpc.StatusCode.UNAVAILABLE:
            return errors.Unavailable("upstream", "another service can't be reached")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return errors.DeadlineExceeded()
        case _:
            return None


def _status(
    code: int,
    message: str,
    reason: str,
    facts: Mapping[str, str],
    *,
    violations: Iterable[tuple[str, str]] = (),
    retryable: bool = False,
) -> Any:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    for name, fact in facts.items():
        info.metadata[name] = _cut(fact, _LONGEST_FACT)
    details = [info]
    if retryable:
        details.append(error_details_pb2.RetryInfo(retry_delay=_RETRY_DELAY))
    bad_request = error_details_pb2.BadRequest()
    room = _MOST_STATUS_BYTES - sum(detail.ByteSize() for detail in details)
    for field, description in violations:
        found = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(field, _LONGEST_FACT), description=_cut(description, _LONGEST_FACT)
        )
        if bad_request.ByteSize() + found.ByteSize() > room:
            break
        bad_request.field_violations.append(found)
    if bad_request.field_violations:
        details.append(bad_request)
    return status_pb2.Status(
        code=code, message=_cut(message, _LONGEST_MESSAGE), details=[_packed(one) for one in details]
    )


def _packed(detail: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _first(violations: list[tuple[str, str]]) -> str:
    (field, description), others = violations[0], len(violations) - 1
    more = f" (and {others} more)" if others else ""
    return f"{field}: {description}{more}" if field else f"{description}{more}"


def _step(name: str, subscript: Any) -> str:
    if subscript is None:
        return name
    return f'{name}["{subscript.value}"]' if isinstance(subscript.value, str) else f"{name}[{subscript.value}]"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
