"""`Profiles.ListTimeline`: newest first, page by page, while more is coming in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.rpc.pages import next_page
from tests.support.profile import Client, fresh, moment, person, refused, tracked


def happened(user: str, minute: int, **rest: Any) -> dict[str, Any]:
    return tracked(user, **rest, occurred_at=f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z")


async def pages(client: Client, user: str, size: int, **request: Any) -> AsyncIterator[list[Any]]:
    token = ""
    while True:
        asked = pb.ListTimelineRequest(person=person(user), page_size=size, page_token=token, **request)
        answer = await client.profiles.ListTimeline(asked)
        yield list(answer.entries)
        token = answer.next_page_token
        if not token:
            return


async def test_pages_hold_everything_once_newest_first(demo: Client) -> None:
    user = fresh()
    minutes = [(7 * n) % 45 for n in range(45)]
    said = [happened(user, minute) for minute in minutes]
    await demo.recorded(*said)
    read = [page async for page in pages(demo, user, 20)]
    assert [len(page) for page in read] == [20, 20, 5]
    newest_first = [one["message_id"] for _, one in sorted(zip(minutes, said, strict=True), reverse=True)]
    assert [entry.message_id for page in read for entry in page] == newest_first


async def test_pages_stand_still_while_more_comes_in(demo: Client) -> None:
    user = fresh()
    said = [happened(user, minute) for minute in range(10, 40)]
    await demo.recorded(*said)
    read, minute = [], 50
    async for page in pages(demo, user, 10):
        read += [entry.message_id for entry in page]
        await demo.recorded(happened(user, minute), happened(user, 45))
        minute += 1
    assert read == [one["message_id"] for one in reversed(said)]


async def test_of_what_happened_at_once_nothing_is_skipped_or_repeated(demo: Client) -> None:
    user = fresh()
    said = [happened(user, 1) for _ in range(25)]
    await demo.recorded(*said)
    read = [entry.message_id async for page in pages(demo, user, 4) for entry in page]
    assert sorted(read) == sorted(one["message_id"] for one in said)


async def test_only_the_events_asked_for_are_shown(demo: Client) -> None:
    user = fresh()
    await demo.recorded(*(happened(user, n, event=("Order Completed", "visited", "left")[n % 3]) for n in range(30)))
    read = [entry.event async for page in pages(demo, user, 7, events=["order_completed", "left"]) for entry in page]
    assert read == ["left", "order_completed"] * 10


async def test_a_token_is_no_good_for_another_question(demo: Client) -> None:
    user = fresh()
    await demo.recorded(*(happened(user, n) for n in range(5)))
    first = await demo.profiles.ListTimeline(pb.ListTimelineRequest(person=person(user), page_size=2))
    token = first.next_page_token
    others = (
        pb.ListTimelineRequest(person=person(user), page_token=token, events=["visited"]),
        pb.ListTimelineRequest(person=person(fresh()), page_token=token),
        pb.ListTimelineRequest(person=person(user), page_token=token[:-1]),
        pb.ListTimelineRequest(person=person(user), page_token="né"),
    )
    for request in others:
        why = await refused(demo.profiles.ListTimeline(request))
        assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "page_token")


@pytest.mark.parametrize("cursor", [(2**63, 0, 0), (0, 2**63, 0), (0, 0, 2**15)])
async def test_a_forged_token_is_refused(demo: Client, cursor: tuple[int, int, int]) -> None:
    request = pb.ListTimelineRequest(person=person(fresh()))
    request.page_token = next_page(request, cursor)
    why = await refused(demo.profiles.ListTimeline(request))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "page_token")


async def test_pages_have_fifty_entries_unless_asked_and_a_thousand_at_most(demo: Client) -> None:
    user = fresh()
    await demo.recorded(*(happened(user, n % 60) for n in range(60)))
    assert len(await demo.timeline(user)) == 50
    assert len(await demo.timeline(user, page_size=1_000)) == 60
    for size in (-1, 1_001):
        assert (await refused(demo.timeline(user, page_size=size))).violations.keys() == {"page_size"}


async def test_an_entry_says_what_came_and_where_it_is(demo: Client) -> None:
    user = fresh()
    properties = {"product_id": "p9", "price": 68.5, "tags": ["a", None], "big": 2**60, "deep": {"yes": True}}
    said = happened(user, 90, event="Product Viewed", properties=properties)
    (position,) = await demo.recorded(said)
    (entry,) = await demo.timeline(user)
    assert (entry.message_id, entry.event, entry.source) == (said["message_id"], "product_viewed", "app")
    assert entry.occurred_at == moment("2026-03-01T01:30:00Z")
    assert entry.position == position
    assert MessageToDict(entry.properties) == {**properties, "big": str(2**60)}


async def test_a_timeline_can_end_at_a_moment(demo: Client) -> None:
    user = fresh()
    await demo.recorded(*(happened(user, n) for n in range(10)))
    at = pb.ReadAt(as_of=moment("2026-03-01T00:04:00Z"))
    read = [entry async for page in pages(demo, user, 2, at=at) for entry in page]
    assert len(read) == 5
    assert read[0].occurred_at == at.as_of


async def test_nobody_has_no_timeline(demo: Client) -> None:
    assert (await refused(demo.timeline(fresh()))).code == "NOT_FOUND"
