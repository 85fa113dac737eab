import json
import logging
import os
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.telemetry.logs import REDACTED, start_logs
from libs.telemetry.traces import Traces


@pytest.fixture
def stream() -> Iterator[StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    text = StringIO()
    start_logs("shop", "info", "json", text)
    yield text
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_record_is_one_json_object_with_service_trace_and_tenant(stream: StringIO) -> None:
    structlog.contextvars.bind_contextvars(tenant="demo")
    with (
        Traces.recording("shop", InMemorySpanExporter()).closing() as traces,
        traces.batch_span("append") as span,
    ):
        structlog.get_logger("x").info("batch_appended", events=500)
    assert span is not None
    record = json.loads(stream.getvalue())
    assert (record["event"], record["events"], record["level"]) == ("batch_appended", 500, "info")
    assert (record["service"], record["tenant"]) == ("shop", "demo")
    assert record["trace_id"] == f"{span.get_span_context().trace_id:032x}"


def test_nothing_personal_is_logged_however_deep(stream: StringIO) -> None:
    found = {"traits": {"city": "上海"}, "inner": [{"value": "+8613800138000", "type": "phone"}]}
    structlog.get_logger().info("refused", identifiers=["+8613800138000"], found=found, reason="MALFORMED")
    text = stream.getvalue()
    assert "138" not in text
    assert "上海" not in text
    record = json.loads(text)
    assert record["identifiers"] == REDACTED
    assert record["found"]["inner"][0]["type"] == "phone"
    assert record["reason"] == "MALFORMED"


def test_the_standard_library_logs_in_the_same_form(stream: StringIO) -> None:
    logging.getLogger("asyncio").warning("took %s s", 3)
    record = json.loads(stream.getvalue())
    assert (record["event"], record["level"], record["service"]) == ("took 3 s", "warning", "shop")


def test_what_is_below_the_level_is_not_logged(stream: StringIO) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("x").debug("detail")
    assert stream.getvalue() == ""


def test_an_error_is_logged_with_its_stack(stream: StringIO) -> None:
    try:
        _ = os.environ["LOST"]
    except KeyError:
        structlog.get_logger().exception("call_failed")
    record = json.loads(stream.getvalue())
    assert "KeyError: 'LOST'" in record["exception"]
    assert stream.getvalue().count("\n") == 1
