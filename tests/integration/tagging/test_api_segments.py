"""Segments and tiers over gRPC: published with a plan, uploaded, explained, watched, and of one tenant alone."""

import asyncio
from typing import Any, Final

import asyncpg
import pytest
from portrait.tagging.v1 import segments_service_pb2 as pb
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as tags_pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub

from libs.rpc.pages import next_page
from libs.rpc.times import timestamp
from services.tagging.domain.names import DAY
from tests.support.documents import document, segment, tiers
from tests.support.interactions import NOON
from tests.support.profile import Speaking, refused
from tests.support.tagging_service import ANN, Tagged, tagged_of

VIEWS: Final = "{did: {event: product_viewed, within: 7d}}"
VIEWERS: Final = segment("viewers", VIEWS)


def segments(tagged: Tagged) -> Any:
    """The service on behalf of the tenant."""
    return Speaking(SegmentsStub(tagged.channel), tagged.tenant.id, ANN)


async def publish(tagged: Tagged, said: str, **more: Any) -> pb.PublishSegmentResponse:
    answer: pb.PublishSegmentResponse = await segments(tagged).PublishSegment(
        pb.PublishSegmentRequest(document=said, **more)
    )
    await tagged.settle()
    return answer


async def person(tagged: Tagged, user: str, **more: Any) -> tags_pb.GetPersonTagsResponse:
    request = tags_pb.GetPersonTagsRequest(person=tagged.reference(user), **more)
    answer: tags_pb.GetPersonTagsResponse = await tagged.stub.GetPersonTags(request)
    return answer


async def memberships(tagged: Tagged, user: str, **more: Any) -> list[str]:
    return [one.segment for one in (await person(tagged, user, **more)).segments]


def rows(tagged: Tagged, *users: str, **more: Any) -> list[pb.ListedPerson]:
    return [
        pb.ListedPerson(row=index, person=tagged.reference(user), **more) for index, user in enumerate(users, start=1)
    ]


