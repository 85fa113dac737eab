"""The relay: tails a log and publishes it, batch by batch; it may fall behind, stop or run twice without harm."""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from libs.eventlog.checkpoint import SavedPositions
from libs.eventlog.event import Batch
from libs.eventlog.feed import Broker, NoStream, Oversized, Overtaken, StreamSettings, Tail, heed_cancellation
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS, LogReader
from libs.runtime.clock import Timer
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Pace of a relay. A shorter linger makes smaller, dearer batches; a longer one makes consumers wait."""

    linger_seconds: float = 0.05
    poll_seconds: float = 0.1
    publish_seconds: float = 2.0
    report_seconds: float = 1.0
    save_seconds: float = 5.0
    refusals: int = 3  # turns in a row in which a stream that can be read took nothing, after which it is made anew
    longest_republication: int = 100_000  # events of a partition; what is older, consumers read from the log


class Relay:
    """Publishes a log to its stream, one message a batch, one in flight a partition, all partitions at once.

    The end of each subject is the relay's memory: it resumes there, and every message names the sequence it must
    follow, so that of two relays one wins and the other looks again. `wake` is set by whoever appends; `partitions`
    (all, if not given) may change from turn to turn, as leases do.
    """

    def __init__(
        self,
        log: LogReader,
        broker: Broker,
        saved: SavedPositions,
        metrics: Metrics,
        traces: Traces,
        *,
        partitions: Collection[int] | None = None,
        wake: asyncio.Event | None = None,
        stream: StreamSettings | None = None,
        settings: RelaySettings | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        self._log = log
        self._feed = broker.feed(log.name)
        self._saved = saved
        self._metrics = metrics
        self._traces = traces
        self._partitions = range(log.partitions) if partitions is None else partitions
        self.wake = wake or asyncio.Event()
        self._stream = stream or StreamSettings()
        self._settings = settings or RelaySettings()
        self._tails: dict[int, Tail] = {}
        self._published: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._standing = ""
        self._refusals = 0
        self._timer = timer
        self._stored_at = self._reported_at = float("-inf")

    async def run(self) -> None:
        """Relay until cancelled; an outage of broker or database is waited out."""
        pause = self._settings.linger_seconds
        while True:
            heed_cancellation()
            try:
                full = await self.turn()
            except Exception as error:  # noqa: BLE001 - a relay that stops is worse than any error
                _logger.warning("relay_failed", log=self._log.name, error=repr(error))
                pause = min(2 * pause, 1.0)
                with suppress(Exception):  # the log may be away as well
                    await self._report()  # while the broker is away, everybody looks at the lag
                await asyncio.sleep(pause)
                continue
            pause = self._settings.linger_seconds
            self._metrics.heartbeat(f"relay:{self._log.name}")
            if not full:
                await asyncio.sleep(pause)
                await self._woken()

    async def turn(self) -> bool:
        """Publish what is recorded, a batch a partition; whether more is likely to wait already."""
        held = list(self._partitions)
        for lost in self._tails.keys() - set(held):  # somebody else publishes there now, behind our back
            del self._tails[lost]
        unknown = [partition for partition in held if partition not in self._tails]
        if unknown:
            await self._resume(unknown)
        ends = {partition: tail.position for partition, tail in self._tails.items()}
        batches = await self._log.read(ends) if ends else []
        outcomes = await asyncio.gather(*map(self._publish, batches), return_exceptions=True)
        if outcomes:
            self._refusals = self._refusals + 1 if all(isinstance(one, Unavailable) for one in outcomes) else 0
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        await self._account()
        return any(
            len(batch.events) >= BATCH_EVENTS or sum(map(len, batch.events)) > BATCH_BYTES // 2 for batch in batches
        )

    async def _woken(self) -> None:
        try:
            await asyncio.wait_for(self.wake.wait(), self._settings.poll_seconds)
        except TimeoutError:
            return
        self.wake.clear()

    async def _publish(self, batch: Batch) -> None:
        """Publish one batch; where the outcome is not known, the subject's end is read again before the next."""
        tail = self._tails.pop(batch.partition)
        origin = batch.origin()
        try:
            with self._traces.batch_span("relay", [origin]):
                sequence = await self._feed.publish(
                    batch, follows=tail.sequence, origin=origin, seconds=self._settings.publish_seconds
                )
        except Oversized:
            # Consumers see the gap and read the log itself; waiting here would hold up the partition for ever.
            _logger.warning("batch_too_large", log=self._log.name, first=batch.first_position)
            sequence = tail.sequence
        except Overtaken:
            return
        self._tails[batch.partition] = Tail(batch.last_position, sequence)
        self._published[batch.partition] = batch.last_position
        self._metrics.relay_published.inc(len(batch.events))

    async def _resume(self, partitions: list[int]) -> None:
        """Find the ends of subjects; at the start, and when all of them are in doubt, see to the stream itself."""
        try:
            if not self._tails:
                await self._see_to_stream()
            found = await asyncio.gather(*map(self._feed.end, partitions))
        except Unavailable as error:
            self._refusals = 0  # it is the broker that does not answer, not the stream
            if isinstance(error, NoStream):
                self._tails.clear()
            raise
        if self._refusals >= self._settings.refusals:
            await self._begin_anew()
            return
        # Read after the messages: what is published is recorded, so a subject that is ahead of the heads is not ours.
        heads = await self._log.heads()
        if not self._published:
            self._published = await self._saved.load()
        for partition, tail in zip(partitions, found, strict=True):
            head = heads[partition]
            if tail is not None and 0 < tail.position <= head:
                self._tails[partition] = tail
                self._published[partition] = tail.position
                continue
            if tail is not None:
                _logger.warning("foreign_subject_purged", log=self._log.name, partition=partition)
                await self._feed.purge(partition)
            reached = min(self._published.setdefault(partition, 0), head)
            self._tails[partition] = Tail(max(reached, head - self._settings.longest_republication), 0)

    async def _begin_anew(self) -> None:
        """Give up a stream that takes nothing any more: one of nats-server's never does again once a write has failed,
        even when the disk has room. What it held, consumers read from the log.
        """
        _logger.warning("stream_given_up", log=self._log.name)
        self._refusals = 0
        self._tails.clear()
        await self._feed.discard(self._standing)

    async def _see_to_stream(self) -> None:
        """Have a stream; what another relay made anew has refused nothing yet."""
        standing = await self._feed.ensure(self._log.partitions, self._stream)
        if standing != self._standing:
            self._standing, self._refusals = standing, 0

    async def _account(self) -> None:
        """Say how far behind we are, see to the stream, and save how far we came: each now and then."""
        now = self._timer()
        if now - self._reported_at >= self._settings.report_seconds:
            self._reported_at = now
            await self._see_to_stream()
            await self._report()
        if now - self._stored_at >= self._settings.save_seconds and self._published != self._stored:
            self._stored_at = now
            await self._saved.save(self._published)
            self._stored = dict(self._published)

    async def _report(self) -> None:
        heads = await self._log.heads()
        if not self._published:
            self._published = await self._saved.load()
        # Where an outage put a subject's end in doubt, what was last published there stands for it.
        ends = {**self._published, **{partition: tail.position for partition, tail in self._tails.items()}}
        held = {partition: ends[partition] for partition in self._partitions if partition in ends}
        self._metrics.relay_lag_events.labels(self._log.name).set(_lag(heads, held))


def _lag(heads: Mapping[int, int], ends: Mapping[int, int]) -> int:
    return sum(max(0, heads[partition] - end) for partition, end in ends.items())
