"""`Profiles.WatchProfile`: a portrait now, and after every change."""

import asyncio
from typing import Any

from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.devstack.stack import Stack
from tests.support.profile import Client, fresh, measured, person, refused_stream, tracked
from tests.support.transport import WITHIN_SECONDS, eventually

METHOD = "portrait.profile.v1.Profiles/WatchProfile"


def watching(client: Client, user: str, *mask: str) -> Any:
    request = pb.WatchProfileRequest(person=person(user))
    request.field_mask.paths.extend(mask)
    return client.profiles.WatchProfile(request)


async def next_portrait(states: Any, interactions: int) -> Any:
    """The first state that holds so many; states between may be passed over, none may come twice."""
    seen = -1
    async with asyncio.timeout(WITHIN_SECONDS):
        async for answer in states:
            assert answer.profile.interactions > seen
            seen = answer.profile.interactions
            if seen >= interactions:
                return answer.profile
    raise AssertionError("the stream ended")


async def test_a_watcher_sees_the_portrait_now_and_after_each_change(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    call = watching(demo, user)
    states = aiter(call)
    assert (await next_portrait(states, 1)).interactions == 1
    for count in range(2, 6):
        await demo.recorded(tracked(user))
        assert (await next_portrait(states, count)).interactions == count
    await demo.recorded(*(tracked(user) for _ in range(100)))
    assert (await next_portrait(states, 105)).interactions == 105
    call.cancel()


async def test_a_retraction_is_a_change(demo: Client) -> None:
    user = fresh()
    kept, wrong = tracked(user), tracked(user)
    await demo.recorded(kept, wrong)
    call = watching(demo, user, "interactions")
    states = aiter(call)
    assert (await anext(states)).profile.interactions == 2
    await demo.collector.Retract(collector_pb.RetractRequest(message_id=wrong["message_id"]))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile == pb.Profile(interactions=1)
    call.cancel()


async def test_somebody_can_be_watched_before_they_come(demo: Client) -> None:
    user = fresh()
    call = watching(demo, user)
    states = aiter(call)
    assert (await anext(states)).profile.interactions == 0
    await demo.recorded(tracked(user))
    assert (await next_portrait(states, 1)).interactions == 1
    call.cancel()


async def test_a_watcher_does_not_hear_of_others(demo: Client) -> None:
    user = fresh()
    call = watching(demo, user)
    states = aiter(call)
    await anext(states)
    await demo.recorded(*(tracked(fresh()) for _ in range(50)))
    await demo.recorded(tracked(user))
    assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 1
    call.cancel()


async def test_a_hundred_watchers_see_the_same(demo: Client) -> None:
    user = fresh()
    calls = [watching(demo, user, "interactions") for _ in range(100)]
    states = [aiter(call) for call in calls]
    await asyncio.gather(*(anext(one) for one in states))
    await demo.recorded(tracked(user), tracked(user))
    seen = await asyncio.gather(*(next_portrait(one, 2) for one in states))
    assert {one.interactions for one in seen} == {2}
    for call in calls:
        call.cancel()


async def test_the_service_stops_watching_for_whoever_has_left(demo: Client, stack: Stack) -> None:
    async def cancelled() -> float:
        return await measured(stack, "portrait_rpc_seconds_count", method=METHOD, code="CANCELLED")

    before = await cancelled()
    call = watching(demo, fresh())
    await anext(aiter(call))
    call.cancel()

    async def one_more() -> bool:
        return await cancelled() > before

    await eventually(one_more)


async def test_an_unknown_section_or_nobody_can_not_be_watched(demo: Client) -> None:
    assert (await refused_stream(watching(demo, fresh(), "trait"))).violations.keys() == {"field_mask"}
    assert (await refused_stream(watching(demo, "null"))).violations.keys() == {"person.identifier"}
