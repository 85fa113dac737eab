"""Portraits and timelines of people whom the identity log makes of several anchors, or of parts of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import interaction_pb2
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.devstack.stack import Stack
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.identity_events import CutMade, Move
from libs.people.keys import Keyring
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession, beside, in_session, own_id, since
from libs.rpc.client import channel
from libs.runtime.clock import SECOND
from libs.runtime.tenants import SHIPPED, Tenants
from tests.support.identity_log import SaidIdentity, said_identity
from tests.support.profile import (
    Client,
    fresh,
    identified,
    identified_portrait,
    moment,
    person,
    refused,
    replica,
    tracked,
)
from tests.support.transport import WITHIN_SECONDS, eventually

MARCH = 1_772_323_200 * SECOND  # 2026-03-01T00:00:00Z
DAY = 86_400 * SECOND


@pytest.fixture(scope="module")
async def identity(stack: Stack) -> AsyncIterator[SaidIdentity]:
    async with said_identity(stack) as said:
        yield said


@pytest.fixture(scope="module")
async def client(stack: Stack, identity: SaidIdentity, server_folder: Path) -> AsyncIterator[Client]:
    """The tenant `demo` at a replica that follows the identity log."""
    settings = {"IDENTITY": identity.address, "LEASE_SECONDS": "2"}
    async with replica(stack, server_folder, **settings) as service, channel(service.target) as connected:
        yield Client(connected, "demo")


def key(value: str, type_: str = "user_id") -> bytes:
    anchoring = Anchoring(DEFAULT_RULES, Keyring(Tenants.load(SHIPPED).get("demo").secret))
    ((identified_,), _) = anchoring.identify([Claimed(type_, value)])
    return identified_.key


def named(id_: bytes) -> pb.PersonReference:
    return pb.PersonReference(person_id=id_.hex())


def by(type_: str, value: str) -> pb.PersonReference:
    return pb.PersonReference(identifier=interaction_pb2.Identifier(type=type_, value=value))


async def profile(client: Client, who: pb.PersonReference, mask: tuple[str, ...] = (), **at: Any) -> pb.Profile:
    request = pb.GetProfileRequest(person=who, at=pb.ReadAt(**at), field_mask=FieldMask(paths=mask))
    answer: pb.GetProfileResponse = await client.profiles.GetProfile(request)
    return answer.profile


async def becomes(client: Client, who: pb.PersonReference, id_: bytes) -> pb.Profile:
    """The portrait as soon as it is that person's."""
    found = pb.Profile()

    async def there() -> bool:
        request = pb.BatchGetProfilesRequest(people=[who])  # which nobody unknown fails
        found.CopyFrom((await client.profiles.BatchGetProfiles(request)).profiles[0])
        return found.person_id == id_.hex()

    await eventually(there)
    return found


def bare(portrait: pb.Profile) -> pb.Profile:
    """What is the same however it was folded and by whatever name it was asked for."""
    copy = pb.Profile()
    copy.CopyFrom(portrait)
    copy.ClearField("contains")
    return copy


async def two(client: Client) -> tuple[str, str]:
    """Two users with something of everything."""
    ann, bob = fresh(), fresh()
    for user, city, price in ((ann, "上海", 10), (bob, "北京", 20)):
        order = {"order_id": fresh(), "total": price, "currency": "CNY"}
        consents = [{"purpose": "marketing", "channel": "sms", "state": "granted"}]
        await client.recorded(
            identified(user, {"city": city}),
            tracked(user, "order_completed", properties=order, occurred_at=f"2026-03-{price}T10:00:00Z"),
            tracked(user, "product_viewed", properties={"product_id": f"p{price}"}, consents=consents),
        )
    return ann, bob


async def test_a_merge_shows_everything_of_both_by_every_name_and_undone_it_leaves_no_trace(
    client: Client, identity: SaidIdentity
) -> None:
    ann, bob = await two(client)
    alone = [await profile(client, person(user)) for user in (ann, bob)]
    await identity.says(Move(key(bob), WHOLE, key(ann), 1))
    merged = await becomes(client, person(bob), key(ann))
    assert merged.interactions == 6
    assert merged.spending["CNY"].total.minor == 3000
    assert merged.spending["CNY"].first_at == moment("2026-03-10T10:00:00Z")
    assert set(merged.anchors) == {key(ann).hex(), key(bob).hex()}
    assert {one.partition for one in merged.contains} == {int.from_bytes(key(user)[:2]) % 8 for user in (ann, bob)}
    assert merged.traits["city"].value.string_value == "北京"
    for who in (person(ann), named(key(ann)), named(key(bob))):
        assert bare(await profile(client, who)) == bare(merged)
    await identity.says(Move(key(bob), WHOLE, key(bob), 2))
    await becomes(client, person(bob), key(bob))
    for user, before in zip((ann, bob), alone, strict=True):
        assert await profile(client, person(user)) == before


