"""A real server with a service whose methods do what a test tells them to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1 import collector_service_pb2_grpc as pb_grpc

from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import Server, Service, serve
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

PREFIX = "/portrait.profile.v1.Collector/"
Act = Callable[[Any], Awaitable[None]]


async def nothing(_: Any) -> None:
    """Answer at once."""


@dataclass(slots=True)
class Probe(pb_grpc.CollectorServicer):
    """A collector that records nothing: before it answers, it does what `act` says with the call's context."""

    act: Act = nothing
    requests: list[Any] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def Collect(self, request: Any, context: Any) -> pb.CollectResponse:  # gRPC names it
        self.requests.append(request)
        await self.act(context)
        return pb.CollectResponse()

    async def CollectStream(
        self, requests: Any, context: Any
    ) -> AsyncIterator[pb.CollectStreamResponse]:  # gRPC names it
        try:
            async for request in requests:
                self.requests.append(request)
                await self.act(context)
                yield pb.CollectStreamResponse()
        finally:
            self.closed.set()

    async def Retract(self, request: Any, context: Any) -> pb.RetractResponse:  # gRPC names it
        await self.act(context)
        return pb.RetractResponse(retracted=1)


@dataclass(slots=True)
class World:
    """A running server, and what it is made of."""

    probe: Probe
    server: Server
    metrics: Metrics
    traces: Traces
    exported: InMemorySpanExporter
    channel: grpc.aio.Channel

    @property
    def collector(self) -> pb_grpc.CollectorStub:
        return pb_grpc.CollectorStub(self.channel)

    def spans(self) -> tuple[ReadableSpan, ...]:
        self.traces.flush()
        return self.exported.get_finished_spans()

    def calls(self, method: str, code: str) -> float:
        labels = {"method": f"portrait.profile.v1.Collector/{method}", "code": code}
        return self.metrics.registry.get_sample_value("portrait_rpc_seconds_count", labels) or 0.0


Open = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def open_world() -> Open:
    @asynccontextmanager
    async def opened(act: Act = nothing, *, port: int = 0, **options: Any) -> AsyncIterator[World]:
        probe, metrics, spans = Probe(act), Metrics(), InMemorySpanExporter()
        traces = Traces.recording("probe", spans)
        add: Any = pb_grpc.add_CollectorServicer_to_server
        service = Service(pb.DESCRIPTOR.services_by_name["Collector"], add, probe)
        serving = serve(
            [service],
            host="127.0.0.1",
            port=port,
            authenticator=DevelopmentCredential(Tenants.demo()),
            metrics=metrics,
            traces=traces,
            **options,
        )
        with traces.closing():
            async with serving as server, channel(f"127.0.0.1:{server.port}") as connected:
                yield World(probe, server, metrics, traces, spans, connected)

    return opened


@pytest.fixture
async def world(open_world: Open) -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened
