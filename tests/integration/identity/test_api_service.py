"""The whole way: collected by profile, resolved by identity, asked for, explained, decided about and watched."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.identity.v1 import person_pb2, rules_pb2
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import Client, Speaking, fresh, patiently, refused, tracked

PARTITIONS = 8


@pytest.fixture
async def identities(people_stack: Stack) -> AsyncIterator[Any]:
    """What the tenant `demo` can ask the identity service."""
    async with channel(people_stack.services["identity"].target) as line:
        yield Speaking(rpc.IdentitiesStub(line), "demo", "ann")


def named(type_: str, value: str) -> Identifier:
    return Identifier(type=type_, value=value)


def asking(type_: str, value: str, **rest: Any) -> pb.GetPersonRequest:
    return pb.GetPersonRequest(person=person_pb2.PersonReference(identifier=named(type_, value)), **rest)


async def resolved(identities: Any, request: pb.ResolveRequest) -> pb.Resolution:
    """Whom an identifier names as soon as the position that is asked for is consumed."""
    answer: pb.ResolveResponse = await patiently(lambda: identities.Resolve(request))
    return answer.resolution


async def test_a_purchase_just_collected_is_resolved_when_its_position_is_waited_for(
    shop: Client, identities: Any
) -> None:
    user, device = fresh("user"), fresh("device")
    (position,) = await shop.recorded(tracked(user, identifiers={"user_id": user, "anonymous_id": device}))
    request = pb.ResolveRequest(identifier=named("anonymous_id", device), at_least=position)
    found = await resolved(identities, request)
    assert found.known
    person = (await identities.GetPerson(asking("user_id", user))).person
    assert person.person_id == found.person_id
    assert {one.value for one in person.identifiers} == {user, device}
    request.at_least.partition = PARTITIONS
    assert list((await refused(identities.Resolve(request))).violations) == ["at_least.partition"]


async def test_who_somebody_was_is_read_from_profile_s_log(shop: Client, identities: Any) -> None:
    user, device, tablet = fresh("user"), fresh("device"), fresh("tablet")
    now = datetime.now(UTC)
    await shop.recorded(
        tracked(
            user, identifiers={"user_id": user, "anonymous_id": device}, occurred_at=(now - timedelta(9)).isoformat()
        )
    )
    later = tracked(user, identifiers={"user_id": user, "device_id": tablet}, occurred_at=now.isoformat())
    (position,) = await shop.recorded(later)
    await resolved(identities, pb.ResolveRequest(identifier=named("user_id", user), at_least=position))
    last_week = Timestamp(seconds=int((now - timedelta(7)).timestamp()))
    then = (await identities.GetPerson(asking("user_id", user, as_of=last_week))).person
    assert {one.value for one in then.identifiers} == {user, device}
    today = (await identities.GetPerson(asking("device_id", tablet))).person
    assert {one.value for one in today.identifiers} == {user, device, tablet}


async def test_a_decision_is_explained_and_watched(shop: Client, identities: Any) -> None:
    one, other = fresh("user"), fresh("member")
    await shop.recorded(tracked(one, identifiers={"user_id": one}), tracked(other, identifiers={"member_no": other}))
    call = identities.WatchChanges(pb.WatchChangesRequest())
    answers = aiter(call)
    begun = [await anext(answers) for _ in range(PARTITIONS)]
    assert all(answer.WhichOneof("change") is None for answer in begun)
    linked = pb.LinkRequest(one=named("user_id", one), other=named("member_no", other), reason="at the desk")
    decided = (await identities.Link(linked)).decided
    explained = pb.ExplainPersonRequest(
        one=person_pb2.PersonReference(identifier=named("user_id", one)),
        other=person_pb2.PersonReference(identifier=named("member_no", other)),
    )
    (edge,) = (await identities.ExplainPerson(explained)).chain
    assert edge.reason == "linked by ann: at the desk"
    async for answer in answers:
        if answer.causation_id == decided.event_id:
            break
    call.cancel()


async def test_rules_are_previewed_by_a_process_of_their_own(shop: Client, identities: Any) -> None:
    user = fresh("user")
    (position,) = await shop.recorded(tracked(user))
    await resolved(identities, pb.ResolveRequest(identifier=named("user_id", user), at_least=position))
    shipped = (await identities.GetRules(pb.GetRulesRequest())).rules
    tried = shipped.document.replace("user_id: {strength: strong, form: exact, priority: 100, per_person: 1}", "")
    plan = (await identities.PreviewRules(pb.PreviewRulesRequest(document=tried))).plan
    assert list(plan.changes) == ["user_id: no longer joins anybody"]
    assert plan.identifiers > 0
    request = pb.PublishRulesRequest(rules=rules_pb2.Rules(document=tried), etag="old", validate_only=True)
    assert (await refused(identities.PublishRules(request))).code == "ABORTED"
