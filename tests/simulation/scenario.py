"""One seed: a world, some clients, some faults, and then the peace in which everything must come right."""

import asyncio
from collections.abc import Callable
from typing import Final

from tests.simulation import golden, promises
from tests.simulation.clients import KEYS, Client, Habits, watch
from tests.simulation.faults import FAULTS, heal
from tests.simulation.golden import Expected, Key
from tests.simulation.loop import Process, Stuck
from tests.simulation.promises import Broken, Place
from tests.simulation.world import LOG, PARTITIONS, Parts, World

PEACE_SECONDS: Final = 40.0
LOOK_SECONDS: Final = 0.25
WATCHING: Final = 0.15  # of all worlds, because it takes many reads
WORKING: Final = Parts()


class Scenario:
    """Runs one seed; what it draws first decides how crowded, how quick and how unfriendly the world is."""

    def __init__(self, seed: int, parts: Parts = WORKING, *, told: list[str] | None = None) -> None:
        self.world = World(seed, parts, told=told)
        self.acknowledged: dict[bytes, Place] = {}
        self._watched: list[tuple[Process, dict[Key, Expected]]] = []

    def run(self) -> None:
        """Run it to its end; raises `Broken` or `Stuck`."""
        self.world.loop.run(self._live())

    async def _live(self) -> None:
        world, chance = self.world, self.world.chance
        for number in range(chance.choice((1, 1, 2, 3))):
            world.start_collector(f"collector {number}")
        for number in range(chance.choice((1, 1, 2, 3))):
            world.start_consumer(f"consumer {number}")
        habits = Habits(chance.choice((0.02, 0.1, 0.5)), chance.choice((0, 0, 0.15)), chance.choice((0, 0.2)))
        clients = [Client(world, name, habits, self.acknowledged) for name in range(chance.choice((1, 2, 3)))]
        running = [asyncio.ensure_future(client.run(chance.randrange(3, 9))) for client in clients]
        if chance.random() < WATCHING:
            self._watch()
        if chance.random() < 0.5:  # a release that knows what to do with poison; what is parked waits to be asked for
            world.loop.call_later(chance.random() * 2, world.ledger.mend)
        await self._befall()
        world.network.tell("--- peace ---")
        heal(world)
        if world.parked_keys == 1:  # else the consumers would stand still until somebody mends
            world.ledger.mend()
        await self._until(
            lambda: all(one.done() for one in running) and not world.network.under_way and self._consumed()
        )
        for one in running:
            one.result()
        await clients[0].give_a_sign_of_life()
        await self._until(lambda: self._consumed() and self._published())
        await self._until(self._seen)
        await promises.everything(world, self.acknowledged, KEYS)
        for client in clients:
            await promises.hindsight(world, client.answers)
        world.ledger.mend()
        await clients[0].mend_all()
        promises.mended(world)

    async def _befall(self) -> None:
        """Let some of the possible faults happen, at some moments."""
        world, chance = self.world, self.world.chance
        network = world.network
        network.slow = chance.choice((0.02, 0.2, 0.5))
        network.fail = chance.choice((0, 0, 0.02, 0.1))
        network.ghost = chance.choice((0, 0.05, 0.2))
        possible = [fault for fault in FAULTS if chance.random() < 0.4] or [chance.choice(FAULTS)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(chance.random() * 0.8)
            promises.horizons(world)
            fault = chance.choice(possible)
            network.tell(f"--- {fault.__name__} ---")
            fault(world)
        await asyncio.sleep(chance.random())

    def _watch(self) -> None:
        """Let somebody watch a customer, at every replica that now lives."""
        for collector in self.world.collectors:
            seen: dict[Key, Expected] = {}
            collector.process.spawn(watch(collector, self.world.chance.choice(KEYS), seen))
            self._watched.append((collector.process, seen))

    def _seen(self) -> bool:
        """Whether whoever still watches was shown the end."""
        return all(
            shown == golden.tally(self.world.log.events_of(*key))
            for process, seen in self._watched
            if process.alive and not process.ending
            for key, shown in seen.items()
        )

    async def _until(self, right: Callable[[], bool]) -> None:
        """Wait in virtual time; whatever takes longer than this never comes right."""
        world = self.world
        deadline = world.loop.time() + PEACE_SECONDS
        while not right():
            if crashed := [process for process in world.processes if process.alive and process.crash]:
                raise Broken(f"{crashed[0].name} crashed: {crashed[0].crash!r}")
            if world.loop.time() > deadline:
                raise Stuck(f"heads {self._heads()}, consumed {world.ledger.positions}, published {self._tails()}")
            promises.horizons(world)
            await asyncio.sleep(LOOK_SECONDS)

    def _heads(self) -> dict[int, int]:
        return {partition: len(events) for partition, events in enumerate(self.world.log._events) if events}

    def _tails(self) -> dict[int, int | None]:
        """The last position of every partition on the stream; None where it has nothing of it."""
        stream = self.world.broker.streams.get(LOG)
        tails = {partition: stream.tail(partition) if stream else None for partition in range(PARTITIONS)}
        return {partition: tail.position if tail else None for partition, tail in tails.items()}

    def _consumed(self) -> bool:
        return self.world.ledger.positions == self._heads()

    def _published(self) -> bool:
        heads, stream = self._heads(), self.world.broker.streams.get(LOG)
        forgotten = stream is not None and stream.first > 1
        return all(
            tail == heads[partition] or (tail is None and forgotten) for partition, tail in self._tails().items()
        )
