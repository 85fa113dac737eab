"""An event loop with virtual time, whose every choice comes from one seed."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, TypeVar, cast

ResultT = TypeVar("ResultT")

MOST_TURNS: Final = 30_000


class Stuck(Exception):
    """Nothing is left to do, or it never ends."""


class Process:
    """What dies together: no callback of a dead process runs again, and none of a frozen one until it is thawed."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.paused = False
        self.ending = False
        self.held: list[Entry] = []
        self._loops: list[asyncio.Task[None]] = []
        self.crash: BaseException | None = None
        self._context = copy_context()
        self._context.run(OWNER.set, self)

    def spawn(self, work: Coroutine[Any, Any, ResultT]) -> "asyncio.Task[ResultT]":
        """Run something as a part of the process."""
        return self.loop.create_task(work, context=self._context)

    def run(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run a loop of the process for as long as it lives; one that ends by itself is a crash."""
        task = self.spawn(loop)
        task.add_done_callback(self._crashed)
        self._loops.append(task)

    def _crashed(self, task: "asyncio.Task[None]") -> None:
        if self.ending and task.cancelled():
            return
        error = None if task.cancelled() else task.exception()
        self.crash = error or AssertionError("a loop ended by itself")

    def end(self) -> None:
        """Cancel its loops, as SIGTERM does, last started first; they may clean up."""
        self.ending = True
        for task in reversed(self._loops):
            task.cancel()

    def kill(self) -> None:
        """End it wherever it is; nothing is cleaned up."""
        self.alive, self.paused = False, True
        self.held.clear()

    def freeze(self) -> None:
        """Stop it as SIGSTOP does."""
        self.paused = True

    def thaw(self) -> None:
        """Let it go on."""
        if not self.alive:
            return
        self.paused = False
        held, self.held = self.held, []
        self.loop.ready += held


OWNER: Final[ContextVar[Process | None]] = ContextVar("owner", default=None)


Entry = tuple[Callable[..., Any], tuple[Any, ...], Context]


class Timer:
    """A callback of a later moment, and the handle by which it is cancelled."""

    __slots__ = ("_args", "_callback", "_when", "is_cancelled")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], when: float) -> None:
        self.is_cancelled = False
        self._callback = callback
        self._args = args
        self._when = when

    def run(self) -> None:
        """Run what is due, unless it was cancelled since it was ready."""
        if not self.is_cancelled:
            self._callback(*self._args)

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._when


class VirtualLoop:
    """Runs ready callbacks in an order drawn by chance; when none is ready, time jumps to the next that is due.

    It has what asyncio's tasks, futures and timeouts ask of a loop, and nothing of the real world.
    asyncio promises first come, first served; nothing here keeps that promise, because between processes nobody does.
    """

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.ready: list[Entry] = []
        self.turns = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self._now = 0.0
        self._timers: list[tuple[float, int, Timer, Context]] = []
        self._timer_number = 0

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        """Nobody cancels what is to run at once, so there is no handle to do it by."""
        self.ready.append((callback, args, context or copy_context()))

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        timer = Timer(callback, args, when)
        self._timer_number += 1
        heappush(self._timers, (when, self._timer_number, timer, context or copy_context()))
        return timer

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=cast("asyncio.AbstractEventLoop", self))

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> "asyncio.Task[Any]":
        task = asyncio.Task(coro, loop=cast("asyncio.AbstractEventLoop", self), name=name or "task", context=context)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Errors that nobody fetched belong to those whom a crash kept from fetching them."""

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run until `work` is done; raises `Stuck` if it never will be."""
        task: asyncio.Task[ResultT] = self.create_task(work)
        asyncio._set_running_loop(cast("asyncio.AbstractEventLoop", self))
        try:
            self._turn_until(task)
            return task.result()
        finally:
            self._bury()
            asyncio._set_running_loop(None)

    def _turn_until(self, task: "asyncio.Task[Any]") -> None:
        ready, draw, done, owner_of = self.ready, self.chance.random, task.done, Context.get
        turns = 0
        while not done():
            if not ready:
                self._advance()
                continue
            turns += 1
            if turns > MOST_TURNS:
                raise Stuck(f"no end after {MOST_TURNS} turns, at {self._now:.3f} s")
            entry = ready.pop()
            if ready and (chosen := int(draw() * (len(ready) + 1))) < len(ready):
                ready[chosen], entry = entry, ready[chosen]
            callback, args, context = entry
            owner = owner_of(context, OWNER)
            if owner is None or not owner.paused:
                context.run(callback, *args)
            elif owner.alive:
                owner.held.append(entry)
        self.turns = turns

    def _advance(self) -> None:
        timers = self._timers
        if not timers:
            raise Stuck(f"nothing left to do at {self._now:.3f} s")
        now = self._now = timers[0][0]
        while timers and timers[0][0] <= now:
            _, _, timer, context = heappop(timers)
            if not timer.is_cancelled:
                self.ready.append((timer.run, (), context))

    def _bury(self) -> None:
        """Close what never ended; whatever its cleaning up would do, nobody sees it any more."""
        self.ready.clear()
        for task in self.tasks:
            if not task.done():
                cast("Any", task)._log_destroy_pending = False
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        self.tasks.clear()
        self._timers.clear()


@contextlib.contextmanager
def owned_by(process: Process | None) -> Iterator[None]:
    """Do something in the name of a process, or of none."""
    token = OWNER.set(process)
    try:
        yield
    finally:
        OWNER.reset(token)
