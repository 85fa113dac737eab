"""From what producers send to who is who, with the real services."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1 import log_service_pb2_grpc as log_rpc
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.devstack.stack import Stack
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.keys import Keyring
from libs.rpc.client import channel, metadata_for
from libs.rpc.credentials import PLATFORM
from libs.runtime.tenants import Tenants
from tests.support.profile import Client, fresh, identified, patiently, tracked
from tests.support.servers import kill

ANCHORING = Anchoring(DEFAULT_RULES, Keyring(Tenants.demo().get("demo").secret))
WITHIN = 90.0  # seconds: a lease and a restart, on a machine that has other things to do


@pytest.fixture
async def identities(people_stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the identity service's database."""
    connection = await asyncpg.connect(people_stack.postgres.dsn("identity", role="identity"))
    yield connection
    await connection.close()


def key_of(type_: str, value: str) -> bytes:
    (found,), _ = ANCHORING.identify([Claimed(type_, value)])
    return found.key


async def person_of(identities: asyncpg.Connection, type_: str, value: str) -> bytes:
    key = key_of(type_, value)
    row = await identities.fetchrow("SELECT person FROM people WHERE tenant = 'demo' AND key = $1", key.hex())
    return row["person"].bytes if row and row["person"] else key


async def caught_up(people_stack: Stack) -> None:
    """Wait until identity says that it consumed what the interactions log holds now."""
    heads = await heads_of(people_stack, "profile")
    wanted = {head.partition: head.position for head in heads.heads}
    async with asyncio.timeout(WITHIN):
        while True:
            (consumed,) = (await heads_of(people_stack, "identity")).consumed or [log_pb.ConsumedLog()]
            reached = {one.partition: one.position for one in consumed.positions}
            if all(reached.get(partition, 0) >= position for partition, position in wanted.items()):
                return
            await asyncio.sleep(0.02)


async def heads_of(people_stack: Stack, service: str) -> log_pb.GetHeadsResponse:
    async with channel(people_stack.services[service].target) as line:
        get, request = log_rpc.LogStub(line).GetHeads, log_pb.GetHeadsRequest()
        ask = partial(get, request, metadata=metadata_for(PLATFORM), wait_for_ready=True)
        answer: log_pb.GetHeadsResponse = await patiently(ask)
        return answer


async def test_what_came_together_is_one_person_and_both_logs_say_how_far_it_is(
    shop: Client, people_stack: Stack, identities: asyncpg.Connection
) -> None:
    user, device = fresh("user"), fresh("device")
    await shop.recorded(tracked(user, identifiers={"anonymous_id": device}))
    await shop.recorded(identified(user, {}, identifiers={"user_id": user, "anonymous_id": device}))
    await caught_up(people_stack)
    founder = key_of("anonymous_id", device)
    assert await person_of(identities, "user_id", user) == founder
    assert await person_of(identities, "anonymous_id", device) == founder


async def test_taking_the_interaction_back_that_joined_two_parts_them(
    shop: Client, people_stack: Stack, identities: asyncpg.Connection
) -> None:
    user, device = fresh("user"), fresh("device")
    joining = identified(user, {}, identifiers={"user_id": user, "anonymous_id": device})
    await shop.recorded(tracked(user, identifiers={"anonymous_id": device}))
    await shop.recorded(joining)
    await caught_up(people_stack)
    assert await person_of(identities, "user_id", user) == key_of("anonymous_id", device)
    await shop.collector.Retract(collector_pb.RetractRequest(message_id=joining["message_id"]))
    await caught_up(people_stack)
    assert await person_of(identities, "user_id", user) == key_of("user_id", user)


async def test_a_killed_identity_service_goes_on_where_it_was(
    shop: Client, people_stack: Stack, identities: asyncpg.Connection
) -> None:
    people = [(fresh("user"), fresh("device")) for _ in range(200)]
    service = people_stack.services["identity"]
    for number, (user, device) in enumerate(people):
        await shop.recorded(tracked(user, identifiers={"user_id": user, "anonymous_id": device}))
        if number in (60, 120):
            await kill(service)
    await asyncio.sleep(0.2)
    await caught_up(people_stack)
    for user, device in people:
        assert await person_of(identities, "user_id", user) == await person_of(identities, "anonymous_id", device)
    moved = await identities.fetchval(
        "SELECT count(*) FROM people WHERE tenant = 'demo' AND version > 1 AND key = ANY($1::uuid[])",
        [key_of("user_id", user).hex() for user, _ in people],
    )
    assert moved == 0  # nobody was told of twice


async def test_a_replica_that_only_answers_consumes_nothing_and_answers_while_no_other_does(
    shop: Client, people_stack: Stack, identities: asyncpg.Connection
) -> None:
    user, device = fresh("user"), fresh("device")
    await shop.recorded(tracked(user, identifiers={"user_id": user, "anonymous_id": device}))
    await caught_up(people_stack)
    request = pb.ResolveRequest(identifier=Identifier(type="user_id", value=user))
    metadata = metadata_for("demo")
    async with people_stack.another("identity", CONSUMES="false") as replica, channel(replica.target) as line:
        resolve, heads = rpc.IdentitiesStub(line).Resolve, log_rpc.LogStub(line).GetHeads
        async with people_stack.without(people_stack.services["identity"]):
            before = await heads(log_pb.GetHeadsRequest(), metadata=metadata_for(PLATFORM))
            newcomer = fresh("device")
            await shop.recorded(tracked(user, identifiers={"user_id": user, "anonymous_id": newcomer}))
            await asyncio.sleep(1)  # for a replica that consumes, more than enough
            assert (await heads(log_pb.GetHeadsRequest(), metadata=metadata_for(PLATFORM))) == before
            answer = await resolve(request, metadata=metadata)
            assert answer.resolution.known
            assert answer.resolution.person_id == (await person_of(identities, "anonymous_id", device)).hex()
        await caught_up(people_stack)
        found = pb.ResolveRequest(identifier=Identifier(type="anonymous_id", value=newcomer))
        assert (await resolve(found, metadata=metadata)).resolution.person_id == answer.resolution.person_id