async def test_publishing_a_segment_tells_who_would_enter_and_then_they_are_members(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    await tagged.did("u2", "order_completed")
    tried = await segments(tagged).PublishSegment(pb.PublishSegmentRequest(document=VIEWERS, validate_only=True))
    assert (tried.plan.looked_at, tried.plan.gained, list(tried.plan.changes)) == (2, 1, ["segment viewers is new"])
    assert (await refused(segments(tagged).GetSegment(pb.GetSegmentRequest(segment="viewers")))).code == "NOT_FOUND"
    first = await publish(tagged, VIEWERS, request_id="r1")
    assert (first.definition.key, first.definition.version, first.definition.published_by) == ("viewers", 1, "ann")
    assert (await publish(tagged, VIEWERS, request_id="r1")).definition.etag == first.definition.etag
    assert await memberships(tagged, "u1") == ["viewers"]
    assert await memberships(tagged, "u2") == []
    tagged.clock.set(NOON + 9 * DAY)
    await tagged.settle()
    assert await memberships(tagged, "u1") == []
    assert await memberships(tagged, "u1", as_of=timestamp(NOON + 2 * DAY)) == ["viewers"]


async def test_a_segment_that_is_read_is_not_retired_and_nobody_is_in_one_that_is(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    await publish(tagged, VIEWERS)
    await tagged.publish(document("looks", "{segment: viewers}"))
    assert await tagged.tags("u1") == {"looks": True}
    told = await refused(segments(tagged).RetireSegment(pb.RetireSegmentRequest(segment="viewers")))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "SEGMENT_IS_READ")
    await tagged.stub.RetireTag(tags_pb.RetireTagRequest(tag="looks"))
    await tagged.settle()
    retired = await segments(tagged).RetireSegment(pb.RetireSegmentRequest(segment="viewers"))
    assert retired.lost == 1
    await tagged.settle()
    assert await memberships(tagged, "u1") == []
    listed = await segments(tagged).ListSegments(pb.ListSegmentsRequest(retired=True))
    assert [(one.key, one.state) for one in listed.definitions] == [("viewers", tags.DEFINITION_STATE_RETIRED)]
    assert not (await segments(tagged).ListSegments(pb.ListSegmentsRequest())).definitions


async def test_segments_are_listed_in_pages(tagged: Tagged) -> None:
    for key in ("c", "a", "b"):
        await segments(tagged).PublishSegment(pb.PublishSegmentRequest(document=segment(key, VIEWS)))
    first = await segments(tagged).ListSegments(pb.ListSegmentsRequest(page_size=2))
    request = pb.ListSegmentsRequest(page_size=2, page_token=first.next_page_token)
    second = await segments(tagged).ListSegments(request)
    assert [one.key for one in [*first.definitions, *second.definitions]] == ["a", "b", "c"]
    assert not second.next_page_token


async def test_a_forged_token_of_segments_is_refused(tagged: Tagged) -> None:
    request = pb.ListSegmentsRequest(page_token=next_page(pb.ListSegmentsRequest(), "\0"))
    told = await refused(segments(tagged).ListSegments(request))
    assert (told.code, list(told.violations)) == ("INVALID_ARGUMENT", ["page_token"])


async def test_a_list_is_uploaded_once_and_people_are_taken_out_of_it(tagged: Tagged) -> None:
    await publish(tagged, segment("guests"))
    upload = pb.UploadListRequest(import_id="file-1", segment="guests", rows=rows(tagged, "u1", "u2"))
    assert (await segments(tagged).UploadList(upload)).recorded == 2
    assert (await segments(tagged).UploadList(upload)).duplicates == 2
    await tagged.settle()
    assert await memberships(tagged, "u1") == ["guests"]
    told = await segments(tagged).ExplainMembership(
        pb.ExplainMembershipRequest(person=tagged.reference("u1"), segment="guests")
    )
    assert (told.found, told.held.origin, told.summary) == (True, tags.ORIGIN_IMPORTED, "is in guests, imported")
    out = pb.UploadListRequest(import_id="file-2", segment="guests", rows=rows(tagged, "u1", removed=True))
    await segments(tagged).UploadList(out)
    await tagged.settle()
    assert await memberships(tagged, "u1") == []
    assert await memberships(tagged, "u2") == ["guests"]


async def test_a_segment_with_a_condition_takes_nobody_by_hand(tagged: Tagged) -> None:
    await publish(tagged, VIEWERS)
    upload = pb.UploadListRequest(import_id="file-1", segment="viewers", rows=rows(tagged, "u1"))
    told = await refused(segments(tagged).UploadList(upload))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "NOT_A_LIST")


async def test_a_membership_is_explained_by_events(tagged: Tagged) -> None:
    seen = await tagged.did("u1", "product_viewed")
    await publish(tagged, VIEWERS)
    told = await segments(tagged).ExplainMembership(
        pb.ExplainMembershipRequest(person=tagged.reference("u1"), segment="viewers")
    )
    assert (told.held.segment, told.summary) == ("viewers", "is in viewers, because when holds")
    assert list(told.reasons[0].leaves[0].event_ids) == [seen]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (segment("everyone", VIEWS), "segment: 'everyone' is built in"),
        (VIEWERS + "list: true\n", "needs when, or list: true, and not both"),
        (document("viewers", VIEWS), "tag: makes it a document of the kind tag"),
        (segment("viewers", "{segment: viewers}"), "when: reads itself"),
    ],
)
async def test_what_is_wrong_in_a_segment_is_told_with_its_path(tagged: Tagged, said: str, field: str) -> None:
    told = await refused(segments(tagged).PublishSegment(pb.PublishSegmentRequest(document=said)))
    assert told.code == "INVALID_ARGUMENT"
    assert field in told.violations["document"]


async def test_a_tag_may_not_take_the_name_of_the_tiers(tagged: Tagged) -> None:
    told = await refused(tagged.stub.PublishTag(tags_pb.PublishTagRequest(document=document("tier", VIEWS))))
    assert (told.code, "tag: 'tier' is the name of the tiers" in told.violations["document"]) == (
        "INVALID_ARGUMENT",
        True,
    )


