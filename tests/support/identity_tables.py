"""The identity service's transactions on real tables, told what `World` is told, in the orders that can really be.

Names become identifiers of the tenant with real keys, so that what is found can be compared with the domain's answer.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace as changed
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.database import open_pool
from libs.eventlog.event import Batch, Envelope, Recorded, partition_of
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.retraction import retraction
from libs.eventlog.transactions import Transactions
from libs.eventlog.verdict import Done
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed, Identified, IdentifierRules
from libs.people.keys import Keyring
from libs.people.rules_document import written
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.clock import ManualClock, SystemClock
from libs.runtime.errors import InvalidArgument
from libs.runtime.tenants import Tenant, Tenants
from libs.telemetry.metrics import Metrics
from services.identity.codec.events import CHANGES, change_of
from services.identity.consuming import Consuming
from services.identity.deciding import Deciding, Outcome
from services.identity.domain.changes import IdentityChange
from services.identity.domain.decisions import Blocked, Of, Unblocked, subjects
from services.identity.domain.evidence import Key, Named, Sighting
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD
from services.identity.domain.resolution import Resolution, Tied
from services.identity.migrations import SCRIPTS
from services.identity.rulebook import Rulebook
from services.identity.settling import Settling
from services.identity.store.tenant import IdentityStore
from tests.support.identity import TYPES, Input, Retracted, RulesPublished, name
from tests.support.servers import Databases

PARTITIONS: Final = 4
_numbers = count(1)


def value_of(one: str) -> str:
    """The value of the identifier with a name, such as a phone's number."""
    type_, number = TYPES[one[0]], int(one[1:] or 0)
    return {"phone": f"+86138001{38000 + number}", "email": f"{one}@kiosk.cn"}.get(type_, f"{one}-of-mine")


@dataclass(eq=False)
class TablesWorld:
    """One tenant on tables; each interaction is folded in a transaction with some others, as a consumer does."""

    pool: asyncpg.Pool
    log: PostgresLog
    tenant: Tenant
    rules: IdentifierRules = DEFAULT_RULES
    largest: int = LARGEST_NEIGHBOURHOOD
    clock: ManualClock = field(default_factory=lambda: ManualClock(0))
    told: list[Input] = field(default_factory=list)
    """All inputs, with real keys, and decisions with the ids that they got."""

    def __post_init__(self) -> None:
        tenants = Tenants({self.tenant.id: self.tenant})
        self.rulebook = Rulebook(tenants, self.rules)
        self.anchors = _Anchors()
        transactions, wake = Transactions(self.pool, self.log), asyncio.Event()
        self.consuming = Consuming(self.rulebook, self.anchors, self.clock, self.largest)
        self.deciding = Deciding(transactions, self.rulebook, tenants, self.clock, wake, self.largest)
        self.settling = Settling(transactions, self.rulebook, self.clock, Metrics(), wake, self.largest)
        self._anchoring = Anchoring(self.rules, Keyring(self.tenant.secret))

    def identified(self, one: str) -> Identified:
        """The identifier that a name means."""
        (found,), _ = self._anchoring.identify([Claimed(TYPES[one[0]], value_of(one))])
        return found

    def key(self, one: str) -> Key:
        """Its key."""
        return self.identified(one).key

    def interactions(self, told: Iterable[Input]) -> list[Batch]:
        """Sightings and what takes them back as the log has them, an event a batch, in the order of each partition."""
        heads: dict[int, int] = {}
        places: dict[bytes, tuple[Key, int]] = {}
        batches = []
        for one in told:
            if isinstance(one, Sighting):
                anchor = self._anchor(one)
                event = Envelope(self.tenant.id, INTERACTION_RECORDED).seal()
                new = event.event(one.event_id.ljust(16, b"."), anchor, one.occurred_at, _document(one))
                recorded_at = one.recorded_at
            elif isinstance(one, Retracted) and one.event_id in places:
                anchor, gone = places[one.event_id]
                new, recorded_at = retraction(self.tenant.id, anchor, [gone], "", 10**15), 10**15
            else:
                continue
            partition = partition_of(anchor, PARTITIONS)
            position = heads[partition] = heads.get(partition, 0) + 1
            if isinstance(one, Sighting):
                places[one.event_id] = (anchor, position)
            self.anchors.add(self.tenant.id, Recorded(position, recorded_at, log_pb.Event.FromString(new.data)))
            batches.append(Batch(partition, position, [recorded_at], [new.data]))
            self.told.append(self._real(one))
        return batches

    async def consume(self, *batches: Batch) -> None:
        """Fold batches in one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            verdict = await self.consuming.fold(connection, batches)
            assert isinstance(verdict, Done), verdict
            if verdict.outputs:
                await self.log.append_in(connection, [output.event for output in verdict.outputs])

    async def take(self, wanted: Input) -> None:
        """A decision, or rules."""
        await (self.publish(wanted) if isinstance(wanted, RulesPublished) else self.decide(wanted))

    async def decide(self, wanted: Any, **how: Any) -> Outcome:
        """Take a decision about names, at the time that it has."""
        self.clock.set(wanted.recorded_at)
        real = self._real(wanted)
        values = {self.key(name(one.key)): value_of(name(one.key)) for one in subjects(wanted)}
        outcome = await self.deciding.decide(self.tenant.id, real, values, **how)
        if not how.get("validate_only"):
            self.told.append(changed(real, event_id=outcome.event_id))
        return outcome

    async def publish(self, rules: Any) -> None:
        """Publish rules, of which those with a lower version than another one's count for nothing."""
        blocked = {name(one): value_of(name(one)) for one in rules.screened}
        types = [
            replace(type_, blocked=frozenset(value for one, value in blocked.items() if TYPES[one[0]] == type_.name))
            for type_ in rules.rules.types.values()
        ]
        try:
            await self.deciding.publish(
                self.tenant.id, written(IdentifierRules.of(rules.rules.version, types, rules.rules.shared))
            )
        except InvalidArgument as error:
            assert error.field == "version"  # noqa: PT017  any other field is a mistake of the test's
        self.told.append(RulesPublished(rules.rules, frozenset(self.key(one) for one in blocked)))

    async def settled(self) -> Resolution:
        """Everything resolved, the slow lane included, as the tables have it."""
        while await self._waiting():
            await self.settling.portion(self.tenant.id)
        return await resolved(self.pool, self.tenant.id)

    async def _waiting(self) -> int:
        async with self.pool.acquire() as connection:
            return await IdentityStore(connection, self.tenant.id).waiting.count()

    async def heard(self) -> list[IdentityChange]:
        """What the identity log says of the tenant, in the order of each partition."""
        changes = []
        for partition in range(PARTITIONS):
            async for batch in self.log.stream(partition, 0):
                changes += [
                    change_of(one.event)
                    for one in batch.recorded()
                    if one.event.tenant == self.tenant.id and one.event.type in CHANGES
                ]
        return changes

    def _anchor(self, sighting: Sighting) -> Key:
        found = [changed(self.identified(name(one.key)), verified=one.verified) for one in sighting.identifiers]
        anchor = self._anchoring.anchor(found)
        assert anchor is not None
        return anchor.key

    def _real(self, one: Any) -> Any:
        match one:
            case Sighting():
                named = tuple(Named(self.key(name(each.key)), each.type, each.verified) for each in one.identifiers)
                return changed(one, event_id=one.event_id.ljust(16, b"."), identifiers=named)
            case Retracted():
                return Retracted(one.event_id.ljust(16, b"."))
            case Blocked() | Unblocked():
                return changed(one, identifier=self._of(one.identifier))
            case _:
                return changed(one, a=self._of(one.a), b=self._of(one.b))

    def _of(self, of: Of) -> Of:
        return Of(self.key(name(of.key)), of.type)


