"""The Tags service as its callers see it, on real tables: what happened is folded and answered by the test itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg
import grpc
import msgspec
import pytest
from portrait.identity.v1 import person_pb2
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1.interaction_pb2 import Identifier
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc

from libs.conditions.comparisons import Scalar
from libs.eventlog.database import open_pool
from libs.eventlog.event import Batch, Envelope, Recorded, partition_of
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.transactions import Transactions
from libs.people.identifiers import Claimed
from libs.people.identity_events import Move, News
from libs.people.placing import Placing
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import ManualClock, Micros, SystemClock
from libs.runtime.tenants import Tenant, Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from services.tagging.api import WATCHING, CrowdParts, Parts, tagging_services
from services.tagging.catalogue import Catalogues
from services.tagging.codec.values import value_of
from services.tagging.courses import Courses
from services.tagging.domain.layers import BASE
from services.tagging.evaluating import Evaluating
from services.tagging.folding import FeatureFold
from services.tagging.gathering import Gathering
from services.tagging.handlers.publishing import Publishing
from services.tagging.handlers.saying import Saying
from services.tagging.operations.counting import Counting
from services.tagging.operations.exporting import Exporting
from services.tagging.operations.rewinding import Rewinding
from services.tagging.operations.running import Operations
from services.tagging.operations.walking import Walking
from services.tagging.queries.crowds import Crowds
from services.tagging.queries.estimating import Estimating
from services.tagging.queries.explaining import Explaining
from services.tagging.queries.histories import Histories
from services.tagging.queries.names import Described
from services.tagging.queries.people import People
from services.tagging.queries.portraying import Portraying
from services.tagging.queries.previewing import Previewing
from services.tagging.queries.scoring import Scoring
from services.tagging.queries.staging import Staging
from services.tagging.store.definitions import DefinitionRows
from services.tagging.store.due import DueRows
from services.tagging.store.marks import MarkRows
from services.tagging.tallying import Tallying
from tests.support.elsewhere import PARTITIONS
from tests.support.interactions import NOON, tracked
from tests.support.profile import Speaking
from tests.support.servers import Databases
from tests.support.tagging import migrated

ANN: Final = "ann"
_numbers = count(1)


class _Anchors:
    """The owner of the interactions."""

    def __init__(self) -> None:
        self.events: dict[bytes, list[Recorded]] = {}

    async def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        yield list(self.events.get(key, ()))


class _Names:
    """What the tenant's schemas describe."""

    described = Described({}, {})

    async def of(self, tenant: str) -> Described:
        return self.described


@dataclass(eq=False)
class Tagged:
    """One tenant's tags over gRPC, and what happens to its people; people are named by the user_id that they have."""

    pool: asyncpg.Pool
    tenant: Tenant
    clock: ManualClock
    catalogues: Catalogues
    rulebook: Rulebook
    map: PostgresIdentityMap
    fold: FeatureFold
    evaluating: Evaluating
    anchors: _Anchors
    names: _Names
    operations: Operations
    tallying: Tallying
    channel: grpc.aio.Channel
    address: str
    _events: "count[int]" = field(default_factory=lambda: count(1))
    _moves: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def stub(self) -> Any:
        """The service on behalf of the tenant, called by ann."""
        return Speaking(rpc.TagsStub(self.channel), self.tenant.id, ANN)

    def key(self, user: str) -> bytes:
        """The OneID that somebody has alone."""
        (found,), _ = self.rulebook.current(self.tenant.id).identify([Claimed("user_id", user)])
        return found.key

    def reference(self, user: str) -> person_pb2.PersonReference:
        return person_pb2.PersonReference(identifier=Identifier(type="user_id", value=user))

    async def did(self, user: str, event: str, at: Micros | None = None, **properties: Any) -> bytes:
        """Let somebody do something, and fold it; answers its id."""
        anchor, number = self.key(user), next(self._events)
        document = msgspec.json.encode(tracked(event, properties, identifiers={"user_id": user}))
        id_, happened = number.to_bytes(16, "big"), self.clock.now() if at is None else at
        new = Envelope(self.tenant.id, INTERACTION_RECORDED).seal().event(id_, anchor, happened, document)
        recorded = Recorded(number, happened, log_pb.Event.FromString(new.data))
        self.anchors.events.setdefault(anchor, []).append(recorded)
        batch = Batch(partition_of(anchor, PARTITIONS), number, [happened], [new.data])
        async with self.pool.acquire() as connection, connection.transaction():
            await self.fold.fold(connection, [batch])
        return id_

    async def merge(self, user: str, into: str) -> None:
        """Let somebody be another person."""
        move = Move(self.key(user), WHOLE, self.key(into), next(self._moves))
        async with self.pool.acquire() as connection, connection.transaction():
            await self.map.learn(connection, {self.tenant.id: News([move], [])})
            await DueRows(connection, self.tenant.id).mark(dict.fromkeys([self.key(user), self.key(into)]))

    async def settle(self) -> None:
        """Let what was published be live and everybody be answered."""
        async with self.pool.acquire() as connection, connection.transaction():
            catalogue = await self.catalogues.within(connection, self.tenant.id)
            filling = catalogue.filling
            if filling is not None:
                rows = DefinitionRows(connection, self.tenant.id)
                await rows.flip([(name, one.version) for name, one in filling.definitions.items()])
                marks = MarkRows(connection, self.tenant.id)
                await marks.begin(filling.otherwise_than(catalogue.live))
                while await marks.go_on(2):
                    pass
                for anchor, events in self.anchors.events.items():
                    await self.fold.fold_anew(connection, self.tenant.id, anchor, events)
        await self.catalogues.refresh()
        while await self.evaluating.portion(self.tenant):
            pass

    async def publish(self, document: str, **more: Any) -> pb.PublishTagResponse:
        """Publish, and let it be live."""
        answer: pb.PublishTagResponse = await self.stub.PublishTag(pb.PublishTagRequest(document=document, **more))
        await self.settle()
        return answer

    async def tags(self, user: str, **more: Any) -> dict[str, Scalar | None]:
        """The tags of somebody, by key."""
        request = pb.GetPersonTagsRequest(person=self.reference(user), **more)
        return {one.tag: value_of(one.value) for one in (await self.stub.GetPersonTags(request)).tags}


