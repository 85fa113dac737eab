"""One seed: a world, some clients, some faults, and then the peace in which everything must come right."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from libs.eventlog.compaction import Compactor
from libs.eventlog.feed import Parcel
from libs.eventlog.lazy import LazyReader
from libs.eventlog.projection import Folded
from libs.runtime.clock import SECOND
from libs.telemetry.metrics import Metrics
from tests.simulation import golden
from tests.simulation.clients import KEYS, TENANT, Broken, Client, check_read, seen
from tests.simulation.loop import Process, Stuck
from tests.simulation.world import LOG, PARTITIONS, Parts, World
from tests.support.tally import TALLY

PEACE_SECONDS: Final = 40.0
LOOK_SECONDS: Final = 0.25
_METRICS: Final = Metrics()

Fault = Callable[["Scenario"], None]


class Scenario:
    """Runs one seed. Raises `Broken` or `Stuck`."""

    def __init__(self, seed: int, parts: Parts | None = None, *, told: list[str] | None = None) -> None:
        self.seed = seed
        self.world = World(seed, parts or Parts(), told=told)
        self.acknowledged: dict[bytes, tuple[int, int, bytes]] = {}

    def run(self) -> None:
        """Run it to its end."""
        self.world.loop.run(self._live())

    async def _live(self) -> None:
        world, chance = self.world, self.world.chance
        for number in range(chance.choice((1, 2, 2))):
            world.start_collector(f"collector {number}")
        for number in range(chance.choice((1, 2, 2, 3))):
            world.start_consumer(f"consumer {number}")
        pause, poison, retractions = chance.choice((0.02, 0.1, 0.5)), chance.choice((0, 0, 0.1)), chance.choice((0, 0.2))
        clients = [
            asyncio.ensure_future(Client(world, name, pause, poison, retractions, self.acknowledged).run(chance.randrange(3, 9)))
            for name in range(chance.choice((1, 2, 3)))
        ]
        await self._befall()
        self._heal()
        await self._until(lambda: all(client.done() for client in clients) and self._consumed())
        for client in clients:
            client.result()
        await Client(world, len(clients), 0, 0, 0, self.acknowledged).give_a_sign_of_life()
        await self._until(lambda: self._consumed() and self._published())
        await self._check()

    # --- trouble ------------------------------------------------------------------------------------------------------

    async def _befall(self) -> None:
        """Let some of the possible faults happen, at some moments."""
        world, chance = self.world, self.world.chance
        world.network.slow = chance.choice((0.02, 0.2, 0.5))
        world.network.fail = chance.choice((0, 0, 0.02, 0.1))
        world.network.ghost = chance.choice((0, 0.05, 0.2))
        possible = [fault for fault in FAULTS if chance.random() < 0.4]
        for _ in range(chance.randrange(6) if possible else 0):
            await asyncio.sleep(chance.random() * 0.8)
            self._check_horizons()
            fault = chance.choice(possible)
            world.network.tell(f"--- {fault.__name__} ---")
            fault(self)
        await asyncio.sleep(chance.random())

    def _heal(self) -> None:
        """End every fault, and start what is dead."""
        world = self.world
        world.network.tell("--- peace ---")
        world.network.calm()
        world.broker.down = world.owner.down = world.way.down = world.service.down = False
        world.broker.hold(LOG, held=False)
        for process in [*(one.process for one in world.collectors), *world.consumers]:
            if not process.alive:
                world.restart(process.name)
            elif process.paused:
                process.thaw()

    def some_process(self) -> Process:
        """A process of those that were started last under their name."""
        return self.world.chance.choice([*(one.process for one in self.world.collectors), *self.world.consumers])

    def for_a_while(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Begin something now and end it later."""
        begin()
        self.world.loop.call_later(self.world.chance.random() * 3, end)

    # --- peace --------------------------------------------------------------------------------------------------------

    async def _until(self, right: Callable[[], bool]) -> None:
        """Wait in virtual time; whatever takes longer than this never comes right."""
        world = self.world
        deadline = world.loop.time() + PEACE_SECONDS
        while not right():
            if crashed := [process for process in world.processes if process.alive and process.crash]:
                raise Broken(f"{crashed[0].name} crashed: {crashed[0].crash!r}")
            if world.loop.time() > deadline:
                raise Stuck(f"heads {self._heads()}, consumed {world.ledger.positions}, published {self._tails()}")
            self._check_horizons()
            await asyncio.sleep(LOOK_SECONDS)

    def _heads(self) -> dict[int, int]:
        return {partition: len(events) for partition, events in enumerate(self.world.log._events) if events}

    def _tails(self) -> dict[int, int | None]:
        """The last position of every partition on the stream; None where it has nothing of it."""
        stream = self.world.broker.streams.get(LOG)
        tails = {partition: stream and stream.tail(partition) for partition in range(PARTITIONS)}
        return {partition: tail and tail.position for partition, tail in tails.items()}

    def _consumed(self) -> bool:
        return self.world.ledger.positions == self._heads()

    def _published(self) -> bool:
        heads, stream = self._heads(), self.world.broker.streams.get(LOG)
        forgotten = stream is not None and stream.first > 1
        return all(
            tail == heads[partition] or (tail is None and forgotten) for partition, tail in self._tails().items()
        )

    async def _check(self) -> None:
        """Hold everything against one pass over the log."""
        self._check_log()
        self._check_ledger()
        self._check_horizons()
        await self._check_snapshots()

    def _check_log(self) -> None:
        world = self.world
        log = golden.whole(world.log)
        ids = Counter(event.id for events in log.values() for event in events)
        if twice := [id_ for id_, times in ids.items() if times > 1]:
            raise Broken(f"{twice[0].hex()} is in the log {ids[twice[0]]} times")
        for id_, (partition, position, _) in self.acknowledged.items():
            events = log[partition]
            if not 0 < position <= len(events) or events[position - 1].id != id_:
                raise Broken(f"{id_.hex()} was acknowledged at {partition}:{position}, and is not there")
        for times in world.log._times:
            if times != sorted(times):
                raise Broken("recorded_at ran back")

    def _check_ledger(self) -> None:
        ledger, counted = self.world.ledger, golden.counted(self.world.log)
        if ledger.counted != counted:
            raise Broken(f"counted {_short(ledger.counted)}, but the log has {_short(counted)}")
        concluded: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
        for events in golden.whole(ledger.log).values():
            for event in events:
                concluded[event.key] = (*concluded.get(event.key, ()), (event.causation_id, int(event.payload)))
        expected = {key: tuple((id_, count) for count, id_ in enumerate(ids, 1)) for key, ids in counted.items()}
        if concluded != expected:
            raise Broken("outputs are not one for each event, in their order")

    def _check_horizons(self) -> None:
        """Behind the horizon there is nothing that no snapshot holds, at no moment."""
        world = self.world
        for partition, horizon in world.horizons._positions.items():
            for position, key in enumerate(world.log.keys(partition, 0, horizon), 1):
                row = world.snapshots.row(key)
                if row is None or (row.parked is None and row.position < position):
                    raise Broken(f"{partition}:{position} lies behind the horizon, and in no snapshot")

    async def _check_snapshots(self) -> None:
        world = self.world
        reader = self.world.parts.reader(world.parts.projection, world.log, world.snapshots)
        keys = [(TENANT, key) for key in KEYS]
        for compacted in (False, True):
            if compacted:
                compactor = world.parts.compactor(reader, world.horizons, _METRICS, timer=world.loop.time)
                compactor.request(keys)
                await compactor.compact_all()
            for key, folded in zip(keys, await reader.read(keys), strict=True):
                events = await world.log.read_key(*key)
                await check_read(world, key, folded, len(events))
                row = world.snapshots.row(key)
                if compacted and events and (row is None or (row.parked is None and row.position != events[-1].position)):
                    raise Broken(f"{key[1].hex()[:4]} was not compacted to its end")
                if compacted and events and row is not None:
                    state = Folded(TALLY.decode(row.state), parked=row.parked)
                    if seen(state) != golden.tally(events):
                        raise Broken(f"the snapshot is {seen(state)}, but the log says {golden.tally(events)}")