async def test_tiers_are_published_read_and_held(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    said = tiers(gold="{did: {event: product_viewed, times: 2, within: 7d}}", silver=VIEWS)
    said = said.replace("tier: silver,", "tier: silver, touches: {per_week: 3}, discount: 0.2,")
    tried = await tagged.stub.PublishTiers(tags_pb.PublishTiersRequest(document=said, validate_only=True))
    assert (tried.plan.gained, tried.plan.sample[0].after.text) == (1, "silver")
    await tagged.stub.PublishTiers(tags_pb.PublishTiersRequest(document=said))
    await tagged.settle()
    found = (await tagged.stub.GetTiers(tags_pb.GetTiersRequest())).definition
    assert [(one.key, one.touches_per_week, one.discount) for one in found.tiers] == [
        ("gold", 0, 0.0),
        ("silver", 3, 0.2),
    ]
    assert not found.tiers[0].HasField("touches_per_week")
    assert (await person(tagged, "u1")).tier.tier == "silver"
    await tagged.did("u1", "product_viewed", NOON + 1)
    tagged.clock.set(NOON + DAY)
    await tagged.settle()
    assert (await person(tagged, "u1")).tier.tier == "gold"
    assert (await person(tagged, "u1", as_of=timestamp(NOON))).tier.tier == "silver"


async def test_whoever_enters_and_leaves_is_told_to_watchers(tagged: Tagged) -> None:
    await publish(tagged, VIEWERS)
    request = pb.WatchSegmentRequest(segments=["viewers"], people=[tagged.reference("u1")])
    watching = segments(tagged).WatchSegment(request)
    begun = await watching.read()
    assert begun.WhichOneof("change") is None
    await tagged.did("u2", "product_viewed")
    await tagged.did("u1", "product_viewed")
    await tagged.settle()
    tagged.clock.set(NOON + 9 * DAY)
    await tagged.settle()
    told: list[pb.WatchSegmentResponse] = []
    async with asyncio.timeout(60):
        while len(told) < 2:
            one = await watching.read()
            told += [one] if one.WhichOneof("change") else []
    assert [(one.WhichOneof("change"), one.person_id) for one in told] == [
        ("entered", tagged.key("u1").hex()),
        ("left", tagged.key("u1").hex()),
    ]
    watching.cancel()


async def test_nothing_of_a_tenant_is_seen_or_changed_by_another(tagged: Tagged, tagging_pool: asyncpg.Pool) -> None:
    await tagged.did("u1", "product_viewed")
    await publish(tagged, VIEWERS)
    await publish(tagged, segment("guests"))
    await tagged.stub.PublishTiers(tags_pb.PublishTiersRequest(document=tiers(silver=VIEWS)))
    await tagged.settle()
    async with tagged_of(tagging_pool) as stranger:
        other, whom = segments(stranger), stranger.reference("u1")
        hidden = [
            other.GetSegment(pb.GetSegmentRequest(segment="viewers")),
            other.RetireSegment(pb.RetireSegmentRequest(segment="viewers")),
            other.ExplainMembership(pb.ExplainMembershipRequest(person=whom, segment="viewers")),
            other.UploadList(pb.UploadListRequest(import_id="f", segment="guests", rows=rows(stranger, "u1"))),
            stranger.stub.GetTiers(tags_pb.GetTiersRequest()),
        ]
        assert [(await refused(one)).code for one in hidden] == ["NOT_FOUND"] * len(hidden)
        assert not (await other.ListSegments(pb.ListSegmentsRequest(retired=True))).definitions
        own = await publish(stranger, VIEWERS)
        assert (own.definition.version, own.plan.population) == (1, 0)
        answer = await stranger.stub.PublishTiers(tags_pb.PublishTiersRequest(document=tiers(silver=VIEWS)))
        assert answer.definition.version == 1
        watching = other.WatchSegment(pb.WatchSegmentRequest())
        await watching.read()
        await tagged.did("u2", "product_viewed")
        await tagged.settle()
        await stranger.did("u3", "product_viewed")
        await stranger.settle()
        async with asyncio.timeout(60):
            while not (one := await watching.read()).WhichOneof("change"):
                pass
        assert one.person_id == stranger.key("u3").hex()
        watching.cancel()
    assert await memberships(tagged, "u1") == ["viewers"]
    assert (await person(tagged, "u1")).tier.tier == "silver"
