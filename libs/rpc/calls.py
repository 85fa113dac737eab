"""What happens around every call, in this order: telemetry, caller, deadline, validation, the handler, and its errors.

All four kinds of methods pass through one place, once: a chain of interceptors would cost a task's hop each.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import aclosing
from inspect import isawaitable
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
import protovalidate
import structlog
from google.protobuf.message import DecodeError, Message
from prometheus_client import Histogram

from libs.rpc.caller import enter_caller
from libs.rpc.credentials import Authenticator, metadata_value
from libs.rpc.deadline import remaining_seconds
from libs.rpc.errors import status_of
from libs.runtime.errors import DeadlineExceeded, InvalidArgument, ShuttingDown
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import TRACEPARENT, Traces, end_call

Context = grpc.aio.ServicerContext[Any, Any]

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:  # only the stubs know parameters of it
    Handler = grpc.RpcMethodHandler

# Health and reflection answer whoever asks, without tenant, trace or metrics.
_OF_GRPC_ITSELF: Final = "/grpc."
# How long telling the cut may take: a caller may have stopped reading.
_FAREWELL_SECONDS: Final = 1.0
_STATUS_DETAILS: Final = "grpc-status-details-bin"
_CODE_NAMES: Final = {code.value[0]: code.name for code in grpc.StatusCode}
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

log = structlog.get_logger(__name__)


class Calls(grpc.aio.ServerInterceptor):
    """The calls that a server is serving; `drain` sees them to their end.

    `hand_validated` and `endless` hold full method names (`/package.Service/Method`): those that check their requests
    themselves, and those that end only when the caller wants, which a shutdown does not wait for.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: Metrics,
        traces: Traces,
        *,
        hand_validated: Container[str] = (),
        endless: Container[str] = (),
    ) -> None:
        self.authenticator = authenticator
        self.metrics = metrics
        self.traces = traces
        self.validator = protovalidate.Validator()
        self.draining = False
        self._hand_validated = hand_validated
        self._endless = endless
        self._methods: dict[str, Handler] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._watching: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        name = handler_call_details.method
        known = self._methods.get(name)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or name.startswith(_OF_GRPC_ITSELF):
            return handler
        tasks = self._watching if name in self._endless else self._running
        method = _Method(name, handler, self, tasks, validated=name not in self._hand_validated)
        self._methods[name] = method.handler()
        return self._methods[name]

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, give running ones so long to end, then cut them; the cut are told to try elsewhere."""
        self.draining = True
        await _cut(self._watching)
        if self._running:
            # The tasks are gRPC's own, so when one is done its answer has been sent.
            _, late = await asyncio.wait(self._running.copy(), timeout=seconds)
            if late:
                log.warning("calls_cut_at_shutdown", calls=len(late))
                await _cut(late)


async def _cut(tasks: set[asyncio.Task[Any]]) -> None:
    cut = tasks.copy()
    for task in cut:
        task.cancel()
    if cut:
        await asyncio.wait(cut, timeout=_FAREWELL_SECONDS)


class _Method:
    """One method, served."""

    def __init__(
        self, name: str, handler: Handler, calls: Calls, tasks: set[asyncio.Task[Any]], *, validated: bool
    ) -> None:
        self.name = name
        self.calls = calls
        self.tasks = tasks
        self._handler = handler
        self._validated = validated
        # Kept, because to look a labelled metric up costs more than to observe it. gRPC has 17 codes.
        self._seconds: dict[str, Histogram] = {}
        # The stubs describe the threaded server's handlers.
        self._behaviour: Any = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        )

    def handler(self) -> Handler:
        """The method as gRPC is to call it."""
        inner = self._handler
        answer = self._stream if inner.response_streaming else self._answer
        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[bool(inner.request_streaming), bool(inner.response_streaming)]
        handler: Handler = make(answer, _tolerant(inner.request_deserializer), inner.response_serializer)
        return handler

    def seconds(self, code: str) -> Histogram:
        """How long calls took that ended with a code."""
        known = self._seconds.get(code)
        if known is None:
            known = self._seconds[code] = self.calls.metrics.rpc_seconds.labels(self.name[1:], code)
        return known

    async def _answer(self, request: Any, context: Context) -> Any:
        async with _Call(self, context) as call:
            call.admit()
            return await self._behaviour(self._checked(request), context)

    async def _stream(self, request: Any, context: Context) -> None:
        # Written here rather than yielded to gRPC: when the caller goes, the cancellation arrives in this frame and the
        # handler is closed at once, not when the garbage collector finds it.
        async with _Call(self, context) as call:
            call.admit()
            responses = self._behaviour(self._checked(request), context)
            if isawaitable(responses):
                await responses
                return
            async with aclosing(responses):
                async for response in responses:
                    await context.write(response)

    def _checked(self, request: Any) -> Any:
        return self._checked_stream(request) if self._handler.request_streaming else self._check(request)

    async def _checked_stream(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._check(request)

    def _check(self, request: Any) -> Any:
        if isinstance(request, _Malformed):
            raise InvalidArgument("", f"the request is not a protobuf message: {request.error}", "MALFORMED_REQUEST")
        if self._validated:
            self.calls.validator.validate(request)
        return request


class _Call:
    """One call, from its arrival to its status."""

    __slots__ = ("_context", "_method", "_scope", "_span", "_started", "_task")

    def __init__(self, method: _Method, context: Context) -> None:
        self._method = method
        self._context = context

    def admit(self) -> None:
        """Let the call pass, or raise why not."""
        calls = self._method.calls
        if calls.draining:
            raise ShuttingDown
        caller = calls.authenticator.caller(self._context)
        enter_caller(caller)
        structlog.contextvars.bind_contextvars(tenant=caller.tenant)
        if remaining_seconds(self._context) == 0:
            raise DeadlineExceeded

    async def __aenter__(self) -> Self:
        self._started = perf_counter()
        self._task = asyncio.current_task()
        if self._task:
            self._method.tasks.add(self._task)
        traces = self._method.calls.traces
        traceparent = metadata_value(self._context, TRACEPARENT) if traces.on else None
        self._scope = traces.call_span(self._method.name, traceparent)
        self._span = self._scope.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = None
        match error:
            case None:
                code = "OK"
            case grpc.aio.AbortError():
                code = _code_name(self._context.code())
            case asyncio.CancelledError() if not self._method.calls.draining:
                code = "DEADLINE_EXCEEDED" if remaining_seconds(self._context) == 0 else "CANCELLED"
            case asyncio.CancelledError():
                status = status_of(ShuttingDown())
                code = "UNAVAILABLE"
            case _:
                status = status_of(error)
                code = _CODE_NAMES[status.code]
        self._end(code, error)
        if status is not None:
            await self._context.abort(
                _CODES[status.code], status.message, ((_STATUS_DETAILS, status.SerializeToString()),)
            )

    def _end(self, code: str, error: BaseException | None) -> None:
        method = self._method
        if code == "INTERNAL":
            method.calls.metrics.unmapped_errors.labels(method.name[1:]).inc()
            log.error("call_failed", method=method.name[1:], exc_info=error)
        end_call(self._span, code)
        self._scope.__exit__(None, None, None)
        method.seconds(code).observe(perf_counter() - self._started)
        if self._task:
            method.tasks.discard(self._task)


class _Malformed:
    """Bytes that are not the message they should be. gRPC would answer INTERNAL if the deserializer raised."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def _tolerant(deserialize: Any) -> Callable[[bytes], Message | _Malformed]:
    def tolerant(data: bytes) -> Message | _Malformed:
        try:
            message: Message = deserialize(data)
        except (DecodeError, ValueError) as error:
            return _Malformed(error)
        return message

    return tolerant


def _code_name(code: Any) -> str:
    return code.name if isinstance(code, grpc.StatusCode) else _CODE_NAMES.get(code, "UNKNOWN")