async def test_a_batch_answers_for_each_name_of_one_person(client: Client, identity: SaidIdentity) -> None:
    ann, bob = await two(client)
    stranger = fresh()
    await identity.says(Move(key(bob), WHOLE, key(ann), 1))
    await becomes(client, person(bob), key(ann))
    people = [person(ann), person(bob), person(stranger), named(key(bob))]
    answer = await client.profiles.BatchGetProfiles(pb.BatchGetProfilesRequest(people=people))
    assert [one.interactions for one in answer.profiles] == [6, 6, 0, 6]
    assert [one.person_id for one in answer.profiles] == [key(ann).hex()] * 2 + [key(stranger).hex(), key(ann).hex()]


async def test_an_identifier_that_is_nobodys_anchor_finds_the_person(client: Client, identity: SaidIdentity) -> None:
    user, phone = fresh(), "+8613800138" + str(time.time_ns())[-7:-4]
    await client.recorded(tracked(user))
    await identity.says(Move(key(phone, "phone"), WHOLE, key(user), 1))
    found = await becomes(client, by("phone", phone), key(user))
    assert (found.interactions, list(found.anchors)) == (1, [key(user).hex()])


async def test_a_timeline_goes_over_all_anchors_newest_first_and_its_pages_stand(
    client: Client, identity: SaidIdentity
) -> None:
    users = [fresh() for _ in range(3)]
    said = [tracked(users[n % 3], occurred_at=f"2026-03-01T{n // 60:02}:{n % 60:02}:00Z") for n in range(100)]
    said += [tracked(user, occurred_at="2026-03-01T00:30:00Z") for user in users]  # at once
    await client.recorded(*said)
    await identity.says(*(Move(key(user), WHOLE, key(users[0]), 1) for user in users[1:]))
    for user in users:
        await becomes(client, person(user), key(users[0]))
    read: list[Any] = []
    token = ""
    while True:
        request = pb.ListTimelineRequest(person=person(users[1]), page_size=9, page_token=token)
        page = await client.profiles.ListTimeline(request)
        read += page.entries
        await client.recorded(tracked(users[2]))
        if not (token := page.next_page_token):
            break
    newest_first = [one["message_id"] for one in sorted(said, key=lambda one: one["occurred_at"], reverse=True)]
    assert sorted(one.message_id for one in read) == sorted(newest_first)
    assert [one.occurred_at.ToMicroseconds() for one in read] == sorted(
        (one.occurred_at.ToMicroseconds() for one in read), reverse=True
    )


async def test_a_recycled_phone_is_cut_where_it_passed_on_and_whole_again_when_that_was_wrong(
    client: Client, identity: SaidIdentity
) -> None:
    phone, old, new = "+8613900139" + str(time.time_ns())[-7:-4], fresh(), fresh()
    anchor, at = key(phone, "phone"), MARCH + 10 * DAY

    def texted(day: int, **rest: Any) -> dict[str, Any]:
        return tracked("", occurred_at=f"2026-03-{day:02}T00:00:00Z", **rest) | {"identifiers": {"phone": phone}}

    await client.recorded(*(texted(day) for day in (1, 5, 11, 12, 20)), tracked(old), tracked(new))
    before = await profile(client, by("phone", phone))
    await identity.says(
        CutMade(anchor, AtTimes((at,)), 1),
        Move(old_key := key(old), WHOLE, anchor, 1),
        Move(anchor, since(at), key(new), 1),
    )
    await becomes(client, person(old), anchor)
    mine = await becomes(client, by("phone", phone), key(new))
    assert (mine.interactions, (await profile(client, person(old))).interactions) == (4, 3)
    assert (await profile(client, by("phone", phone), as_of=moment("2026-03-10T00:00:00Z"))).person_id == anchor.hex()
    assert (await profile(client, named(anchor))).interactions == 3
    assert (await profile(client, named(own_id(anchor, since(at))))).person_id == key(new).hex()
    assert (await profile(client, person(new), as_of=moment("2026-03-12T00:00:00Z"))).interactions == 2
    assert [one.occurred_at for one in await client.timeline(old)][1:] == [
        moment("2026-03-05T00:00:00Z"),
        moment("2026-03-01T00:00:00Z"),
    ]
    await client.recorded(texted(13), texted(2))
    assert (await profile(client, person(new))).interactions == 5
    assert (await profile(client, person(old))).interactions == 4
    await identity.says(
        CutMade(anchor, None, 2),
        Move(anchor, since(at), own_id(anchor, since(at)), 2),
        Move(old_key, WHOLE, old_key, 2),
    )
    await becomes(client, person(old), old_key)
    whole = await becomes(client, by("phone", phone), anchor)
    assert whole.interactions == 7
    assert before.interactions == 5
    assert (await profile(client, named(own_id(anchor, since(at))))).person_id == anchor.hex()


