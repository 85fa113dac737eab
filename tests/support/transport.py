"""What tests of relay and consumer share: a log to fill, a source that reads it directly, a handler that remembers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from nats.js import api
from nats.js.errors import NotFoundError

from libs.eventlog import feed
from libs.eventlog.checkpoint import Checkpoints, MemoryCheckpoints, MemorySavedPositions, SavedPositions
from libs.eventlog.consumer import Consumer, ConsumerSettings
from libs.eventlog.event import Batch, Envelope, NewEvent
from libs.eventlog.feed import StreamSettings
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.log import Log, LogReader
from libs.eventlog.memory import MemoryLog
from libs.eventlog.memory_letters import MemoryDeadLetters
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.relay import Relay, RelaySettings
from libs.eventlog.stream import BROKER_ERRORS, FIRST_POSITION, position_of, stream_name
from libs.eventlog.verdict import DONE, Verdict
from libs.runtime.clock import SystemClock
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

PARTITIONS = 4
WITHIN_SECONDS = 60.0
ANSWER_SECONDS = 20.0  # that a test waits for a broker that runs; who can try again waits for less

# As in production, but quick to look again; a broker that is only slow is no less patiently waited for.
BRISK = RelaySettings(linger_seconds=0.005, poll_seconds=0.02, report_seconds=0.2, save_seconds=0.05)
EAGER = ConsumerSettings(linger_seconds=0.005, wait_seconds=0.1, check_seconds=0.3, longest_pause_seconds=0.2)


class Streaming(LogReader, Protocol):
    def stream(self, partition: int, after: int) -> AsyncIterator[Batch]: ...


@dataclass(slots=True)
class DirectSource:
    """A `LogSource` in the process of the log itself; counts how often a gap was read from it."""

    log: Streaming
    reads: int = 0

    async def heads(self) -> dict[int, int]:
        return await self.log.heads()

    async def read(self, partition: int, after: int) -> AsyncIterator[Batch]:
        self.reads += 1
        async for batch in self.log.stream(partition, after):
            yield batch


@dataclass(slots=True)
class Memory:
    """A handler that remembers what it folded, and says what a test tells it to say."""

    positions: dict[int, list[int]] = field(default_factory=dict)
    judge: Callable[[Sequence[Batch]], Verdict] = lambda _: DONE
    transactions: int = 0

    async def fold(self, transaction: MemoryTransaction, batches: Sequence[Batch]) -> Verdict:
        verdict = self.judge(batches)
        if verdict is DONE:
            self.transactions += 1
            for batch in batches:
                run = range(batch.first_position, batch.last_position + 1)
                self.positions.setdefault(batch.partition, []).extend(run)
        return verdict

    async def has_more_than(self, events: int) -> bool:
        return sum(map(len, self.positions.values())) > events

    async def holds_all_of(self, log: LogReader) -> bool:
        """Every event once, in order."""
        heads = await log.heads()
        return {p: list(range(1, head + 1)) for p, head in heads.items() if head} == self.positions


def events(count: int, start: int = 0, size: int = 200) -> list[NewEvent]:
    """So many events of as many customers; the same numbers give the same events."""
    seal = Envelope(tenant="demo", type="interaction_recorded").seal()
    made = []
    for number in range(start, start + count):
        key = blake2b(b"key %d" % number, digest_size=16).digest()
        id_ = blake2b(b"id %d" % number, digest_size=16).digest()
        made.append(seal.event(id_, key, number, b"x" * size))
    return made


def memory_log(name: str = "interactions", partitions: int = PARTITIONS) -> MemoryLog:
    return MemoryLog(name, partitions, SystemClock())


async def append(log: Log, count: int, start: int = 0) -> None:
    """Append in batches of 500."""
    for first in range(start, start + count, 500):
        await log.append(events(min(500, start + count - first), first))


def relay_of(
    log: LogReader,
    broker: feed.Broker,
    saved: SavedPositions | None = None,
    metrics: Metrics | None = None,
    stream: StreamSettings | None = None,
    settings: RelaySettings = BRISK,
    partitions: Collection[int] | None = None,
) -> Relay:
    return Relay(
        log,
        broker,
        saved or MemorySavedPositions(),
        metrics or Metrics(),
        Traces.off(),
        partitions=partitions,
        stream=stream or StreamSettings(max_bytes=1 << 28),
        settings=settings,
    )


def consumer_of(
    log: Streaming,
    broker: Broker,
    memory: Memory,
    checkpoints: Checkpoints[MemoryTransaction] | None = None,
    source: DirectSource | None = None,
    metrics: Metrics | None = None,
    partitions: Collection[int] | None = None,
    traces: Traces | None = None,
    settings: ConsumerSettings = EAGER,
) -> Consumer[MemoryTransaction]:
    folding = Folding(
        "counts",
        log.name,
        checkpoints=checkpoints or MemoryCheckpoints(),
        letters=MemoryDeadLetters(SystemClock()),
        handler=memory.fold,
        outlet=OwnLog(memory_log("counts")),
    )
    return Consumer(
        folding,
        range(log.partitions) if partitions is None else partitions,
        broker=broker,
        source=source or DirectSource(log),
        metrics=metrics or Metrics(),
        traces=traces or Traces.off(),
        settings=settings,
    )


@dataclass(slots=True)
class Stream:
    """What a stream carries, read message by message."""

    broker: Broker
    log: LogReader

    async def messages(self) -> list[api.RawStreamMsg]:
        jetstream = (await self.broker.client()).jetstream(timeout=ANSWER_SECONDS)
        state = (await jetstream.stream_info(stream_name(self.log.name))).state
        messages = []
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            with suppress(NotFoundError):  # purged
                messages.append(await jetstream.get_msg(stream_name(self.log.name), seq=sequence, direct=True))
        return messages

    async def runs(self) -> dict[int, list[tuple[int, int]]]:
        """First and last positions on every subject; the headers are held equal to the messages."""
        runs: dict[int, list[tuple[int, int]]] = {partition: [] for partition in range(self.log.partitions)}
        for message in await self.messages():
            batch = Batch.from_wire(message.data or b"")
            assert batch.first_position == position_of(message.headers, FIRST_POSITION)
            assert batch.last_position == position_of(message.headers)
            runs[batch.partition].append((batch.first_position, batch.last_position))
        return runs

    async def reaches_the_heads(self) -> bool:
        """Whether the last message of every subject ends at the head; not while the broker is out of reach."""
        try:
            runs = await self.runs()
        except BROKER_ERRORS:
            return False
        return all(
            (runs[partition][-1][1] if runs[partition] else 0) == head
            for partition, head in (await self.log.heads()).items()
        )

    async def is_whole(self) -> bool:
        """Whether every subject carries its partition from the first event to the head, none twice."""
        heads = await self.log.heads()
        return all(
            [first for first, _ in runs] == [1, *(last + 1 for _, last in runs[:-1])]
            and runs[-1][1] == heads[partition]
            for partition, runs in (await self.runs()).items()
        )


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = WITHIN_SECONDS) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - servers set no events
            await asyncio.sleep(0.02)