def _short(counted: dict[bytes, tuple[bytes, ...]]) -> dict[str, list[str]]:
    return {key.hex()[:4]: [id_.hex()[:4] for id_ in ids] for key, ids in counted.items()}


# --- what may happen --------------------------------------------------------------------------------------------------


def kill(scenario: Scenario) -> None:
    name = scenario.some_process().name
    scenario.for_a_while(lambda: scenario.world.kill(name), lambda: scenario.world.restart(name))


def restart_at_once(scenario: Scenario) -> None:
    scenario.world.restart(scenario.some_process().name)


def freeze(scenario: Scenario) -> None:
    process = scenario.some_process()
    scenario.for_a_while(process.freeze, process.thaw)


def delete_stream(scenario: Scenario) -> None:
    scenario.world.broker.delete(LOG)


def purge_stream(scenario: Scenario) -> None:
    stream = scenario.world.broker.streams.get(LOG)
    if stream is not None:
        stream.purge(scenario.world.chance.choice((None, 0, 1)))


def forget_subscriptions(scenario: Scenario) -> None:
    scenario.world.broker.forget_subscriptions(LOG)


def hold_deliveries(scenario: Scenario) -> None:
    broker = scenario.world.broker
    scenario.for_a_while(lambda: broker.hold(LOG, held=True), lambda: broker.hold(LOG, held=False))


def publish_nonsense(scenario: Scenario) -> None:
    stream = scenario.world.broker.streams.get(LOG)
    if stream is not None:
        stream.add(Parcel(scenario.world.chance.randrange(PARTITIONS), 0, b"who is this?"))


def stop_server(scenario: Scenario) -> None:
    world = scenario.world
    server = world.chance.choice((world.owner, world.way, world.service))

    def up() -> None:
        server.down = False

    def down() -> None:
        server.down = True

    scenario.for_a_while(down, up)


def stop_broker(scenario: Scenario) -> None:
    """As an outage, but its subscriptions hear of it at once."""
    broker = scenario.world.broker

    def up() -> None:
        broker.down = False

    def down() -> None:
        broker.down = True

    scenario.for_a_while(down, up)


def turn_the_clock_back(scenario: Scenario) -> None:
    scenario.world.clock.advance(-3_600 * SECOND)


FAULTS: Final[Sequence[Fault]] = (
    kill,
    restart_at_once,
    freeze,
    delete_stream,
    purge_stream,
    forget_subscriptions,
    hold_deliveries,
    publish_nonsense,
    stop_server,
    stop_broker,
    turn_the_clock_back,
)
