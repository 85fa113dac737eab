"""What clients do: they append until they are acknowledged, take back, and read, and hold every answer to account."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.dead_letters import Letter
from libs.eventlog.event import Envelope, NewEvent, partition_of
from libs.eventlog.mending import Dropping
from libs.eventlog.projection import RETRACTED
from libs.runtime.clock import SECOND
from libs.runtime.errors import NotFound, PortraitError
from tests.simulation import promises
from tests.simulation.golden import Expected, Key
from tests.simulation.linked import REFUSED
from tests.simulation.promises import Answer, Place
from tests.simulation.world import Collector, World
from tests.support.logs import NOON, added, id_of, key_of
from tests.support.tally import POISON

TENANT: Final = "demo"
CUSTOMERS: Final = 4
KEYS: Final[list[Key]] = [(TENANT, key_of(name)) for name in range(CUSTOMERS)]
_RETRACTIONS: Final = Envelope(TENANT, RETRACTED).seal()


@dataclass(frozen=True, slots=True)
class Habits:
    """How long clients pause at most (seconds), and how likely they send poison or take something back."""

    pause: float
    poison: float
    retractions: float


@dataclass(eq=False)
class Client:
    """One client. `acknowledged` is shared by all of them: the place of every event id that anybody was told."""

    world: World
    name: int
    habits: Habits
    acknowledged: dict[bytes, Place]
    answers: list[Answer] = field(default_factory=list)
    _sent: list[NewEvent] = field(default_factory=list)
    _made: int = 0

    async def run(self, rounds: int) -> None:
        """Do this and that, so many times."""
        chance = self.world.chance
        for _ in range(rounds):
            await asyncio.sleep(chance.random() * self.habits.pause)
            drawn = chance.random()
            if drawn < 0.3:
                await self._read(chance.choice(KEYS))
            elif drawn < 0.35:
                await self._look_back(chance.choice(KEYS))
            elif drawn < 0.37:
                await self._send_what_is_refused()
            elif drawn < 0.37 + self.habits.retractions and self.acknowledged:
                await self._take_back()
            elif drawn > 0.8 and self.world.letters.rows():
                await self._mend(chance.choice(self.world.letters.rows()))
            else:
                await self._append(self._events(), patience=self._patience())

    async def give_a_sign_of_life(self) -> None:
        """Append to every partition: after whatever happened, this must arrive."""
        for customer in range(CUSTOMERS):
            await self._append([added(customer, 1, id_=self._fresh_id())], patience=1_000)

    async def _send_what_is_refused(self) -> None:
        """Send what the log does not take: this one hears of it, and those whose events travel with it do not."""
        collector = self.world.chance.choice(self.world.collectors)
        event = added(0, REFUSED.decode(), id_=self._fresh_id())
        with suppress(PortraitError, ValueError):
            await self.world.ask(collector, lambda: collector.appender.append([event]))
            raise promises.Broken("what the log refused was acknowledged")

    def _events(self) -> list[NewEvent]:
        """Some new events, and now and then one that was sent before."""
        chance = self.world.chance
        events = []
        for _ in range(chance.choice((1, 1, 2, 4))):
            if self._sent and chance.random() < 0.1:
                events.append(chance.choice(self._sent))
                continue
            amount = POISON if chance.random() < self.habits.poison else 1 << chance.randrange(12)
            events.append(added(chance.randrange(CUSTOMERS), amount, id_=self._fresh_id()))
        self._sent += events
        return events

    async def _take_back(self) -> None:
        chance = self.world.chance
        partition, position = chance.choice(list(self.acknowledged.values()))
        (key,) = self.world.log.keys(partition, position - 1, position)
        payload = pb.Retracted(positions=[position]).SerializeToString()
        retraction = _RETRACTIONS.event(id_of(self._fresh_id()), key[1], NOON, payload)
        collector = await self._append([retraction], patience=self._patience())
        if collector is not None and collector.process.alive:
            collector.compactor.request([key])

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
            world.clock.ahead += world.chance.randrange(-SECOND // 4, SECOND // 4)
            collector = world.chance.choice(world.collectors)
            try:
                places = await world.ask(collector, lambda: collector.appender.append(events))  # noqa: B023 - awaited in this turn
            except PortraitError:
                await asyncio.sleep(world.chance.random() * 0.5)
                continue
            for event, place in zip(events, places, strict=True):
                promises.acknowledgement(self.acknowledged, event, (place.partition, place.position))
            world.network.tell(f"client {self.name} was told {[(one.partition, one.position) for one in places]}")
            return collector
        return None

    async def _mend(self, letter: Letter) -> None:
        """Have a dead letter tried again, with all of its key, or dropped; also one that is no longer there."""
        replica, key = self.world.chance.choice(self.world.consumers), (letter.tenant, letter.key)
        dropping = Dropping(key, letter.partition, letter.position, "it is poison")
        with suppress(PortraitError):
            if self.world.chance.random() < 0.6:
                await self.world.ask(replica, lambda: replica.mender.retry(key))
            else:
                await self.world.ask(replica, lambda: replica.mender.drop(dropping))

    async def mend_all(self) -> None:
        """Have everything folded that is parked, now that it can be."""
        world = self.world
        for key in KEYS:
            with suppress(NotFound):
                await world.ask(world.consumers[0], lambda: world.consumers[0].mender.retry(key))  # noqa: B023 - as above

    async def _read(self, key: Key) -> None:
        """Read a customer."""
        world = self.world
        collector = world.chance.choice(world.collectors)
        before = len(await world.log.read_key(*key))
        try:
            (folded,) = await world.ask(collector, lambda: collector.reader.read([key]))
        except PortraitError:
            return
        await promises.read(world, key, folded, before)

    async def _look_back(self, key: Key) -> None:
        """Ask what was known at some moment before now: no later event may ever change the answer."""
        world, (tenant, anchor) = self.world, key
        times = world.log._times[partition_of(anchor, world.log.partitions)]
        if not times:
            return
        moment, collector = world.chance.choice(times) - 1, world.chance.choice(world.collectors)
        with suppress(PortraitError):
            folded = await world.ask(collector, lambda: collector.reader.read_at((tenant, anchor), known_at=moment))
            self.answers.append(Answer(key, moment, promises.seen(folded)))


async def watch(collector: Collector, key: Key, seen: dict[Key, Expected]) -> None:
    """Watch a key as a caller of `WatchProfile` does; `seen` is what was shown last."""
    while True:
        with suppress(PortraitError):
            async with collector.watch.changes(key) as changed:
                while True:
                    changed.clear()
                    (folded,) = await collector.reader.read([key])
                    seen[key] = promises.seen(folded)
                    await changed.wait()
