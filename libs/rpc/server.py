"""A gRPC server with everything a service of Portrait owes: health, reflection, limits, keep-alive, a clean end."""

from collections.abc import AsyncIterator, Callable, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from libs.rpc.calls import Calls
from libs.rpc.credentials import Authenticator
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

# Health by this name says whether to send calls here; by "" whether the process lives. They differ while a dependency
# is away: restarting the process would not bring it back.
READINESS: Final = "readiness"

# A batch of 4 MB and what is around it.
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024 + 64 * 1024

# More calls at once than that hear RESOURCE_EXHAUSTED; gRPC's own limit (1,000 that wait) would say CANCELLED.
MAX_CALLS: Final = 4_000

_SECOND: Final = 1000
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.server.max_pending_requests", 2 * MAX_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", 4 * MAX_CALLS),
    # A port that is taken is an error, rather than two servers of which each gets half of the calls.
    ("grpc.so_reuseport", 0),
    # Clients may ping every 20 s while idle (gRPC's own default cuts those who ping more than every 5 min).
    ("grpc.http2.min_ping_interval_without_data_ms", 15 * _SECOND),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 15 * _SECOND),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60 * _SECOND),
    ("grpc.keepalive_timeout_ms", 20 * _SECOND),
    # Clients reconnect now and then, and so find replicas that were added. Streams have the grace to end by.
    ("grpc.max_connection_age_ms", 30 * 60 * _SECOND),
    ("grpc.max_connection_age_grace_ms", 30 * 60 * _SECOND),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service and what serves it; `add` is the generated `add_…Servicer_to_server`."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens on `port`."""

    port: int
    _health: health.aio.HealthServicer
    _names: tuple[str, ...]

    async def set_ready(self, ready: bool) -> None:
        """Ask for calls, or ask for none for now; the process counts as alive either way."""
        answers = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._health.set(name, answers.SERVING if ready else answers.NOT_SERVING)


@asynccontextmanager
async def serve(
    services: Sequence[Service],
    *,
    host: str,
    port: int,
    authenticator: Authenticator,
    metrics: Metrics,
    traces: Traces,
    drain_seconds: float = 20.0,
    hand_validated: Container[str] = (),
    endless: Container[str] = (),
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[Server]:
    """Serve until left: then NOT_SERVING, running calls end within `drain_seconds`, and the port closes.

    Port 0 takes a free one. See `Calls` for `hand_validated` and `endless`; `credentials` are for TLS.
    """
    calls = Calls(authenticator, metrics, traces, hand_validated=hand_validated, endless=endless)
    server = grpc.aio.server(interceptors=[calls], options=_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
    for service in services:
        service.add(service.servicer, server)
    names = (READINESS, *(service.descriptor.full_name for service in services))
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection((*names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    bound = _bind(server, f"{host}:{port}", credentials)
    running = Server(bound, health_servicer, names)
    await running.set_ready(True)
    await server.start()
    try:
        yield running
    finally:
        # The port stays open while calls end, so that health can say NOT_SERVING and new calls hear SHUTTING_DOWN.
        await health_servicer.enter_graceful_shutdown()
        await calls.drain(drain_seconds)
        await server.stop(None)


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    if credentials is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, credentials)
