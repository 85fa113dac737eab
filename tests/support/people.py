"""Portraits of people in one process: a log, a map and all that is folded, beside what must follow from them."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

import asyncpg

from libs.eventlog.archive import Archive
from libs.eventlog.blanking import Blanking
from libs.eventlog.compaction import Compactor
from libs.eventlog.event import Appended, Envelope, NewEvent
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.lazy import LazyReader
from libs.eventlog.living import LivingProjection
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import LazyProjection, refold
from libs.eventlog.ranges import Ranges
from libs.eventlog.retraction import retraction
from libs.eventlog.versions import PostgresVersions
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.identity_events import CutMade, Move, News
from libs.people.identity_map import IdentityMap
from libs.people.keys import Keyring
from libs.people.person import Member, Name
from libs.people.placing import Placing
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE
from libs.runtime.clock import ManualClock
from libs.runtime.tenants import SHIPPED, Tenants
from libs.telemetry.metrics import Metrics
from services.profile.domain.portrait import Portrait, combine
from services.profile.projections import PORTRAITS, portraits
from services.profile.queries.moments import NOW, Moment, Reaching
from services.profile.queries.portraits import Portraits, Seen
from services.profile.rebuilding import reader_of
from services.profile.schemas import Schemas
from services.profile.spans.keeper import SpanKeeper
from services.profile.spans.reader import SpanReader
from services.profile.spans.store import SpanStore
from tests.support.logs import NOON, PARTITIONS

TENANT: Final = "demo"


@dataclass
class Population:
    """What one tenant collected, and who is who in it."""

    log: PostgresLog
    clock: ManualClock
    living: LivingProjection[Portrait]
    keeper: SpanKeeper
    portraits: Portraits
    blanking: Blanking
    pool: asyncpg.Pool
    anchoring: Anchoring
    map: IdentityMap = field(default_factory=IdentityMap)

    @classmethod
    async def in_(cls, pool: asyncpg.Pool) -> "Population":
        """In a migrated database that is empty."""
        clock, metrics, tenants = ManualClock(NOON), Metrics(), Tenants.load(SHIPPED)
        log = PostgresLog("interactions", PARTITIONS, pool, clock, Ranges(pool))
        anchoring = Anchoring(DEFAULT_RULES, Keyring(tenants.get(TENANT).secret))

        def opened(projection: LazyProjection[Portrait]) -> tuple[LazyReader[Portrait], Compactor[Portrait]]:
            reader = reader_of(projection, pool, log)
            return reader, Compactor(reader, PostgresHorizons(pool, projection.name, projection.snapshots), metrics)

        declared = portraits(tenants, Schemas(pool, log, tenants, clock, metrics))
        living = LivingProjection(declared, PostgresVersions(pool, PORTRAITS, PORTRAITS, clock), opened)
        await living.begin()
        spans = SpanReader(log, SpanStore(pool), Placing(Rulebook(pool, tenants, metrics).at))
        keeper = SpanKeeper(spans, living, PostgresIdentityMap(pool), metrics)
        blanking = Blanking(log, pool, Archive(pool), clock, keeper.forget)
        people = Portraits(log, living, spans, Reaching(log), keeper.map)
        return cls(log, clock, living, keeper, people, blanking, pool, anchoring)

    def key(self, type_: str, value: str) -> bytes:
        ((identified,), _) = self.anchoring.identify([Claimed(type_, value)])
        return identified.key

    async def collect(self, anchor: bytes, at: int, **said: Any) -> Appended:
        """One interaction under an anchor."""
        document = {"type": "track", "event": "viewed", "source": "app", **said}
        seal = Envelope(TENANT, INTERACTION_RECORDED).seal()
        (place,) = await self._append(seal.event(os.urandom(16), anchor, at, json.dumps(document).encode()))
        return place

    async def retract(self, anchor: bytes, *positions: int) -> None:
        await self._append(retraction(TENANT, anchor, positions, "wrong", self.clock.now()))

    async def learn(self, *news: Move | CutMade) -> None:
        """Tell both maps."""
        said = News([one for one in news if isinstance(one, Move)], [one for one in news if isinstance(one, CutMade)])
        self.map.learn(said)
        async with self.pool.acquire() as connection, connection.transaction():
            await self.keeper.map.learn(connection, {TENANT: said})

    async def compact(self, anchor: bytes) -> None:
        await self.living.active.compactor.compact([(TENANT, anchor)])

    async def seen(self, *names: Name, moment: Moment = NOW) -> list[Seen]:
        """What is answered."""
        return (await self.portraits.get(TENANT, names, moment)).people

    async def expected(self, *names: Name, moment: Moment = NOW) -> list[Portrait]:
        """What must be: the whole log of everything, folded part by part and combined."""
        return [
            reduce(combine, [await self._part(member, moment) for member in person.members], Portrait())
            for person in self.map.people(names)
        ]

    async def _part(self, member: Member, moment: Moment) -> Portrait:
        log = await self.log.read_key(TENANT, member.identifier)
        if member.cut is not None:
            log = (await self.keeper.reader.placing.parted(member.cut, log)).get(member.span, [])
        elif member.span != WHOLE:
            log = []
        projection = self.living.active.reader.projection
        return refold(projection, log, as_of=moment.as_of, known_at=moment.known_at).state

    async def _append(self, *events: NewEvent) -> Sequence[Appended]:
        self.clock.advance(1)
        return await self.log.append(list(events))
