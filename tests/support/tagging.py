"""The tagging service's transactions on real tables, told what the logs of others say, beside what must come of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final

import asyncpg
import pytest
from portrait.identity.v1 import events_pb2 as identity_pb
from portrait.log.v1 import event_pb2 as log_pb

from libs.conditions.event import Event
from libs.conditions.tree import Condition
from libs.eventlog.blanks import blanked_event
from libs.eventlog.checkpoint import PostgresCheckpoints
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.event import Envelope, Recorded
from libs.eventlog.folding import Folding, Handler, OwnLog
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import standing
from libs.eventlog.ranges import Ranges
from libs.eventlog.retraction import retraction
from libs.people.following import MAP, Following
from libs.people.identity_events import CUT, LOG, MOVED, CutMade, Move, News
from libs.people.identity_map import IdentityMap
from libs.people.placing import Placing
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE, AtTimes, BySession
from libs.runtime.clock import Micros, SystemClock
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.backfill import Backfill, Layering
from services.tagging.catalogue import Catalogues
from services.tagging.codec.interactions import event_of
from services.tagging.courses import Courses
from services.tagging.cutting import Cutting
from services.tagging.domain.by_hand import ByHand, Told
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.layers import BASE
from services.tagging.domain.published import Published
from services.tagging.evaluating import Evaluating
from services.tagging.folding import FEATURES, INTERACTIONS, FeatureFold
from services.tagging.gathering import Gathering
from services.tagging.marking import mark_people
from services.tagging.migrations import SCRIPTS
from services.tagging.moments import Moments
from services.tagging.moving import Moving
from services.tagging.operations.rewinding import Rewinding
from services.tagging.operations.running import Progress
from services.tagging.operations.walking import Walking
from services.tagging.queries.crowds import Crowds
from services.tagging.queries.question import Question
from services.tagging.refolding import Refolding
from services.tagging.store.by_hand import ByHandRows
from services.tagging.store.definitions import DefinitionRows
from services.tagging.store.holdings import HoldingRows
from services.tagging.tallying import Tallying
from tests.support.elsewhere import PARTITIONS, Elsewhere
from tests.support.golden_tags import GoldenTags, Values, tell
from tests.support.servers import Databases

TENANT: Final = "demo"


@dataclass(eq=False)
class TagWorld:
    """One tenant's tags; what it is told waits until it is consumed. `now` is the moment up to which all was read."""

    pool: asyncpg.Pool
    now: Micros | None = None
    interactions: Elsewhere = field(default_factory=Elsewhere)
    identity: Elsewhere = field(default_factory=Elsewhere)
    map: IdentityMap = field(default_factory=IdentityMap)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.tenants, self.identity.consumes = Tenants.demo(), self.interactions
        self.tallying = self.replica_of_columns()  # which is not killed, because all of it is in memory
        self.start()

    def start(self) -> None:
        """Begin as a process does that knows nothing but the tables."""
        pool, clock, metrics = self.pool, SystemClock(), Metrics()
        self.log = PostgresLog("tags", PARTITIONS, pool, clock, Ranges(pool))
        self.catalogues = Catalogues(pool, self.tenants, metrics)
        self.courses = Courses(self.catalogues)
        rulebook = Rulebook(pool, self.tenants, metrics)
        self.placing = Placing(rulebook.at)
        layering = Layering(self.catalogues, self.placing)
        self.evaluating = Evaluating(pool, self.log, self.courses, self.tenants, lambda _: self.now, metrics, 7)
        self.live = FeatureFold(BASE, self.courses.live, self.placing, self.evaluating.at_once)
        following = Following(PostgresIdentityMap(pool), rulebook, lambda _: None)
        self.folding = self._folding(FEATURES, INTERACTIONS, self.live.fold)
        self.moving = self._folding(MAP, LOG, Moving(following).fold)
        self.backfill = Backfill(
            pool,
            self.log,
            self.catalogues,
            layering,
            self.tenants,
            self.interactions,
            PARTITIONS,
            clock,
            metrics,
            {0},
            9,
            portion=2,
            folded_at_once=3,
        )
        self.refolding = Refolding(pool, PARTITIONS, self.interactions, self._fold_of, metrics, self.evaluating.anew)
        self.moments = Moments(pool, self.interactions, self.identity, metrics)
        self.gathering = Gathering(pool, self.log, metrics, range(PARTITIONS))
        self.crowds = Crowds(self.gathering, self.tenants)

        self.cutting = Cutting(
            pool,
            self.log,
            self.catalogues,
            self.courses,
            self.tenants,
            lambda _: self.now,
            clock,
            metrics,
            {0},
            portion=3,
        )

    def _folding(self, name: str, log: str, handler: Handler[Connection]) -> Folding[Connection]:
        checkpoints = PostgresCheckpoints(self.pool, name, log)
        letters = PostgresDeadLetters(self.pool, name, log, SystemClock())
        return Folding(name, log, checkpoints, letters, handler, OwnLog(self.log))

    def _fold_of(self, layer: int) -> FeatureFold | None:
        return self.live if layer == BASE else self.backfill.fold_of(layer)

    # What others say.

    def collect(
        self, anchor: bytes, name: str, at: Micros, session: str = "", *, historical: bool = False, **said: Any
    ) -> int:
        """An interaction under an anchor; its position."""
        mode = log_pb.MODE_HISTORICAL if historical else log_pb.MODE_LIVE
        told = {"type": "track", "event": name, "context": {"session_id": session}, **said}
        id_ = next(self._numbers).to_bytes(16, "big")
        event = (
            Envelope(TENANT, INTERACTION_RECORDED, mode=mode).seal().event(id_, anchor, at, json.dumps(told).encode())
        )
        return self.interactions.add(anchor, event.data, at)

    def retract(self, anchor: bytes, *positions: int) -> None:
        self.interactions.add(anchor, retraction(TENANT, anchor, positions, "wrong", 1).data, 1)

    def erase(self, anchor: bytes, position: int) -> None:
        """First the log tells of it, and then it is done, as `Blanking` does."""
        self.interactions.add(anchor, blanked_event(TENANT, anchor, [position], "asked to", 1).data, 1)
        self.interactions.erase(anchor, position)

    def says(self, *news: Move | CutMade) -> None:
        """The identity log goes on."""
        for one in news:
            if isinstance(one, Move):
                type_, said = MOVED, identity_pb.Moved(span=one.span, to_person=one.person, version=one.version)
                payload = said.SerializeToString()
                self.map.learn(News([one], []))
            else:
                type_, cut = CUT, identity_pb.AnchorCut(version=one.version)
                match one.cut:
                    case BySession():
                        cut.by_session.SetInParent()
                    case AtTimes(times):
                        cut.at_times.times_micros.extend(times)
                payload = cut.SerializeToString()
                self.map.learn(News([], [one]))
            id_ = next(self._numbers).to_bytes(16, "big")
            data = Envelope(TENANT, type_).seal().event(id_, one.identifier, 1, payload).data
            self.identity.add(one.identifier, data, 1)

    async def publish(self, text: str, version: int = 1) -> None:
        name = read_definitions(text, version)[0].name
        id_ = next(self._numbers).to_bytes(16, "big")
        async with self.pool.acquire() as connection, connection.transaction():
            rows = DefinitionRows(connection, TENANT)
            await rows.hold()
            await rows.publish(Published(name, version, "filling", text, 1, "me", id_))

    async def retire(self, tag: str) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            rows = DefinitionRows(connection, TENANT)
            await rows.hold()
            await rows.retire(tag, next(self._numbers).to_bytes(16, "big"))

    async def say(self, person: bytes, tag: str, value: Any, at: Micros, expires_at: Micros | None = None) -> None:
        """Somebody says by hand what a person has."""
        id_ = next(self._numbers).to_bytes(16, "big")
        async with self.pool.acquire() as connection, connection.transaction():
            told = Told(person, tag, value, "", at, expires_at, "me", "", id_)
            await ByHandRows(connection, TENANT).tell([told])
            await mark_people(connection, TENANT, [person], [tag], id_)

    # What comes of it.

    async def fold(self, limit: int = 10_000) -> None:
        """Consume some interactions."""
        await self._consume(self.folding, self.interactions, limit)

    async def learn(self, limit: int = 10_000) -> None:
        """Consume some of the identity log."""
        await self._consume(self.moving, self.identity, limit)

    async def _consume(self, folding: Folding[Connection], source: Elsewhere, limit: int) -> None:
        positions = await folding.checkpoints.load(range(PARTITIONS))
        batches = [one for number in positions for one in source.batches[number][positions[number] :][:limit]]
        if batches:
            await folding.fold(batches, positions)

    async def answer(self) -> bool:
        return await self.evaluating.portion(self.tenants.get(TENANT))

    async def fill(self) -> bool:
        return await self.backfill.turn(TENANT)

    async def gather(self) -> None:
        """Fold the log of tags into bitmaps, and store some of them."""
        await self.gathering.reach_heads()
        for partition in range(PARTITIONS):
            await self.gathering.store(partition)

    async def cut(self) -> bool:
        """Make the cuts whose time has come; whether any was made."""
        await self.catalogues.refresh()
        return await self.cutting.turn(self.tenants.get(TENANT))

    async def settle(self) -> None:
        """Let all of it come to rest."""
        await self.fold()
        await self.learn()
        while await self.fill():
            await self.fold()
        while await self.refolding.turn():
            pass
        while await self.answer():
            pass

    async def killed(self, work: Awaitable[Any], chance: Random) -> None:
        """Work that is cut off somewhere, and a process that begins anew."""
        task = asyncio.ensure_future(work)
        await asyncio.sleep(chance.random() * 0.012)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.start()

    async def held(self) -> Values:
        """What everybody holds, as the tables have it."""
        async with self.pool.acquire() as connection:
            people = [row["person"] for row in await connection.fetch("SELECT person FROM holdings")]
            held = await HoldingRows(connection, TENANT).load(people)
        return {
            person: {tag: (one.value, one.of) for tag, one in holding.tags.items()}
            for person, holding in held.items()
            if holding.tags
        }

    async def members(self) -> dict[str, set[bytes]]:
        """Who is in which bitmap."""
        await self.gathering.reach_heads()
        found: dict[str, set[bytes]] = {}
        for partition, index in self.gathering.indexes(TENANT).items():
            for term, bitmap in index.bitmaps():
                those = [(partition, number) for number in bitmap]
                found.setdefault(term, set()).update((await self.gathering.people(TENANT, those)).values())
        return found

    async def crowd(self, condition: Condition) -> set[bytes]:
        """Who meets a condition by bitmaps, which must be whom a walk over everybody finds, and the whole log."""
        found = await self.crowds.members(TENANT, condition, None, 10_000)
        assert found is not None
        people = {member.person for member in found[0]}
        assert found[1].crowds[0].size == len(people)
        walking = Walking(self.pool, self.courses, self.tenants, lambda _: self.now or 0)
        async with walking.over(TENANT, condition) as walk:
            assert people == {person async for portion in walk.portions for person in portion.met}
        question = Question.of(self.tenants.get(TENANT), condition, self.catalogues.live(TENANT))
        heads, until = await self.log.heads(), SystemClock().now()
        past = Rewinding(self.log).portions(question, until, heads, Progress())
        assert people == {person async for portion in past for person in portion.met}
        return people

    def replica_of_columns(self, most_bytes: int = 2**24) -> Tallying:
        """A replica that has read no columns yet."""
        courses = Courses(Catalogues(self.pool, self.tenants, Metrics()))
        return Tallying(self.pool, courses, self.tenants, lambda _: self.now or 0, Metrics(), most_bytes, 600)

    async def tallied(self, tallying: Tallying, condition: Condition) -> bool:
        """Whether columns can say who meets a condition: then it must be whom a walk over everybody finds."""
        await tallying.courses.catalogues.refresh()
        tally = await tallying.count(TENANT, condition)
        if tally is None:
            return False
        walking = Walking(self.pool, tallying.courses, self.tenants, lambda _: self.now or 0)
        people = met = 0
        async with walking.over(TENANT, condition) as walk:
            async for portion in walk.portions:
                people, met = people + portion.looked_at, met + len(portion.met)
            assert tally == (met, people, walk.positions, walk.now)
        return True

    async def told(self) -> Values:
        """What everybody holds, as the log has told."""
        held: Values = {}
        for event in await self.events():
            tell(held, event)
        return held

    async def events(self) -> list[log_pb.Event]:
        """The log of tags."""
        return [
            one.event
            for partition in range(PARTITIONS)
            async for batch_ in self.log.stream(partition, 0)
            for one in batch_.recorded()
        ]

    async def expected(self) -> Values:
        """What everybody must hold: all that happened, read from the beginning as naively as it is meant."""
        assert self.now is not None
        async with self.pool.acquire() as connection, connection.transaction():
            compiled = (await self.catalogues.within(connection, TENANT)).live
        golden = GoldenTags(self.tenants.get(TENANT), compiled)
        happened = await self._happened()
        said = await self._said()
        places_of: dict[bytes, set[tuple[bytes, bytes]]] = {}
        for place in {*happened, *((identifier, WHOLE) for identifier in said)}:
            places_of.setdefault(self.map.person_of(*place), set()).add(place)
        expected: Values = {}
        for person, places in places_of.items():
            hand: dict[str, ByHand] = {}
            for identifier, span in places:
                for tag, one in said.get(identifier, {}).items() if span == WHOLE else ():
                    hand[tag] = max(one, hand.get(tag, one), key=lambda each: (each.set_at, each.event_id))
            events = [event for place in places for event in happened.get(place, ())]
            found = golden.held(events, hand, self.now)
            if found:
                expected[person] = found
        return expected

    async def _happened(self) -> dict[tuple[bytes, bytes], list[Event]]:
        happened: dict[tuple[bytes, bytes], list[Event]] = {}
        for anchor, those in self.interactions.by_key.items():
            for span, events in (await self._parted(anchor, standing(those))).items():
                happened[anchor, span] = [one for each in events if (one := event_of(each.event)) is not None]
        return {place: events for place, events in happened.items() if events}

    async def _parted(self, anchor: bytes, events: Sequence[Recorded]) -> dict[bytes, Sequence[Recorded]]:
        _, cut = self.map._cuts.get(anchor, (0, None))
        return {WHOLE: events} if cut is None else dict(await self.placing.parted(cut, events))

    async def _said(self) -> dict[bytes, dict[str, ByHand]]:
        async with self.pool.acquire() as connection:
            rows = await connection.fetch("SELECT DISTINCT identifier FROM set_by_hand")
            known = await ByHandRows(connection, TENANT).of([row["identifier"] for row in rows])
        said: dict[bytes, dict[str, ByHand]] = {}
        for one in known:
            said.setdefault(one.identifier, {})[one.tag] = one.said
        return said


async def migrated(dsn: str) -> None:
    """Give a database the tables of the tagging service."""
    await migrate(dsn, SCRIPTS, partitions=PARTITIONS)


@pytest.fixture
async def tag_world(databases: Databases) -> AsyncIterator[TagWorld]:
    """A tagging service of which nothing is known."""
    dsn = await databases.fresh(await databases.template("tagging", migrated))
    async with open_pool(dsn, size=8, scans=False) as pool:
        await Ranges(pool).cover(SystemClock().now())
        yield TagWorld(pool)
    await databases.drop(dsn)


def keys(*names: str) -> Iterable[bytes]:
    """Identifiers by name, spread over the partitions."""
    return [sum(map(ord, name)).to_bytes(2, "big") + name.encode().ljust(14, b".") for name in names]
