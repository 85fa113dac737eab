"""A world: collectors, relays, a broker and consumers on one log, and everything that may happen to them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from libs.eventlog.append import QUEUE_EVENTS, Appender
from libs.eventlog.checkpoint import MemorySavedPositions
from libs.eventlog.compaction import Compactor
from libs.eventlog.consumer import Consumer, ConsumerSettings
from libs.eventlog.dead_letters import PARKED_KEYS
from libs.eventlog.feed import StreamSettings
from libs.eventlog.folding import Folding
from libs.eventlog.lazy import LazyReader
from libs.eventlog.lease_store import MemoryLeases
from libs.eventlog.leases import Leases
from libs.eventlog.memory import MemoryHorizons, MemoryLog, MemorySnapshots
from libs.eventlog.memory_feed import MemoryBroker
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.mending import ConsumerMender
from libs.eventlog.projection import LazyProjection
from libs.eventlog.relay import Relay, RelaySettings
from libs.eventlog.watch import Watch
from libs.runtime.clock import SECOND
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.simulation.ledger import Counting, Ledger, LedgerSession, LinkedLetters
from tests.simulation.linked import (
    LinkedBroker,
    LinkedHorizons,
    LinkedLeases,
    LinkedLog,
    LinkedSavedPositions,
    LinkedSnapshots,
    LinkedSource,
)
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Link, Network, RowLock
from tests.support.logs import NOON
from tests.support.tally import TALLY, Tally

LOG: Final = "interactions"
PARTITIONS: Final = 2
LEASING: Final = 0.4  # of all worlds; in the others all replicas race for all partitions
LEASE_SECONDS: Final = 2.0

PACE: Final = RelaySettings(linger_seconds=0.05, poll_seconds=0.7, save_seconds=1.0, longest_republication=12)


class Unmeasured(Metrics):
    """Nobody looks at the heart of what lives for milliseconds."""

    def heartbeat(self, loop: str) -> None:
        pass


METRICS: Final = Unmeasured()
STEP: Final = ConsumerSettings(linger_seconds=0.02, transaction_events=6)


@dataclass(frozen=True)
class Parts:
    """What a world is made of. A mutant is a world in which one of them is broken."""

    log: type[MemoryLog] = MemoryLog
    snapshots: type[MemorySnapshots] = MemorySnapshots
    session: type[LedgerSession] = LedgerSession
    counting: type[Counting] = Counting
    letters: type[LinkedLetters] = LinkedLetters
    consumer: type[Consumer[MemoryTransaction]] = Consumer
    relay: type[Relay] = Relay
    projection: LazyProjection[Tally] = TALLY
    reader: type[LazyReader[Tally]] = LazyReader
    compactor: type[Compactor[Tally]] = Compactor
    watch: type[Watch] = Watch
    mender: type[ConsumerMender[MemoryTransaction]] = ConsumerMender


@dataclass(eq=False)
class WorldClock:
    """The clock of the databases: it goes with virtual time, and is set by whoever likes to."""

    loop: VirtualLoop
    ahead: int = 0

    def now(self) -> int:
        """See `Clock.now`."""
        return NOON + self.ahead + int(self.loop.time() * SECOND)


@dataclass(eq=False)
class Collector:
    """What a replica of the owner's service consists of."""

    process: Process
    appender: Appender
    compactor: Compactor[Tally]
    reader: LazyReader[Tally]
    watch: Watch


@dataclass(eq=False)
class Replica:
    """What a replica of the consuming service consists of."""

    process: Process
    mender: ConsumerMender[MemoryTransaction]