@asynccontextmanager
async def tagged_of(pool: asyncpg.Pool, folder: Path | None = None) -> AsyncIterator[Tagged]:
    """Serve a tenant of which nothing is known."""
    tenant = replace(Tenants.demo().get("demo"), id=f"tenant{next(_numbers)}")
    tenants, metrics, clock = Tenants({tenant.id: tenant}), Metrics(), ManualClock(NOON)
    log = PostgresLog("tags", PARTITIONS, pool, SystemClock(), Ranges(pool))
    rulebook, map_, transactions = Rulebook(pool, tenants, metrics), PostgresIdentityMap(pool), Transactions(pool, log)
    catalogues, placing = Catalogues(pool, tenants, metrics), Placing(rulebook.at)
    courses, anchors, names = Courses(catalogues), _Anchors(), _Names()

    def now(_: str) -> Micros:
        return clock.now()

    async def reach(partition: int, position: int) -> None:
        pass

    people, histories = People(pool, map_, log, reach), Histories(anchors, placing)
    gathering = Gathering(pool, log, metrics, ())
    crowds, walking = Crowds(gathering, tenants), Walking(pool, courses, tenants, now)
    exporting = Exporting(folder, walking, Rewinding(log), catalogues)
    operations = Operations(pool, clock, metrics, {"count": Counting(walking).work, "export": exporting.work})
    estimating = Estimating(people, histories, catalogues, courses, crowds, tenants, now)
    tallying = Tallying(pool, courses, tenants, now, metrics, 2**30, 600)
    parts = Parts(
        rulebook,
        catalogues,
        names,  # type: ignore[arg-type]  # what is asked of it
        people,
        Previewing(people, histories, catalogues, tenants, now),
        Explaining(people, histories, catalogues, tenants, now),
        Portraying(crowds, catalogues),
        Scoring(people, histories, courses, tenants, now),
        Staging(people, histories, catalogues, tenants, now),
        Publishing(transactions, tenants, clock, asyncio.Event()),
        Saying(transactions, map_, now),
        log,
        CrowdParts(tenants, crowds, tallying, estimating, exporting, operations),
    )
    fold = FeatureFold(BASE, courses.live, placing)
    evaluating = Evaluating(pool, log, courses, tenants, now, metrics)
    serving = serve(
        tagging_services(parts),
        host="127.0.0.1",
        port=0,
        authenticator=DevelopmentCredential({tenant.id}),
        metrics=metrics,
        traces=Traces.off(),
        endless=WATCHING,
    )
    async with serving as server, channel(f"127.0.0.1:{server.port}") as connected:
        at = f"127.0.0.1:{server.port}"
        yield Tagged(
            pool,
            tenant,
            clock,
            catalogues,
            rulebook,
            map_,
            fold,
            evaluating,
            anchors,
            names,
            operations,
            tallying,
            connected,
            at,
        )


@pytest.fixture(scope="session")
async def tagging_dsn(databases: Databases) -> str:
    """A database of the tagging service, in which each test has a tenant of its own."""
    return await databases.fresh(await databases.template("tagging", migrated))


@pytest.fixture(scope="session")
async def tagging_pool(tagging_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to it."""
    async with open_pool(tagging_dsn, size=8, scans=False) as pool:
        await Ranges(pool).cover(SystemClock().now())
        yield pool


@pytest.fixture
async def tagged(tagging_pool: asyncpg.Pool) -> AsyncIterator[Tagged]:
    """A tenant of which nothing is known, over gRPC."""
    async with tagged_of(tagging_pool) as serving:
        yield serving
