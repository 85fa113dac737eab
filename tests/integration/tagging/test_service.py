"""From what producers send to the tags that people have, with the real services."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from portrait.identity.v1 import person_pb2
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1 import log_service_pb2_grpc as log_rpc
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import interaction_pb2
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc
from portrait.tagging.v1.tag_pb2 import DEFINITION_STATE_LIVE

from libs.devstack.stack import Stack
from libs.eventlog.database import open_pool
from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM
from services.tagging.codec.values import value_of
from services.tagging.folding import INTERACTIONS
from services.tagging.refolding import consumer_of
from tests.support.documents import document
from tests.support.profile import Client, Speaking, fresh, patiently, tracked
from tests.support.servers import kill

WITHIN = 90.0  # seconds: a lease and a restart, on a machine that has other things to do


@pytest.fixture
def tags(tags_channel: grpc.aio.Channel) -> Any:
    """The tenant `demo` of the tagging service."""
    return Speaking(rpc.TagsStub(tags_channel), "demo")


def reference(user: str, type_: str = "user_id") -> person_pb2.PersonReference:
    return person_pb2.PersonReference(identifier=interaction_pb2.Identifier(type=type_, value=user))


async def had(tags: Any, user: str, **at: Any) -> dict[str, Any]:
    request = pb.GetPersonTagsRequest(person=reference(user), **at)
    answer = await patiently(lambda: tags.GetPersonTags(request, wait_for_ready=True))
    return {one.tag: value_of(one.value) for one in answer.tags}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await holds():  # noqa: ASYNC110  another process does it
            await asyncio.sleep(0.02)


async def published(tags: Any, key: str, event: str, times: int = 1) -> None:
    """Let a tag be live that counts an event."""
    text = document(key, f"{{did: {{event: {event}, times: {{at_least: {times}}}}}}}")
    await tags.PublishTag(pb.PublishTagRequest(document=text))

    async def is_live() -> bool:
        answer = await tags.GetTag(pb.GetTagRequest(tag=key))
        return bool(answer.definition.state == DEFINITION_STATE_LIVE)

    await until(is_live)


async def test_a_tag_is_there_when_the_event_is_that_earns_it(shopping: Client, tags: Any) -> None:
    user = fresh("user")
    await published(tags, "came_twice", "came", 2)
    await shopping.recorded(tracked(user, "Came"))
    (position,) = await shopping.recorded(tracked(user, "Came"))
    assert await had(tags, user, at_least=position) == {"came_twice": True}


async def test_a_definition_published_later_is_answered_by_what_happened_before(shopping: Client, tags: Any) -> None:
    users = [fresh("user") for _ in range(20)]
    await shopping.recorded(*(tracked(user, "went") for user in users))
    await published(tags, "went", "went")

    async def all_have_it() -> bool:
        return all([await had(tags, user) == {"went": True} for user in users])

    await until(all_have_it)


async def test_what_is_taken_back_takes_the_tag_back(shopping: Client, tags: Any) -> None:
    user, sent = fresh("user"), tracked(fresh("x"), "complained")
    sent["identifiers"] = {"user_id": user}
    await published(tags, "unhappy", "complained")
    (position,) = await shopping.recorded(sent)
    assert await had(tags, user, at_least=position) == {"unhappy": True}
    await shopping.collector.Retract(collector_pb.RetractRequest(message_id=sent["message_id"]))

    async def lost_it() -> bool:
        return await had(tags, user) == {}

    await until(lost_it)


async def test_whoever_turns_out_to_be_one_has_the_tags_of_both_together(shopping: Client, tags: Any) -> None:
    user, device = fresh("user"), fresh("device")
    await published(tags, "danced_twice", "danced", 2)
    await shopping.recorded(tracked(user, "danced"))
    await shopping.recorded(tracked(user, "danced", identifiers={"anonymous_id": device}))
    assert await had(tags, user) == {}
    await shopping.recorded(tracked(user, "met", identifiers={"user_id": user, "anonymous_id": device}))

    async def has_it() -> bool:
        return await had(tags, user) == {"danced_twice": True}

    await until(has_it)


async def test_a_killed_service_tells_everything_once(shopping: Client, tags: Any, tags_stack: Stack) -> None:
    await published(tags, "sang", "sang")
    users = [fresh("user") for _ in range(150)]
    service = tags_stack.services["tagging"]
    for number, user in enumerate(users):
        (position,) = await shopping.recorded(tracked(user, "sang"))
        if number in (50, 100):
            await kill(service)
            await asyncio.sleep(0.2)
    assert await had(tags, users[-1], at_least=position) == {"sang": True}

    async def all_have_it() -> bool:
        return all([await had(tags, user) == {"sang": True} for user in users])

    await until(all_have_it)


async def test_whoever_asks_how_projections_fare_sees_each_layer_that_is_filling(
    shopping: Client, tags_channel: grpc.aio.Channel, tags_stack: Stack
) -> None:
    projections: Any = Speaking(ops_rpc.ProjectionsStub(tags_channel), "demo")
    dsn = tags_stack.postgres.dsn("tagging", role="tagging")
    (position,) = await shopping.recorded(tracked(fresh("user"), "came"))
    # Of a tenant that is not declared, so that nobody fills it.
    begun = "INSERT INTO layers (tenant, features, state) VALUES ('nobody', '', 'filling') RETURNING number"
    async with open_pool(dsn, size=1) as pool:
        number = await pool.fetchval(begun)
        try:

            async def lacks_it() -> bool:
                told = (await projections.ListProjections(ops_pb.ListProjectionsRequest())).projections
                lacking = {one.name: (one.log, one.lag_events) for one in told}
                log, events = lacking[consumer_of(number)]
                assert log == INTERACTIONS
                return bool(events >= position.position)

            await until(lacks_it)
        finally:
            await pool.execute("DELETE FROM layers WHERE number = $1", number)


async def test_the_heads_tell_what_time_it_is_for_a_tenant(shopping: Client) -> None:
    stub = log_rpc.LogStub(shopping.channel)
    own = await stub.GetHeads(log_pb.GetHeadsRequest(), metadata=metadata_for("demo"))
    assert [one.tenant for one in own.clocks] == ["demo"]
    # Nothing has happened to the tenant whose clock goes by what happens, so nobody knows what time it is there.
    everybody = await stub.GetHeads(log_pb.GetHeadsRequest(), metadata=metadata_for(PLATFORM))
    assert {one.tenant for one in everybody.clocks} == {"demo", "other"}
