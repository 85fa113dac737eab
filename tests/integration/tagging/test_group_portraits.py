"""What a group is like, from what happened to the figures."""

from typing import Any, Final

import pytest
from portrait.tagging.v1 import group_portrait_pb2 as group_pb
from portrait.tagging.v1 import segments_service_pb2 as pb
from portrait.tagging.v1.membership_pb2 import CrowdReference
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub

from libs.conditions.tree import Did, Tag, Trait
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import FailedPrecondition, InvalidArgument
from services.tagging.queries.portraying import Portraying
from tests.support.documents import document, segment
from tests.support.profile import Speaking, refused
from tests.support.tagging import TENANT, TagWorld, keys
from tests.support.tagging_service import ANN, Tagged

NOON: Final[Micros] = 1_772_078_400 * SECOND  # 12:00 of 2026-02-26 in Shanghai
HOUR: Final = 3600 * SECOND
PEOPLE: Final = list(keys(*"abcdefgh"))

SPENT: Final = "{did: {event: bought, sum: {of: paid}, within: 30d}}"
HOURS: Final = "{did: {event: bought, per: $hour, within: 30d}}"


async def test_a_group_is_compared_by_traits_hours_and_spending(tag_world: TagWorld) -> None:
    tag_world.now = NOON + 12 * HOUR
    for text in (
        document("buyer", "{did: {event: bought}}"),
        document("spent", SPENT, value="number", source="statistic"),
        document("hour", HOURS, value="text", source="ranking"),
        document("city", "", value="text", source="trait") + "trait: city\n",
    ):
        await tag_world.publish(text)
    for number, person in enumerate(PEOPLE):
        city = "上海" if number % 2 else "北京"
        tag_world.collect(person, "registered", NOON - HOUR, traits={"city": city} if number < 6 else {})
        if number < 4:
            tag_world.collect(person, "bought", NOON + number // 2 * HOUR, properties={"paid": 10 * number + 0.5})
    await tag_world.settle()
    portraying = Portraying(tag_world.crowds, tag_world.catalogues)
    found, positions = await portraying.portray(TENANT, Tag("buyer"))
    assert (found.sizes.group, found.sizes.everyone) == (4, 6), "two hold nothing: there is no segment"
    by = {one.characteristic.reference: one.distribution for one in found.portrayed}
    assert set(by) == {"tag:buyer", "tag:spent", "tag:hour", "tag:city"}
    assert [(row.value, row.compared.group, row.compared.everyone) for row in by["tag:city"].rows] == [
        ("上海", 2, 3),
        ("北京", 2, 3),
    ]
    assert {row.value: row.compared.group for row in by["tag:hour"].rows if row.compared.group} == {"12": 2, "13": 2}
    assert len(by["tag:hour"].rows) == 24
    assert by["tag:spent"].spread is not None
    assert by["tag:spent"].spread.quartiles == (5_000, 105_000, 205_000)
    assert sum(positions.values()) > 0

    tag_world.collect(PEOPLE[0], "bought", NOON + 2 * HOUR, properties={"paid": 1000})
    await tag_world.settle()
    (spent,) = (await portraying.portray(TENANT, Tag("buyer"), ["tag:spent"])).found.portrayed
    assert spent.distribution.rows[-1].high == 10_005_000


async def test_what_can_not_be_answered_is_refused_by_its_field(tag_world: TagWorld) -> None:
    await tag_world.publish(document("buyer", "{did: {event: bought}}"))
    await tag_world.settle()
    portraying = Portraying(tag_world.crowds, tag_world.catalogues)
    with pytest.raises(FailedPrecondition, match="nobody is in the group"):
        await portraying.portray(TENANT, Tag("buyer"))
    with pytest.raises(InvalidArgument, match=r"characteristics\[1\]: tag:nobody is not defined"):
        await portraying.portray(TENANT, Tag("buyer"), ["tag:buyer", "tag:nobody"])
    for asked in (Did(("bought",)), Trait("city")):
        with pytest.raises(FailedPrecondition, match="asks for more than is held"):
            await portraying.portray(TENANT, asked)


async def test_a_segment_is_portrayed_over_grpc_up_to_the_heads_of_the_moment(tagged: Tagged) -> None:
    segments: Any = Speaking(SegmentsStub(tagged.channel), tagged.tenant.id, ANN)
    for user in ("u1", "u2", "u3"):
        await tagged.did(user, "product_viewed" if user == "u1" else "order_completed")
    await tagged.publish(document("orders", "{did: {event: order_completed}}", value="number", source="statistic"))
    await segments.PublishSegment(
        pb.PublishSegmentRequest(document=segment("viewers", "{did: {event: product_viewed}}"))
    )
    await tagged.settle()
    request = group_pb.GetGroupPortraitRequest(crowd=CrowdReference(segment="viewers"))
    found = await segments.GetGroupPortrait(request)
    assert (found.group, found.everyone, dict(found.titles)) == (1, 3, {"en": "viewers"})
    assert {one.reference for one in found.distributions} == {"tag:orders"}, "itself would say nothing"
    await tagged.did("u4", "product_viewed")
    await tagged.settle()
    after = await segments.GetGroupPortrait(request)
    assert (after.group, after.everyone) == (2, 4)
    assert sum(one.position for one in after.positions) > sum(one.position for one in found.positions)

    request.characteristics.append("tag:nobody")
    error = await refused(segments.GetGroupPortrait(request))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["characteristics[0]"])
    everyone = await segments.GetGroupPortrait(
        group_pb.GetGroupPortraitRequest(crowd=CrowdReference(segment="everyone"))
    )
    assert (everyone.group, everyone.everyone) == (4, 4)
    unknown = group_pb.GetGroupPortraitRequest(crowd=CrowdReference(segment="nobody"))
    assert (await refused(segments.GetGroupPortrait(unknown))).code == "NOT_FOUND"
