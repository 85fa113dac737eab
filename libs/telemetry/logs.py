"""Structured logs: one JSON object a line on stderr, with the trace they belong to and nothing personal in them."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import Processor

LogLevel = Literal["debug", "info", "warning", "error"]
LogForm = Literal["json", "console"]

REDACTED: Final = "[redacted]"

# A log outlives an erasure and is read by people who may not see customers: what could tell who somebody is stays out.
# Ids, keys (HMACs), positions, types and counts are what to log instead.
PERSONAL: Final = frozenset(
    {
        "address",
        "claimed",
        "context",
        "document",
        "documents",
        "email",
        "identified",
        "identifier",
        "identifiers",
        "interaction",
        "interactions",
        "openid",
        "payload",
        "phone",
        "properties",
        "request",
        "traits",
        "value",
        "values",
    }
)


def start_logs(service: str, level: LogLevel = "info", form: LogForm = "json", stream: TextIO = sys.stderr) -> None:
    """Send structlog's and the standard library's records to `stream` in one form; call it once, first of all."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Service(service),
        add_trace,
        redact,
    ]
    render: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    if form == "console":
        render = [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def add_trace(_: Any, __: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the current span, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"] = f"{context.trace_id:032x}"
        record["span_id"] = f"{context.span_id:016x}"
    return record


def redact(_: Any, __: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank everything personal, however deep."""
    for name, value in record.items():
        record[name] = REDACTED if name in PERSONAL else _redacted(value)
    return record


def _redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: REDACTED if name in PERSONAL else _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


class _Service:
    """Names the service in every record."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: Any, __: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        record["service"] = self._service
        return record