class _Anchors:
    """The owner of the interactions."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, Key], list[Recorded]] = {}

    def add(self, tenant: str, recorded: Recorded) -> None:
        self._events.setdefault((tenant, recorded.event.key), []).append(recorded)

    async def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        for recorded in self._events.get((tenant, key), ()):
            yield [recorded]


def interleaved(batches: Sequence[Batch], chance: random.Random) -> list[Batch]:
    """Batches in another order that consumers may see: that of each partition stays."""
    queues: dict[int, list[Batch]] = {}
    for batch in batches:
        queues.setdefault(batch.partition, []).append(batch)
    order = chance.sample([batch.partition for batch in batches], len(batches))
    return [queues[partition].pop(0) for partition in order]


def _document(sighting: Sighting) -> bytes:
    said: dict[str, Any] = {
        "type": "identify" if sighting.login else "track",
        "source": sighting.source,
        "identifiers": [
            {"type": one.type, "value": value_of(name(one.key)), "verified": one.verified}
            for one in sighting.identifiers
        ],
    }
    if sighting.session:
        said["context"] = {"session_id": sighting.session}
    return msgspec.json.encode(said)


async def resolved(pool: asyncpg.Pool, tenant: str) -> Resolution:
    """Who is who as the tables have it."""
    async with pool.acquire() as connection:
        store = IdentityStore(connection, tenant)
        keys = [row["key"] for row in await connection.fetch("SELECT key FROM people WHERE tenant = $1", tenant)]
        ends = [row["a"] for row in await connection.fetch("SELECT a FROM refused WHERE tenant = $1", tenant)]
        known = (await store.resolved.known(keys)).values()
        spans = await connection.fetch("SELECT key, span, person, tied_to FROM spans WHERE tenant = $1", tenant)
        return Resolution(
            people={one.key: one.person for one in known if one.person is not None},
            spans={(key, span): Tied(person, to) for key, span, person, to in spans},
            cuts={one.key: one.cut for one in known if one.cut is not None},
            marks={one.key: one.mark for one in known if one.mark is not None},
            refused=(await store.resolved.refused(ends)).refused,
        )


async def migrated(dsn: str) -> None:
    """Give a database the tables of the identity service."""
    await migrate(dsn, SCRIPTS, partitions=PARTITIONS)


@pytest.fixture(scope="session")
async def identity_dsn(databases: Databases) -> str:
    """A database of the identity service, in which each test has a tenant of its own."""
    return await databases.fresh(await databases.template("identity", migrated))


@pytest.fixture(scope="session")
async def identity_pool(identity_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to it."""
    async with open_pool(identity_dsn, size=8, scans=False) as pool:
        await Ranges(pool).cover(SystemClock().now())
        yield pool


def tables_world(pool: asyncpg.Pool, **how: Any) -> TablesWorld:
    """A tenant that nothing is known of."""
    tenant = replace(Tenants.demo().get("demo"), id=f"tenant{next(_numbers)}")
    return TablesWorld(pool, PostgresLog("identity", PARTITIONS, pool, SystemClock(), Ranges(pool)), tenant, **how)
