"""The identity service as its callers see it, on real tables: what was seen is folded into them by the test itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as with_
from typing import Any

import asyncpg
import grpc
import pytest
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.identity.v1 import person_pb2
from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.eventlog.transactions import Transactions
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from services.identity.api import WATCHING, Parts, identity_services
from services.identity.deciding import Deciding
from services.identity.queries.explaining import Explaining
from services.identity.queries.people import People
from services.identity.queries.previewing import Previewing
from services.identity.rulebook import Rulebook
from tests.support.identity import TYPES, Statement, inputs
from tests.support.identity_tables import TablesWorld, tables_world, value_of
from tests.support.profile import Speaking

ANN = "ann"


@dataclass(eq=False)
class Asked:
    """One tenant's identities over gRPC; names are those of `tests.support.identity`, such as `u1` and `p1`."""

    world: TablesWorld
    channel: grpc.aio.Channel
    address: str
    other_tenant: str
    consumed: dict[str, dict[int, int]] = field(default_factory=dict)
    _said: int = 0

    @property
    def stub(self) -> Any:
        """The service on behalf of the tenant, called by ann."""
        return Speaking(rpc.IdentitiesStub(self.channel), self.world.tenant.id, ANN)

    @property
    def stranger(self) -> Any:
        """The same on behalf of another tenant."""
        return Speaking(rpc.IdentitiesStub(self.channel), self.other_tenant)

    async def saw(self, *statements: Statement) -> None:
        """Fold what was seen, an hour after what was said before."""
        told = inputs(*statements, first=self._said)
        self._said += len(statements)
        await self.world.consume(*self.world.interactions(told))

    def identifier(self, name: str) -> Identifier:
        """The identifier with a name; any other, as type:value, is one itself."""
        type_, colon, value = name.partition(":")
        return Identifier(type=type_, value=value) if colon else Identifier(type=TYPES[name[0]], value=value_of(name))

    def reference(self, name: str) -> person_pb2.PersonReference:
        return person_pb2.PersonReference(identifier=self.identifier(name))

    def id(self, name: str) -> str:
        """The own id of the identifier with a name."""
        return self.world.key(name).hex()

    def pair(self, kind: Any, one: str, other: str, **rest: Any) -> Any:
        """A request for a decision about two."""
        return kind(one=self.identifier(one), other=self.identifier(other), **rest)

    async def person(self, name: str, **request: Any) -> person_pb2.Person:
        answer = await self.stub.GetPerson(pb.GetPersonRequest(person=self.reference(name), **request))
        person: person_pb2.Person = answer.person
        return person

    async def names(self, name: str, **request: Any) -> set[str]:
        """The values of all identifiers of a person."""
        return {one.value for one in (await self.person(name, **request)).identifiers}

    async def explain(self, one: str, other: str = "") -> Any:
        request = pb.ExplainPersonRequest(one=self.reference(one))
        if other:
            request.other.CopyFrom(self.reference(other))
        return await self.stub.ExplainPerson(request)


def values(*names: str) -> set[str]:
    """The values of the identifiers with these names."""
    return set(map(value_of, names))


def at(partition: int, position: int) -> Position:
    return Position(partition=partition, position=position)


def positions(answers: Sequence[Any]) -> list[Position]:
    return [one.position for one in answers]


@asynccontextmanager
async def asked_of(pool: asyncpg.Pool, dsn: str, **how: Any) -> AsyncIterator[Asked]:
    """Serve a tenant that nothing is known of, beside another one."""
    world = tables_world(pool, **how)
    other = with_(world.tenant, id=f"{world.tenant.id}-beside", secret=b"another secret")
    tenants = Tenants({world.tenant.id: world.tenant, other.id: other})
    rulebook, people = Rulebook(tenants), People(pool, world.log)
    consumed: dict[str, dict[int, int]] = {}

    async def heads() -> dict[str, dict[int, int]]:
        return consumed

    parts = Parts(
        tenants,
        rulebook,
        people,
        Explaining(people),
        Previewing(dsn, 1 << 30),
        Deciding(Transactions(pool, world.log), rulebook, tenants, world.clock, asyncio.Event()),
        world.anchors,
        world.log,
        heads,
    )
    metrics = Metrics()
    serving = serve(
        identity_services(parts),
        host="127.0.0.1",
        port=0,
        authenticator=DevelopmentCredential({tenant.id for tenant in tenants}),
        metrics=metrics,
        traces=Traces.off(),
        endless={WATCHING},
    )
    async with serving as server, channel(f"127.0.0.1:{server.port}") as connected:
        yield Asked(world, connected, f"127.0.0.1:{server.port}", other.id, consumed)


@pytest.fixture
async def asked(identity_pool: asyncpg.Pool, identity_dsn: str) -> AsyncIterator[Asked]:
    """A tenant that nothing is known of, over gRPC."""
    async with asked_of(identity_pool, identity_dsn) as one:
        yield one
