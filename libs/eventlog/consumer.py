"""The consumer of another service's log: one read loop for its partitions, and in each lane a transaction at a time."""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.event import Batch
from libs.eventlog.feed import Broker, Parcel, Subscription, heed_cancellation
from libs.eventlog.folding import Folding, ParkingFull
from libs.eventlog.log import LogSource
from libs.eventlog.verdict import Park, Retry, verdict_on
from libs.runtime.clock import Timer
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

ConnectionT = TypeVar("ConnectionT")

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """Pace of a consumer. A longer linger makes fewer, larger transactions.

    With `lanes`, more events than one transaction takes are folded in so many at a time, of different partitions: one
    computes while another waits for the database.
    """

    linger_seconds: float = 0.02
    wait_seconds: float = 0.5
    check_seconds: float = 1.0
    longest_pause_seconds: float = 2.0
    transaction_events: int = 5_000
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Goal:
    """A head of the log that was not reached when it was seen, and where the consumer stood at the last look."""

    head: int
    position: int
    seen_at: float


@dataclass(frozen=True, slots=True)
class Lag:
    """What is recorded and not yet folded: how many events, and for how long the first has been known."""

    events: int = 0
    seconds: float = 0.0


class Consumer(Generic[ConnectionT]):
    """Brings every event of some partitions to a handler, once in effect and in the order of each partition.

    The broker is only the fast way: positions prove completeness, and what is missing is read from the owner's log. The
    checkpoints move first in the handler's own transaction, so that of two replicas one is undone. An event that can't
    be folded is parked with the later ones of its key, and the other keys flow on; while database or network fail,
    events stay at the front and are tried again: nothing overtakes them. `partitions` may change from turn to turn, as
    leases do.
    """

    def __init__(
        self,
        folding: Folding[ConnectionT],
        partitions: Collection[int],
        *,
        broker: Broker,
        source: LogSource,
        metrics: Metrics,
        traces: Traces,
        settings: ConsumerSettings | None = None,
        timer: Timer = time.monotonic,
    ) -> None:
        self.name = folding.name
        self.log = folding.log
        self._folding = folding
        self._partitions = partitions
        self._feed = broker.feed(folding.log)
        self._source = source
        self._metrics = metrics
        self._traces = traces
        self._settings = settings or ConsumerSettings()
        self._held: frozenset[int] = frozenset()
        self._positions: dict[int, int] = {}
        self._waiting: list[Batch] = []
        self._origins: list[bytes] = []
        self._goals: dict[int, Goal] = {}
        self._timer = timer
        self._checked_at = timer()
        self._subscription: Subscription | None = None
        self.lag = Lag()

    async def run(self) -> None:
        """Consume until cancelled; outages are waited out, and what is waiting is never dropped."""
        pause = self._settings.linger_seconds
        try:
            while True:
                heed_cancellation()
                try:
                    await self.turn()
                except Fenced:
                    self._positions = {}
                    await asyncio.sleep(self._settings.linger_seconds)  # whoever moved them may be at it again
                except Exception as error:  # noqa: BLE001 - a consumer that stops freezes all that it feeds
                    self._tell(error)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, self._settings.longest_pause_seconds)
                else:
                    pause = self._settings.linger_seconds
                    self._metrics.heartbeat(f"consumer:{self.name}")
        finally:
            await self._leave()

    async def turn(self) -> None:
        """Receive what there is, read what is missing, fold all of it. Raises `Fenced`, `ParkingFull` or what broke."""
        await self._follow_leases()
        if not self._held:
            self._tell_lag(0, 0)
            await asyncio.sleep(self._settings.wait_seconds)
            return
        if not self._waiting:
            self._waiting = await self._receive()
        await self._fold_waiting()
        if self._timer() - self._checked_at >= self._settings.check_seconds:
            self._checked_at = self._timer()
            await self._check_heads()

    async def _follow_leases(self) -> None:
        """Forget whatever is known of partitions that were lost, and learn where those stand that were gained."""
        held = frozenset(self._partitions)
        if held != self._held:
            _logger.info("partitions_changed", consumer=self.name, log=self.log, held=sorted(held))
            self._held = held
            self._positions = {partition: self._positions[partition] for partition in held & self._positions.keys()}
            self._waiting = [batch for batch in self._waiting if batch.partition in held]
            self._goals = {partition: self._goals[partition] for partition in held & self._goals.keys()}
            await self._leave()
        unknown = held - self._positions.keys()
        if unknown:
            self._positions |= await self._folding.checkpoints.load(sorted(unknown))

    async def _receive(self) -> list[Batch]:
        """What the broker brought beyond our positions, partition by partition; nothing while it is down."""
        try:
            if self._subscription is None:
                self._subscription = await self._feed.subscribe(self._positions)
            parcels = await self._subscription.take(self._settings.wait_seconds, self._settings.linger_seconds)
        except Unavailable as error:
            if self._subscription is not None:
                _logger.info("subscription_lost", consumer=self.name, log=self.log, error=repr(error))
            await self._leave()
            await asyncio.sleep(self._settings.wait_seconds / 2)
            return []
        fresh = [parcel for parcel in parcels if self._is_fresh(parcel)]
        self._origins = [parcel.origin for parcel in fresh]
        batches = [Batch.from_wire(parcel.data) for parcel in fresh]
        return sorted(batches, key=lambda batch: (batch.partition, batch.first_position))

    def _is_fresh(self, parcel: Parcel) -> bool:
        return parcel.last_position > self._positions[parcel.partition]

    async def _fold_waiting(self) -> None:
        """Fold what is waiting, reading what is missing before it from the owner's log."""
        while self._waiting:
            await self._fold(self._connected(self._waiting))
            self._waiting = [batch for batch in self._waiting if batch.last_position > self._positions[batch.partition]]
            if self._waiting:
                behind_gap = self._waiting[0]
                await self._catch_up(behind_gap.partition, behind_gap.first_position - 1)

    def _connected(self, batches: Sequence[Batch]) -> Iterator[Batch]:
        """Of batches in order, what joins our positions without a gap, less what was folded before."""
        reached = dict(self._positions)
        for batch in batches:
            position = reached[batch.partition]
            if batch.first_position <= position + 1 and batch.last_position > position:
                reached[batch.partition] = batch.last_position
                yield batch.after(position)

    async def _fold(self, batches: Iterator[Batch]) -> None:
        """Hand connected batches to the handler."""
        connected = list(batches)
        fits = sum(len(batch.events) for batch in connected) <= self._settings.transaction_events
        lanes = [connected] if fits else _lanes(connected, self._settings.lanes)
        for failed in await asyncio.gather(*map(self._fold_lane, lanes), return_exceptions=True):
            if failed is not None:  # and the others have come as far as they could
                raise failed

    async def _fold_lane(self, batches: Iterable[Batch]) -> None:
        """Hand batches to the handler one after another, as many a transaction as it may take."""
        portion: list[Batch] = []
        for batch in batches:
            portion.append(batch)
            if sum(len(each.events) for each in portion) >= self._settings.transaction_events:
                await self._commit(portion)
                portion = []
        if portion:
            await self._commit(portion)

    async def _commit(self, batches: Sequence[Batch]) -> None:
        with (
            self._metrics.fold_seconds.labels(self.name).time(),
            self._traces.batch_span("consume", self._origins),
        ):
            await self._folding.fold(batches, self._positions)

    async def _catch_up(self, partition: int, position: int) -> None:
        """Read a partition from its owner, at least up to a position that is known to be recorded."""
        _logger.info("gap_read", consumer=self.name, log=self.log, partition=partition, up_to=position)
        portion: list[Batch] = []
        async for batch in self._source.read(partition, self._positions[partition]):
            portion.append(batch)
            if sum(len(each.events) for each in portion) >= self._settings.transaction_events:
                await self._fold_read(portion)
                portion = []
        await self._fold_read(portion)
        if self._positions[partition] < position:
            raise Unavailable(f"{self.log}_log", f"partition {partition} ends before position {position}")

    async def _fold_read(self, batches: Sequence[Batch]) -> None:
        """Fold what no message brought: it goes on with the traces of the calls that recorded it."""
        self._origins = [batch.origin() for batch in batches]
        await self._fold(self._connected(batches))

    async def _check_heads(self) -> None:
        """Look for what the broker never brought: a head seen a while ago, and no step towards it since."""
        try:
            heads = await self._source.heads()
        except Unavailable as error:
            _logger.info("heads_unknown", consumer=self.name, log=self.log, error=str(error))
            return
        now = self._timer()
        stuck = [
            partition
            for partition, goal in self._goals.items()
            if goal.position == self._positions[partition] < goal.head
        ]
        for partition in stuck:
            await self._catch_up(partition, self._goals[partition].head)
        if stuck:
            await self._leave()  # whatever it waits for, it is not what was published
        self._set_goals(heads, now)
        parked = await self._folding.letters.parked()
        self._metrics.dead_letters.labels(self.name).set(parked.letters)
        self._metrics.parking_full.labels(self.name).set(parked.keys >= self._folding.parked_keys)

    def _set_goals(self, heads: dict[int, int], now: float) -> None:
        goals = {}
        for partition, position in self._positions.items():
            head = heads[partition]
            goal = self._goals.get(partition)
            if goal is not None and position < goal.head:
                goals[partition] = Goal(goal.head, position, goal.seen_at)
            elif position < head:
                goals[partition] = Goal(head, position, now)
        self._goals = goals
        lag = sum(max(0, heads[partition] - position) for partition, position in self._positions.items())
        age = now - min((goal.seen_at for goal in goals.values()), default=now)
        self._tell_lag(lag, age)

    def _tell_lag(self, events: int, seconds: float) -> None:
        """Of our partitions; what those of others lag, they tell."""
        self.lag = Lag(events, seconds)
        self._metrics.projection_lag_events.labels(self.name).set(events)
        self._metrics.projection_lag_seconds.labels(self.name).set(seconds)

    async def _leave(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()

    def _tell(self, error: Exception) -> None:
        told = _logger.bind(consumer=self.name, log=self.log)
        match error, verdict_on(error):
            case ParkingFull(), _:
                self._metrics.parking_full.labels(self.name).set(1)
                told.error("parking_full", reason=str(error))
            case _, Retry(reason):
                told.warning("consumer_waits", reason=reason)
            case _, Park(reason):
                told.error("consumer_blocked", reason=reason, exc_info=error)


def _lanes(batches: Sequence[Batch], most: int) -> list[list[Batch]]:
    """Batches shared out by partition, in as many lanes at most."""
    partitions = sorted({batch.partition for batch in batches})
    return [
        [batch for batch in batches if batch.partition in mine]
        for mine in (partitions[lane::most] for lane in range(most))
        if mine
    ]
