"""One trace from the call through the row in the log and the broker's headers to whoever consumes it.

Spans are per call and per batch. Without an endpoint nothing is recorded at all, and a span costs a function call.
Attribute names follow OpenTelemetry's semantic conventions for RPC.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Final, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

BatchSpan = Literal["append", "compact", "relay", "consume", "fold"]

TRACEPARENT: Final = "traceparent"

_BINARY_LENGTH: Final = 25
_TEXT_LENGTH: Final = 55
# More links than this say nothing more, and every one is sent.
_MOST_LINKS: Final = 32
# Codes by which a server fails, rather than its caller: only these make a span an error.
_SERVER_FAILURES: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)


class Traces:
    """Makes the spans of one service; made by `exporting`, `recording` or `off`."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("portrait") if provider else None

    @property
    def on(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    @staticmethod
    def off() -> "Traces":
        """Record nothing, at no cost."""
        return Traces(None)

    @staticmethod
    def exporting(service: str, endpoint: str | None, ratio: float = 1.0) -> "Traces":
        """Send spans to an OTLP endpoint such as `http://collector:4317`; without one, none are made.

        `ratio` is the share of traces that are recorded when they begin here; a caller's decision stands.
        """
        if not endpoint:
            return Traces.off()
        # Here, because only those who export should wait for it to load: the command line does not.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        return Traces.recording(service, OTLPSpanExporter(endpoint, insecure=not endpoint.startswith("https:")), ratio)

    @staticmethod
    def recording(service: str, exporter: SpanExporter, ratio: float = 1.0) -> "Traces":
        """Hand finished spans to an exporter in the background."""
        resource = Resource.create({"service.name": f"portrait-{service}", "service.namespace": "portrait"})
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return Traces(provider)

    def call_span(self, method: str, traceparent: str | None) -> AbstractContextManager[Span | None]:
        """The span of serving one call; `method` is `/package.Service/Method`, `traceparent` what the caller sent."""
        if self._tracer is None:
            return _NO_SPAN
        parent = span_context_from_text(traceparent) if traceparent else None
        return self._tracer.start_as_current_span(
            method[1:],
            context=_continuing(parent),
            kind=SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": method[1:]},
            record_exception=False,
            set_status_on_exception=False,
        )

    def batch_span(self, name: BatchSpan, links: Sequence[bytes] = ()) -> AbstractContextManager[Span | None]:
        """The span of work on a batch, linked to the spans that its events came from (binary traceparents).

        It is part of the trace of the first of them, and so recorded if that is.
        """
        if self._tracer is None:
            return _NO_SPAN
        origins = dict.fromkeys(origin for origin in links if origin)
        known = [span for span in map(span_context_from, islice(origins, _MOST_LINKS)) if span]
        return self._tracer.start_as_current_span(
            name,
            context=_continuing(known[0]) if known else None,
            kind=SpanKind.INTERNAL,
            links=[Link(span) for span in known],
        )

    def flush(self) -> None:
        """Send now what has been recorded."""
        if self._provider:
            self._provider.force_flush()

    def close(self) -> None:
        """Send what is left, and record no more."""
        if self._provider:
            self._provider.shutdown()

    @contextmanager
    def closing(self) -> Iterator["Traces"]:
        """Close at the end."""
        try:
            yield self
        finally:
            self.close()


_NO_SPAN: Final = nullcontext[Span | None](None)


def end_call(span: Span | None, code: str) -> None:
    """Note how a call ended; `code` is gRPC's name of it."""
    if span is None:
        return
    span.set_attribute("rpc.response.status_code", code)
    if code != "OK":
        span.set_attribute("error.type", code)
    if code in _SERVER_FAILURES:
        span.set_status(Status(StatusCode.ERROR))


def traceparent_bytes() -> bytes:
    """The current span as 25 bytes (16 trace id, 8 span id, 1 flags); empty if it is not recorded."""
    context = trace.get_current_span().get_span_context()
    if not context.trace_flags.sampled:
        return b""
    return context.trace_id.to_bytes(16) + context.span_id.to_bytes(8) + bytes((context.trace_flags,))


def span_context_from(traceparent: bytes) -> SpanContext | None:
    """The span that `traceparent_bytes` described; None if it is empty or no such thing."""
    if len(traceparent) != _BINARY_LENGTH:
        return None
    context = SpanContext(
        trace_id=int.from_bytes(traceparent[:16]),
        span_id=int.from_bytes(traceparent[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(traceparent[24]),
    )
    return context if context.is_valid else None


def span_context_from_text(traceparent: str) -> SpanContext | None:
    """The span that a W3C `traceparent` header names; None if it is malformed."""
    parts = traceparent.split("-")
    if len(traceparent) < _TEXT_LENGTH or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    try:
        return span_context_from(bytes.fromhex("".join(parts[1:4])))
    except ValueError:
        return None


def traceparent_text() -> str | None:
    """The current span as a W3C `traceparent` header; None if it is not recorded."""
    binary = traceparent_bytes().hex()
    return f"00-{binary[:32]}-{binary[32:48]}-{binary[48:]}" if binary else None


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current span into a message's headers, if it is recorded."""
    if text := traceparent_text():
        headers[TRACEPARENT] = text


def extract(headers: Mapping[str, str] | None) -> bytes:
    """The binary traceparent of a message's headers; empty if there is none."""
    context = span_context_from_text(headers[TRACEPARENT]) if headers and TRACEPARENT in headers else None
    if context is None:
        return b""
    return context.trace_id.to_bytes(16) + context.span_id.to_bytes(8) + bytes((context.trace_flags,))


def _continuing(parent: SpanContext | None) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
