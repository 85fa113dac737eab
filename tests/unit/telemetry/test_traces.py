from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from libs.telemetry.traces import (
    Traces,
    end_call,
    extract,
    inject,
    span_context_from,
    span_context_from_text,
    traceparent_bytes,
    traceparent_text,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_through_bytes_and_headers_unchanged() -> None:
    exporter = InMemorySpanExporter()
    headers: dict[str, str] = {}
    with Traces.recording("test", exporter).closing() as traces, traces.call_span("/portrait.X/Do", PARENT):
        binary = traceparent_bytes()
        inject(headers)
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert len(binary) == 25
    assert span_context_from(binary) == span_context_from_text(headers["traceparent"])
    assert extract(headers) == binary
    assert binary[:16].hex() == PARENT[3:35]
    assert binary[16:24].hex() == f"{span.context.span_id:016x}"
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]


def test_a_batch_is_linked_to_the_spans_its_events_came_from() -> None:
    exporter = InMemorySpanExporter()
    origin = bytes.fromhex(PARENT.replace("-", "")[2:])
    with (
        Traces.recording("test", exporter).closing() as traces,
        traces.batch_span("fold", [origin, b"", origin, b"odd"]),
    ):
        pass
    (span,) = exporter.get_finished_spans()
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [PARENT[3:35]]


def test_an_error_of_the_caller_is_no_error_of_the_server() -> None:
    exporter = InMemorySpanExporter()
    with Traces.recording("test", exporter).closing() as traces:
        for code in ("NOT_FOUND", "INTERNAL", "OK"):
            with traces.call_span("/portrait.X/Do", None) as span:
                end_call(span, code)
    spans = exporter.get_finished_spans()
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]
    assert [(span.attributes or {})["rpc.response.status_code"] for span in spans] == ["NOT_FOUND", "INTERNAL", "OK"]
    assert (spans[0].attributes or {})["rpc.system.name"] == "grpc"


def test_without_an_endpoint_nothing_is_recorded() -> None:
    traces = Traces.exporting("test", None)
    with traces.call_span("/portrait.X/Do", PARENT) as span, traces.batch_span("append") as inner:
        assert (span, inner) == (None, None)
        assert traceparent_bytes() == b""
        assert traceparent_text() is None
        headers: dict[str, str] = {}
        inject(headers)
    assert headers == {}
    assert extract(headers) == extract(None) == b""


def test_with_an_endpoint_spans_are_made() -> None:
    # Of no trace, so that nothing is sent to an endpoint that is not there.
    traces = Traces.exporting("test", "http://127.0.0.1:9", ratio=0.0)
    with traces.closing(), traces.call_span("/portrait.X/Do", None) as span:
        assert span is not None


def test_a_trace_that_is_not_sampled_leaves_no_bytes() -> None:
    traces = Traces.recording("test", InMemorySpanExporter(), ratio=0.0)
    with traces.closing(), traces.call_span("/portrait.X/Do", None):
        assert traceparent_bytes() == b""


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-fg]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True))
def test_a_malformed_header_is_no_parent(header: str) -> None:
    context = span_context_from_text(header)
    assert context is None or context.is_valid


@given(st.binary())
def test_malformed_bytes_are_no_parent(data: bytes) -> None:
    context = span_context_from(data)
    assert context is None or (context.is_valid and len(data) == 25)
