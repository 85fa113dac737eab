"""The life of a service: parts start in order, run until told to stop, and stop in reverse."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog
import uvloop

Part = TypeVar("Part")

GC_THRESHOLDS: Final = (50_000, 20, 50)  # for processes that fold and serve: their garbage has no cycles
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


class BackgroundFailed(Exception):  # named for what happened, as Portrait's other errors are
    """A background task ended with an error, and a service without it is none; the cause says why."""

    def __init__(self, name: str) -> None:
        super().__init__(f"background task {name!r} failed")
        self.name = name


class Lifecycle:
    """Starts parts and stops them in reverse; SIGTERM, SIGINT or the crash of a background task begin the end.

    A second signal exits at once, whatever is under way. Use it as a context; `run` does.
    """

    def __init__(self) -> None:
        self._parts = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._starting = True
        self._failure: BackgroundFailed | None = None

    async def start(self, part: AbstractAsyncContextManager[Part] | AbstractContextManager[Part]) -> Part:
        """Enter a part; it is left when everything started after it has stopped."""
        if isinstance(part, AbstractAsyncContextManager):
            return await self._parts.enter_async_context(part)
        return self._parts.enter_context(part)

    def background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside; it is cancelled and awaited when everything started after it has stopped."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._background_ended)
        self._parts.push_async_callback(_cancelled, task)

    async def until_stopped(self) -> None:
        """Wait for a signal; raises `BackgroundFailed` if a background task fails first."""
        self._starting = False
        await self._stopping.wait()
        if self._failure:
            raise self._failure

    async def __aenter__(self) -> Self:
        self._main = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        interrupted = isinstance(error, asyncio.CancelledError) and self._stopping.is_set()
        if interrupted and self._main:
            self._main.uncancel()
        await self._parts.aclose()
        if self._failure and error is not self._failure:
            raise self._failure
        return interrupted

    def _signalled(self, number: int) -> None:
        if self._stopping.is_set():
            os._exit(128 + number)
        log.info("service_stopping", signal=signal.Signals(number).name)
        self._stop()

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("background_failed", task=task.get_name(), exc_info=error)
        if self._failure is None:
            self._failure = BackgroundFailed(task.get_name())
            self._failure.__cause__ = error
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        if self._starting and self._main:
            # A part may be waiting for something that never comes, such as a database that is away.
            self._main.cancel()


def run(live: Callable[[Lifecycle], Awaitable[None]]) -> int:
    """Live a service's life: `live` starts the parts and awaits `until_stopped`. Returns the exit status.

    0 after a signal, 1 after an error, which is logged.
    """
    # What modules made at import lives for ever, and hot paths make garbage without cycles: look for it rarely.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)

    async def whole() -> None:
        async with Lifecycle() as lifecycle:
            await live(lifecycle)

    try:
        uvloop.run(whole())
    except BackgroundFailed as error:
        log.error("service_failed", error=str(error))  # noqa: TRY400  # its stack was logged when it happened
        return 1
    except Exception:
        log.exception("service_failed")
        return 1
    return 0


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    # Its failure, if it has one, was taken note of when it happened.
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
