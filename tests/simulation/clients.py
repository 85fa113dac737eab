"""What clients do: they append until they are acknowledged, take back, and read, and hold every answer to account."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from libs.eventlog.event import Appended, Envelope, NewEvent
from libs.eventlog.projection import RETRACTED, Folded
from libs.runtime.clock import SECOND
from libs.runtime.errors import PortraitError
from portrait.log.v1 import event_pb2 as pb
from tests.simulation import golden
from tests.simulation.golden import Key
from tests.simulation.world import PARTITIONS, Collector, World
from tests.support.logs import NOON, added, id_of, key_of
from tests.support.tally import POISON, Tally

TENANT: Final = "demo"
CUSTOMERS: Final = 4
KEYS: Final = [key_of(name) for name in range(CUSTOMERS)]
_RETRACTIONS: Final = Envelope(TENANT, RETRACTED).seal()


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass(eq=False)
class Client:
    """One client. `acknowledged` is shared by all of them: place and key by event id."""

    world: World
    name: int
    pause: float
    poison: float
    retractions: float
    acknowledged: dict[bytes, tuple[int, int, bytes]]
    _sent: list[NewEvent] = field(default_factory=list)
    _made: int = 0

    async def run(self, rounds: int) -> None:
        """Do this and that, so many times."""
        chance = self.world.chance
        for _ in range(rounds):
            await asyncio.sleep(chance.random() * self.pause)
            drawn = chance.random()
            if drawn < 0.35:
                await self._read(chance.randrange(CUSTOMERS))
            elif drawn < 0.35 + self.retractions and self.acknowledged:
                await self._take_back()
            else:
                await self._append(self._events(), patience=self._patience())

    async def give_a_sign_of_life(self) -> None:
        """Append to every partition: after whatever happened, this must arrive."""
        for key in range(CUSTOMERS):
            await self._append([added(key, 1, id_=self._fresh_id())], patience=1_000)

    def _events(self) -> list[NewEvent]:
        """Some new events, and now and then one that was sent before."""
        chance = self.world.chance
        events = []
        for _ in range(chance.choice((1, 1, 2, 4))):
            if self._sent and chance.random() < 0.1:
                events.append(chance.choice(self._sent))
                continue
            amount = POISON if chance.random() < self.poison else 1 << chance.randrange(12)
            events.append(added(chance.randrange(CUSTOMERS), amount, id_=self._fresh_id()))
        self._sent += events
        return events

    async def _take_back(self) -> None:
        chance = self.world.chance
        _, position, key = chance.choice(list(self.acknowledged.values()))
        payload = pb.Retracted(positions=[position]).SerializeToString()
        collector = await self._append([_RETRACTIONS.event(id_of(self._fresh_id()), key, NOON, payload)], patience=self._patience())
        if collector is not None and collector.process.alive:
            collector.compactor.request([(TENANT, key)])

    def _fresh_id(self) -> str:
        self._made += 1
        return f"{self.name}/{self._made}"

    def _patience(self) -> int:
        """Some never hear what became of their events."""
        return 1 if self.world.chance.random() < 0.1 else 1_000

    async def _append(self, events: list[NewEvent], patience: int) -> Collector | None:
        """Send events until they are acknowledged, or patience ends; answers who acknowledged them."""
        world = self.world
        for _ in range(patience):
            world.clock.advance(world.chance.randrange(-SECOND // 2, SECOND))
            collector = world.chance.choice(world.collectors)
            try:
                places = await world.ask(collector, lambda: collector.appender.append(events))  # noqa: B023
            except PortraitError:
                await asyncio.sleep(world.chance.random() * 0.5)
                continue
            self._acknowledge(events, places)
            return collector
        return None

    def _acknowledge(self, events: list[NewEvent], places: list[Appended]) -> None:
        for event, place in zip(events, places, strict=True):
            now = (place.partition, place.position, event.key)
            first = self.acknowledged.setdefault(event.id, now)
            if first != now:
                raise Broken(f"event {event.id.hex()} was acknowledged at {first}, and now at {now}")
        self.world.network.tell(f"client {self.name} was told {[(one.partition, one.position) for one in places]}")

    async def _read(self, customer: int) -> None:
        """Read a customer: the answer must be the truth of some moment between question and answer."""
        world, key = self.world, KEYS[customer]
        collector = world.chance.choice(world.collectors)
        before = len(await world.log.read_key(TENANT, key))
        try:
            (folded,) = await world.ask(collector, lambda: collector.reader.read([(TENANT, key)]))
        except PortraitError:
            return
        await check_read(world, (TENANT, key), folded, before)


async def check_read(world: World, key: Key, folded: Folded[Tally], before: int) -> None:
    """Hold an answer against the log as it stood at every moment since `before` events of the key were in it."""
    events = await world.log.read_key(*key)
    shown = seen(folded)
    if all(golden.tally(events[:known]) != shown for known in range(before, len(events) + 1)):
        raise Broken(f"{key[1].hex()[:4]} was read as {shown}, but is {golden.tally(events)}")


def seen(folded: Folded[Tally]) -> golden.Expected:
    """An answer, in the terms of the golden fold."""
    parked = folded.parked
    return golden.Expected(
        folded.state.total, tuple(folded.state.positions), parked.recorded.position if parked else 0
    )
