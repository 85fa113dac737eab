"""Segments and tiers beside tags: told in one look with what they read, and everyone among them."""

from typing import Final

from portrait.tagging.v1 import events_pb2 as pb

from libs.runtime.clock import SECOND, Micros
from services.tagging.codec.changes import ASSIGNED, ENTERED, LEFT, TIER_CHANGED
from tests.support.documents import document, segment, tiers
from tests.support.tagging import TagWorld, keys

START: Final[Micros] = 1_772_000_000 * SECOND
DAY: Final[Micros] = 86_400 * SECOND
ANN, BOB = keys("a", "b")

BUYS: Final = "{did: {event: bought, within: 2d}}"


async def types(tagged: TagWorld, person: bytes, *, since: int = 0) -> list[str]:
    """What was told of somebody, in order."""
    return [one.type for one in await tagged.events() if one.key == person][since:]


async def test_what_reads_a_tier_that_reads_a_tag_is_told_in_the_look_in_which_the_tag_changes(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    await tag_world.publish(document("buyer", BUYS))
    await tag_world.publish(tiers(gold="{tag: buyer}"))
    await tag_world.publish(document("treated", "{tier: gold}"))
    await tag_world.publish(segment("guests", "{tag: treated}"))
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START)
    await tag_world.settle()
    told = [one for one in await tag_world.events() if one.key == ANN]
    assert [one.type for one in told] == [ENTERED, ASSIGNED, TIER_CHANGED, ASSIGNED, ENTERED]
    buyer, guest = pb.TagAssigned.FromString(told[1].payload), pb.SegmentEntered.FromString(told[4].payload)
    assert (buyer.tag, buyer.revision, guest.segment, guest.revision) == ("buyer", 1, "guests", 1)
    assert {one.causation_id for one in told} == {told[0].causation_id}

    tag_world.now = START + 3 * DAY  # by time alone
    await tag_world.settle()
    assert set((await tag_world.held())[ANN]) == {"segment:everyone"}
    tier = [pb.TierChanged.FromString(one.payload) for one in await tag_world.events() if one.type == TIER_CHANGED]
    assert [(one.former, one.tier, one.reason) for one in tier] == [
        ("", "gold", pb.REMOVAL_REASON_UNSPECIFIED),
        ("gold", "", pb.REMOVAL_REASON_CONDITION),
    ]


async def test_everybody_enters_everyone_with_the_first_segment_and_leaves_it_with_the_last(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    await tag_world.publish(document("buyer", BUYS))
    tag_world.collect(ANN, "viewed", START)
    await tag_world.settle()
    assert await tag_world.held() == {}

    await tag_world.publish(segment("guests"))
    await tag_world.settle()
    (entered,) = [one for one in await tag_world.events() if one.type == ENTERED]
    assert (entered.key, pb.SegmentEntered.FromString(entered.payload).backfill) == (ANN, True)
    await tag_world.say(BOB, "segment:guests", True, START)  # of whom no event was ever seen
    await tag_world.settle()
    assert set((await tag_world.held())[BOB]) == {"segment:everyone", "segment:guests"}

    await tag_world.retire("segment:guests")
    await tag_world.settle()
    assert await tag_world.held() == {}
    assert (await types(tag_world, ANN)) == [ENTERED, LEFT]


async def test_a_segment_says_whom_it_does_not_hold_only_of_those_who_are_known(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(document("buyer", BUYS))
    await tag_world.publish(segment("others", "{not: {tag: buyer}}"))
    tag_world.collect(ANN, "bought", START)
    tag_world.collect(BOB, "viewed", START)
    await tag_world.settle()
    held = await tag_world.held()
    assert set(held[ANN]) == {"buyer", "segment:everyone"}
    assert set(held[BOB]) == {"segment:others", "segment:everyone"}
