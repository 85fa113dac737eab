"""What the methods of `identity.v1.Identities` have in common: the parts that they call, and reading who is meant."""

from dataclasses import dataclass
from typing import Any

import grpc
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.identity.v1 import person_pb2
from portrait.profile.v1 import interaction_pb2

from libs.eventlog.postgres import PostgresLog
from libs.eventlog.service import Consumed
from libs.people.identifiers import Claimed, Identified
from libs.people.spans import WHOLE
from libs.runtime.tenants import Tenants
from services.identity.deciding import Deciding
from services.identity.domain.person import Place
from services.identity.queries.explaining import Explaining
from services.identity.queries.hindsight import Histories
from services.identity.queries.people import People
from services.identity.queries.previewing import Previewing
from services.identity.rulebook import Reading, Rulebook
from services.identity.store.tenant import IdentityStore

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """Whatever answers. `log` is the identity log, `consumed` tells how far other logs are resolved."""

    tenants: Tenants
    rulebook: Rulebook
    people: People
    explaining: Explaining
    previewing: Previewing
    deciding: Deciding
    histories: Histories
    log: PostgresLog
    consumed: Consumed


class Methods(rpc.IdentitiesServicer):
    """The ground of all methods, which are parted by what they are about."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def _reading(self, tenant: str) -> Reading:
        """The rules in force."""
        async with self._parts.people.pool.acquire() as connection:
            rows = IdentityStore(connection, tenant).rules
            return await self._parts.rulebook.reading(rows, await rows.in_force())

    async def _place(self, tenant: str, reading: Reading, reference: person_pb2.PersonReference, field: str) -> Place:
        """The identifier, or the span of one, that a reference is about."""
        if reference.WhichOneof("reference") == "identifier":
            return identified(reading, reference.identifier, f"{field}.identifier").key, WHOLE
        person = bytes.fromhex(reference.person_id)
        async with self._parts.people.reading(tenant) as store:
            return await self._parts.people.place_of(store, person)


def identified(reading: Reading, said: interaction_pb2.Identifier, field: str) -> Identified:
    """An identifier as the rules read it; raises `InvalidArgument` if it can name nobody."""
    return reading.anchoring.person_named(Claimed(said.type, said.value), field)
