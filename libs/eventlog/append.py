"""Group commit: appends that wait at the same moment share one transaction."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.log import Log
from libs.runtime.errors import PortraitError, QueueFull, ShuttingDown
from libs.telemetry.metrics import Metrics

GROUP_EVENTS: Final = 500
LARGEST_GROUP_EVENTS: Final = 2_500
LINGER_SECONDS: Final = 0.003
LARGEST_GROUP_BYTES: Final = 16 * 1024 * 1024
QUEUE_EVENTS: Final = 20_000
QUEUE_BYTES: Final = 128 * 1024 * 1024

Listener = Callable[[Sequence[NewEvent], Sequence[Appended]], None]


@dataclass(eq=False, slots=True)
class _Waiting:
    events: Sequence[NewEvent]
    bytes: int
    done: "asyncio.Future[list[Appended]]"


@dataclass(eq=False)
class Appender:
    """Queues appends in memory, bounded, and records what has gathered in one transaction after another.

    While one transaction is on its way the next one gathers, so that batches grow with the load and a lone append
    waits a few milliseconds at most. Listeners hear of every append after its commit.
    """

    log: Log
    metrics: Metrics
    queue_events: int = QUEUE_EVENTS
    listeners: list[Listener] = field(default_factory=list)
    _waiting: deque[_Waiting] = field(default_factory=deque, init=False)
    _queued: int = field(default=0, init=False)
    _queued_bytes: int = field(default=0, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Record events durably, in the order given; raises `QueueFull` when too many wait already."""
        if not events:
            return []
        size = sum(len(event.data) for event in events)
        if self._queued and (self._queued + len(events) > self.queue_events or self._queued_bytes + size > QUEUE_BYTES):
            raise QueueFull(self.queue_events)
        waiting = _Waiting(events, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._queued += len(events)
        self._queued_bytes += size
        self._wake.set()
        return await waiting.done

    async def run(self) -> None:
        """Record what gathers, until cancelled; what still waits then is told so."""
        try:
            while True:
                await self._wake.wait()
                if self._queued < GROUP_EVENTS:
                    await asyncio.sleep(LINGER_SECONDS)
                group = self._take()
                if group:
                    await self._record(group)
        finally:
            _fail(self._waiting, ShuttingDown())
            self._waiting.clear()

    async def drain(self) -> None:
        """Wait until nothing waits."""
        while self._queued:  # noqa: ASYNC110 - an event would have to be kept for this one moment of a life
            await asyncio.sleep(LINGER_SECONDS)

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        events = size = 0
        while self._waiting:
            waiting = self._waiting[0]
            events, size = events + len(waiting.events), size + waiting.bytes
            if group and (events > LARGEST_GROUP_EVENTS or size > LARGEST_GROUP_BYTES):
                break
            self._waiting.popleft()
            if waiting.done.cancelled():  # the caller's deadline passed or the caller is gone
                self._leave([waiting])
            else:
                group.append(waiting)
        if not self._waiting:
            self._wake.clear()
        return group

    async def _record(self, group: list[_Waiting]) -> None:
        try:
            await self._settle(group)
        except asyncio.CancelledError:  # on the way: whether it was recorded is unknown, and may be tried again
            _fail(group, ShuttingDown())
            raise
        finally:
            self._leave(group)

    def _leave(self, waiting: Sequence[_Waiting]) -> None:
        self._queued -= sum(len(one.events) for one in waiting)
        self._queued_bytes -= sum(one.bytes for one in waiting)
        self.metrics.append_queue.set(self._queued)

    async def _settle(self, group: list[_Waiting]) -> None:
        try:
            await self._commit(group)
        except Exception as error:  # noqa: BLE001  every error belongs to the callers of this group, not to the loop
            if len(group) == 1 or _concerns_everybody(error):
                _fail(group, error)
            else:  # one call's events must not fail the others'
                for waiting in group:
                    await self._settle([waiting])

    async def _commit(self, group: list[_Waiting]) -> None:
        events = [event for waiting in group for event in waiting.events] if len(group) > 1 else group[0].events
        began = perf_counter()
        places = await self.log.append(events)
        self.metrics.append_seconds.observe(perf_counter() - began)
        self.metrics.append_events.inc(len(events) - sum(place.duplicate for place in places))
        at = 0
        for waiting in group:
            mine = places[at : at + len(waiting.events)]
            at += len(waiting.events)
            if not waiting.done.done():
                waiting.done.set_result(mine)
        for listener in self.listeners:
            listener(events, places)


def _fail(waiting: Iterable[_Waiting], error: Exception) -> None:
    for one in waiting:
        if not one.done.done():
            one.done.set_exception(error)


def _concerns_everybody(error: Exception) -> bool:
    return isinstance(error, OSError | TimeoutError) or (isinstance(error, PortraitError) and error.retryable)
