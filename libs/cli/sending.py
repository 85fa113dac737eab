"""Sends rows to the collector: in batches, several at once, with patience; what is sent twice counts once."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

import grpc
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1.collector_service_pb2_grpc import CollectorStub

from libs.cli.bookmark import Bookmark
from libs.cli.calling import Calling
from libs.cli.errors import CommandFailed, refusal
from libs.cli.rows import Row, Source
from libs.cli.tally import Tally
from libs.rpc.client import details_of

BATCH_BYTES: Final = 2 * 1024 * 1024
FIRST_PAUSE: Final = 0.2  # seconds, doubled while the service refuses
LONGEST_PAUSE: Final = 5.0
PATIENCE: Final = 300.0  # seconds without any success
# Whether it was recorded is unknown then, and sending it again tells: its ids make it a duplicate.
_AGAIN: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})


class Watcher(Protocol):
    """Whoever shows how it goes; `read` is how much of the source was read, not always growing."""

    def advance(self, rows: int, read: int) -> None: ...
    def waiting(self, why: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How to send: `rows` at most in a batch, `at_once` batches in flight, and what they are marked with."""

    rows: int = 500
    at_once: int = 4
    import_id: str = ""
    mode: "log_pb.Mode.ValueType" = log_pb.MODE_LIVE


async def send(
    calling: Calling, source: Source, manner: Manner, bookmark: Bookmark | None, watcher: Watcher, tally: Tally
) -> None:
    """Collect what follows the bookmark, moving it along, and count what became of it.

    Raises `AioRpcError` for what no patience cures, and what reading the source raises.
    """
    started = monotonic()
    try:
        await _Sending(calling, manner, bookmark, watcher, tally).run(source)
    except* Exception as group:  # noqa: BLE001  raised again: one error ends a sending, not a group of them
        raise _first(group) from None
    finally:
        if bookmark:
            bookmark.save()
        tally.seconds += monotonic() - started


def batches(rows: Iterator[Row | None], after: int, most: int) -> Iterator[list[Row]]:
    """Rows behind `after`, at most so many at a time; fewer where the next one may take its time."""
    pending: list[Row] = []
    size = 0
    for row in rows:
        if row is not None and row.number <= after:
            continue
        length = len(row.document or b"") if row else 0
        if pending and (row is None or len(pending) == most or size + length > BATCH_BYTES):
            yield pending
            pending, size = [], 0
        if row is not None:
            pending.append(row)
            size += length
    if pending:
        yield pending


class _Sending:
    """One source on its way."""

    def __init__(
        self, calling: Calling, manner: Manner, bookmark: Bookmark | None, watcher: Watcher, tally: Tally
    ) -> None:
        self._calling = calling
        self._collector = CollectorStub(calling.channel)
        self._manner = manner
        self._bookmark = bookmark
        self._watcher = watcher
        self._tally = tally
        self._read_ahead = _ReadAhead(manner.at_once)
        self._answered: dict[int, int] = {}  # last row by batch, of those behind one that is still unanswered
        self._next = 0
        self._succeeded_at = monotonic()

    async def run(self, source: Source) -> None:
        after = self._bookmark.rows if self._bookmark else 0
        self._tally.skipped += after
        self._read_ahead.start(batches(source.rows(), after, self._manner.rows))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._manner.at_once):
                group.create_task(self._work())

    async def _work(self) -> None:
        while (batch := await self._read_ahead.next()) is not None:
            index, rows = batch
            sent = [row for row in rows if row.document is not None]
            if sent:
                answer = await self._deliver([row.document for row in sent if row.document is not None])
                self._tally.add(sent, answer.results)
            self._tally.too_large += [row.number for row in rows if row.document is None]
            self._settle(index, rows)

    async def _deliver(self, documents: list[bytes]) -> pb.CollectResponse:
        request = pb.CollectRequest(documents=documents, mode=self._manner.mode, import_id=self._manner.import_id)
        pause = FIRST_PAUSE
        while True:
            try:
                answer = await self._calling.ask(self._collector.Collect, request)
            except grpc.aio.AioRpcError as error:
                pause = await self._pause(error, pause)
            else:
                self._succeeded_at = monotonic()
                return answer

    async def _pause(self, error: grpc.aio.AioRpcError, seconds: float) -> float:
        """Wait before the same request may be sent again, and answer how long to wait next time; else raise."""
        details = details_of(error)
        if not (details.retryable or details.code in _AGAIN):
            raise error
        if monotonic() - self._succeeded_at > PATIENCE:
            raise CommandFailed(f"gave up after {PATIENCE:g} s; the last answer was: {refusal(details)}")
        self._watcher.waiting(refusal(details), seconds)
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311  spreads callers, guards nothing
        return min(2 * seconds, LONGEST_PAUSE)

    def _settle(self, index: int, rows: list[Row]) -> None:
        """Move the bookmark over what is answered without a gap."""
        self._watcher.advance(len(rows), rows[-1].read)
        self._answered[index] = rows[-1].number
        while self._next in self._answered:
            last = self._answered.pop(self._next)
            self._next += 1
            if self._bookmark:
                self._bookmark.reach(last)


class _ReadAhead:
    """Reads batches in a thread, for a stream may keep it waiting, and no further ahead than asked.

    The thread is a daemon: nothing can wake it from a silent stream, so nobody waits for it at the end.
    """

    def __init__(self, ahead: int) -> None:
        self._queue: asyncio.Queue[tuple[int, list[Row]] | Exception | None] = asyncio.Queue(ahead)
        self._loop = asyncio.get_running_loop()

    def start(self, found: Iterator[list[Row]]) -> None:
        threading.Thread(target=self._run, args=(found,), name="reader", daemon=True).start()

    async def next(self) -> tuple[int, list[Row]] | None:
        """The next batch with its index, or None to whoever asks after the last. Raises what reading raised."""
        item = await self._queue.get()
        if item is None or isinstance(item, Exception):
            await self._queue.put(item)
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self, found: Iterator[list[Row]]) -> None:
        try:
            for batch in enumerate(found):
                if not self._put(batch):
                    return
        except Exception as error:  # noqa: BLE001  raised again where it can be told
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: tuple[int, list[Row]] | Exception | None) -> bool:
        """Whether anybody still wants it."""
        putting = self._queue.put(item)
        try:
            asyncio.run_coroutine_threadsafe(putting, self._loop).result()
        except (CancelledError, RuntimeError):  # the loop is ending, or has ended
            putting.close()
            return False
        return True


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The error that ended the others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception), "cancellation is no part of such a group"
    return error