async def test_a_kiosks_sessions_are_their_visitors_and_what_is_retracted_goes_from_the_right_one(
    client: Client, identity: SaidIdentity
) -> None:
    kiosk, ann, bob = fresh("kiosk"), fresh(), fresh()
    anchor = key(kiosk, "device_id")
    sessions = [fresh("session") for _ in range(6)]

    def browsed(session: str, event: str = "product_viewed") -> dict[str, Any]:
        return tracked("", event, context={"session_id": session}) | {"identifiers": {"device_id": kiosk}}

    said = [browsed(sessions[n % 6]) for n in range(60)]
    await client.recorded(*said, tracked(ann), tracked(bob))
    assert (await profile(client, by("device_id", kiosk))).interactions == 60
    await identity.says(
        CutMade(anchor, BySession(), 1),
        Move(anchor, in_session(sessions[0]), key(ann), 1),
        Move(anchor, in_session(sessions[1]), key(ann), 1),
        Move(anchor, in_session(sessions[2]), key(bob), 1),
    )

    async def settled() -> bool:
        return (await profile(client, person(bob))).interactions == 11

    await eventually(settled)
    assert (await profile(client, person(ann))).interactions == 21
    assert (await refused(profile(client, by("device_id", kiosk)))).code == "NOT_FOUND"
    await client.recorded(*(browsed(sessions[2]) for _ in range(40)))
    assert (await profile(client, person(bob))).interactions == 51
    await asyncio.sleep(0.3)  # for the tail to be folded
    assert (await profile(client, person(bob))).interactions == 51
    await client.collector.Retract(collector_pb.RetractRequest(message_id=said[0]["message_id"]))
    assert (await profile(client, person(ann))).interactions == 20
    assert (await profile(client, person(bob))).interactions == 51
    assert len(await client.timeline(ann, page_size=100)) == 20


async def test_a_blocked_value_leaves_each_interaction_to_whoever_came_with_it(
    client: Client, identity: SaidIdentity
) -> None:
    blocked, device = fresh("guest"), fresh("device")
    anchor = key(blocked)
    await client.recorded(
        tracked(blocked, identifiers={"user_id": blocked, "device_id": device}),
        tracked(blocked, identifiers={"user_id": blocked, "device_id": device}),
        tracked(blocked),
    )
    place = beside(key(device, "device_id"))
    await identity.says(CutMade(anchor, ByIdentifier(), 1), Move(anchor, place, key(device, "device_id"), 1))

    async def settled() -> bool:
        request = pb.BatchGetProfilesRequest(people=[by("device_id", device), person(blocked)])
        found = (await client.profiles.BatchGetProfiles(request)).profiles
        return [one.interactions for one in found] == [2, 1]

    await eventually(settled)


async def test_a_watcher_sees_a_merge_and_what_then_happens_to_either(client: Client, identity: SaidIdentity) -> None:
    ann, bob = await two(client)
    call = client.profiles.WatchProfile(pb.WatchProfileRequest(person=person(ann)))
    states = aiter(call)
    assert (await anext(states)).profile.interactions == 3
    await identity.says(Move(key(bob), WHOLE, key(ann), 1))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 6
    await client.recorded(tracked(bob))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 7
    await identity.says(Move(key(bob), WHOLE, key(bob), 2))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 3
    call.cancel()


async def test_identified_waits_for_what_identity_makes_of_a_write(client: Client, identity: SaidIdentity) -> None:
    ann, bob = await two(client)
    (position,) = await client.recorded(tracked(bob))
    waiting = asyncio.ensure_future(identified_portrait(client, person(bob), position))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await identity.says(Move(key(bob), WHOLE, key(ann), 1))
    identity.consumed[position.partition] = position.position
    found = await asyncio.wait_for(waiting, WITHIN_SECONDS)
    assert (found.person_id, found.interactions) == (key(ann).hex(), 7)


async def test_without_an_identity_service_nobody_can_be_identified(demo: Client) -> None:
    user = fresh()
    (position,) = await demo.recorded(tracked(user))
    why = await refused(profile(demo, person(user), at_least=position, identified=True))
    assert (why.code, why.reason) == ("FAILED_PRECONDITION", "IDENTITY_NOT_AVAILABLE")
