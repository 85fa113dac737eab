"""An OTLP endpoint inside the tests: what services send here can be looked at."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc


class SpanReceiver:
    """Listens on a free port inside its `async with` block and keeps every span, by trace id."""

    def __init__(self) -> None:
        self._spans: dict[bytes, list[Any]] = defaultdict(list)
        self._arrived = asyncio.Condition()
        self._server = grpc.aio.server()
        add: Any = rpc.add_TraceServiceServicer_to_server
        add(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def Export(self, request: Any, context: Any) -> Any:  # gRPC names it
        async with self._arrived:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self._spans[span.trace_id].append(span)
            self._arrived.notify_all()
        return pb.ExportTraceServiceResponse()

    async def trace(self, trace_id: bytes, names: Collection[str]) -> Mapping[str, Sequence[Any]]:
        """The spans of a trace by name, once there is one of each of `names`; what is tried again has several."""
        async with asyncio.timeout(60), self._arrived:
            while not self._named(trace_id).keys() >= set(names):
                await self._arrived.wait()
            return self._named(trace_id)

    def _named(self, trace_id: bytes) -> Mapping[str, Sequence[Any]]:
        named: dict[str, list[Any]] = defaultdict(list)
        for span in self._spans[trace_id]:
            named[span.name].append(span)
        return named

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.stop(None)


def linked(span: Any) -> Sequence[bytes]:
    """The span ids that a span is linked to."""
    return [link.span_id for link in span.links]
