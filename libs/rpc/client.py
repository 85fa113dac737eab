"""Calling a service of Portrait: a channel that retries and balances, and errors that can be read.

`service_config.json` is published: a client in any language may use it as it is. It retries UNAVAILABLE, after which a
write may have happened, so writes carry a `request_id` (or message ids), which makes the repeat count once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2

from libs.rpc.credentials import NAME_METADATA, TENANT_METADATA
from libs.telemetry.traces import TRACEPARENT, traceparent_text

SERVICE_CONFIG: Final = Path(__file__).with_name("service_config.json")

_STATUS_DETAILS: Final = "grpc-status-details-bin"
_MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024


def channel(target: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.aio.Channel:
    """A channel to `host:port`, `dns:///name:port` or `unix:path`; connects when first used."""
    options = (
        ("grpc.service_config", SERVICE_CONFIG.read_text(encoding="utf-8")),
        ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # gRPC's own is two minutes: a service that was away for one would then be found late.
        ("grpc.max_reconnect_backoff_ms", 5_000),
    )
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def metadata_for(tenant: str, name: str = "") -> tuple[tuple[str, str], ...]:
    """What to send along with a call: on whose behalf (`*` as a service), who calls, and the trace it belongs to."""
    traceparent = traceparent_text()
    trace = ((TRACEPARENT, traceparent),) if traceparent else ()
    named = ((NAME_METADATA, name),) if name else ()
    return ((TENANT_METADATA, tenant), *named, *trace)


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What a service said about an error.

    `reason` is in UPPER_SNAKE and empty if the error is not Portrait's own, such as a connection that failed;
    `violations` maps field paths to what is wrong there; `retryable` says that the same request may be sent again.
    """

    code: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Mapping[str, str] = field(default_factory=dict)
    retryable: bool = False


def details_of(error: grpc.aio.AioRpcError) -> ErrorDetails:
    """Read the rich details of a failed call."""
    code, message = error.code().name, error.details() or ""
    status = _status_in(error)
    if status is None:
        return ErrorDetails(code, message, retryable=error.code() is grpc.StatusCode.UNAVAILABLE)
    info = _unpacked(status, error_details_pb2.ErrorInfo())
    bad_request = _unpacked(status, error_details_pb2.BadRequest())
    return ErrorDetails(
        code,
        message,
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else {},
        violations={one.field: one.description for one in bad_request.field_violations} if bad_request else {},
        retryable=_unpacked(status, error_details_pb2.RetryInfo()) is not None,
    )


def _status_in(error: grpc.aio.AioRpcError) -> Any:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None


def _unpacked(status: Any, into: Any) -> Any:
    for detail in status.details:
        if detail.Unpack(into):
            return into
    return None