class World:
    """Servers that outlive every process, and the processes of the moment."""

    def __init__(self, seed: int, parts: Parts, *, told: list[str] | None = None) -> None:
        self.chance = Random(seed)
        self.metrics = METRICS
        self.parts = parts
        self.loop = VirtualLoop(self.chance)
        self.network = Network(self.loop, self.chance, told=told)
        self.clock = WorldClock(self.loop)
        self.owner = Link(self.network, "owner")
        self.way = Link(self.network, "broker")
        self.service = Link(self.network, "ledger")
        self.log = parts.log(LOG, PARTITIONS, self.clock)
        self.snapshots = parts.snapshots(self.log)
        self.horizons = MemoryHorizons(self.log, self.snapshots, lag_events=self.chance.choice((1, 3, 1_000)))
        self.saved = MemorySavedPositions()
        self.broker = MemoryBroker()
        self.leases = MemoryLeases(self.clock) if self.chance.random() < LEASING else None
        self.ledger = Ledger(MemoryLog("counts", PARTITIONS, self.clock), RowLock(self.loop))
        self.letters = parts.letters(self.clock, self.service)
        self.parked_keys = self.chance.choice((1, PARKED_KEYS))
        self.collectors: list[Collector] = []
        self.consumers: list[Replica] = []
        self.processes: list[Process] = []

    # --- starting and ending processes --------------------------------------------------------------------------------

    def start_collector(self, name: str) -> Collector:
        """Start a replica of the owner's service: it appends, compacts and relays."""
        process = self._process(name)
        log = LinkedLog(self.log, self.owner)
        reader = self.parts.reader(self.parts.projection, log, LinkedSnapshots(self.snapshots, self.owner))
        horizons = LinkedHorizons(self.horizons, self.owner)
        compactor = self.parts.compactor(
            reader,
            horizons,
            self.metrics,
            tail_events=3,
            parked_keys=self.parked_keys,
            sweep_seconds=1.0,
            timer=self.loop.time,
        )
        recorded = asyncio.Event()
        appender = Appender(log, self.metrics, self.chance.choice((4, QUEUE_EVENTS)))
        appender.listeners += [compactor.count, lambda _, __: recorded.set()]
        watch = self.parts.watch(log)
        relay = self.parts.relay(
            log,
            LinkedBroker(self.broker, self.way),
            LinkedSavedPositions(self.saved, self.owner),
            self.metrics,
            Traces.off(),
            partitions=self._partitions(process, f"relay:{LOG}", self.owner),
            wake=recorded,
            stream=StreamSettings(max_bytes=self.chance.choice((1_500, 1 << 20))),
            settings=PACE,
            timer=self.loop.time,
        )
        for loop in (appender, compactor, relay, watch):
            process.run(loop.run())
        collector = Collector(process, appender, compactor, reader, watch)
        self.collectors = [one for one in self.collectors if one.process.name != name] + [collector]
        return collector

    def start_consumer(self, name: str) -> None:
        """Start a replica of the consuming service."""
        process = self._process(name)
        session = self.parts.session(self.ledger, self.service)
        folding = Folding(
            "counting",
            LOG,
            checkpoints=session,
            letters=self.letters,
            handler=self.parts.counting(self.ledger, self.service, self.chance).fold,
            outlet=session,
            parked_keys=self.parked_keys,
        )
        consumer = self.parts.consumer(
            folding,
            self._partitions(process, "consumer:counting", self.service),
            broker=LinkedBroker(self.broker, self.way),
            source=LinkedSource(self.log, self.owner),
            metrics=self.metrics,
            traces=Traces.off(),
            settings=STEP,
            timer=self.loop.time,
        )
        process.run(consumer.run())
        replica = Replica(process, self.parts.mender(folding))
        self.consumers = [one for one in self.consumers if one.process.name != name] + [replica]

    def restart(self, name: str) -> None:
        """Start a process anew, whether or not the last one of that name still lives."""
        self.kill(name)
        if name.startswith("collector"):
            self.start_collector(name)
        else:
            self.start_consumer(name)

    def end(self, name: str) -> None:
        """Tell the process of a name to end, as SIGTERM does."""
        for process in self.processes:
            if process.name == name and process.alive:
                self.network.tell(f"SIGTERM {name}")
                process.end()

    def kill(self, name: str) -> None:
        """End the process of a name as kill -9 does; the database notices."""
        for process in self.processes:
            if process.name == name and process.alive:
                self.network.tell(f"kill -9 {name}")
                process.kill()
                if self.ledger.lock.is_held_by(process):
                    self.ledger.roll_back()
                self.ledger.lock.bury(process)

    def _partitions(self, process: Process, role: str, link: Link) -> Collection[int]:
        """All of them, where replicas race; else those that the process has leased."""
        if self.leases is None:
            return range(PARTITIONS)
        store = LinkedLeases(self.leases, link)
        leases = Leases(store, role, PARTITIONS, self.metrics, seconds=LEASE_SECONDS, monotonic=self.loop.time)
        leases.member = f"{process.name} of {self.loop.time():09.4f}"
        process.run(leases.run())
        return leases

    def _process(self, name: str) -> Process:
        self.network.tell(f"start {name}")
        process = Process(self.loop, name)
        self.processes.append(process)
        return process

    # --- what clients ask of them -------------------------------------------------------------------------------------

    @property
    def living(self) -> list[Process]:
        """The processes that were started last under their names, alive or not."""
        return [*(one.process for one in self.collectors), *(one.process for one in self.consumers)]

    async def ask(self, replica: Collector | Replica, call: Callable[[], Awaitable[Any]], seconds: float = 3.0) -> Any:
        """Call a replica as a client does, who hears nothing of it if it dies."""
        process = replica.process
        if not process.alive:
            raise Unavailable(process.name, "it is dead")
        answer = self.loop.create_future()

        def tell(task: "asyncio.Task[Any]") -> None:
            if answer.done() or task.cancelled():
                return
            if (error := task.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(task.result())

        async def serve() -> Any:
            return await call()

        process.spawn(serve()).add_done_callback(tell)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError as error:
            raise Unavailable(process.name, "no answer in time") from error
