"""Stages of the lifecycle as they are told: by what happens, by time, of what comes late, and on history."""

from typing import Final

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.conditions.calendar import Calendar
from libs.people.identity_events import Move
from libs.people.spans import WHOLE
from libs.runtime.clock import SECOND, Micros
from services.tagging.codec.changes import STAGE_ENTERED
from tests.support.documents import document, lifecycle, segment
from tests.support.tagging import TENANT, TagWorld, keys

DAY: Final[Micros] = 86_400 * SECOND
START: Final[Micros] = 1_772_000_000 * SECOND
ANN, BOB = keys("a", "b")

BUYERS: Final = lifecycle(
    "visitor",
    ("visitor", "buyer", "{did: {event: bought}}"),
    ("buyer", "lost", "{did_not: {event: bought, within: 3d}}"),
    ("lost", "won_back", "{did: {event: bought, within: 1d}}"),
)


def begins(tagged: TagWorld, at: Micros) -> Micros:
    """When the day of a moment begins for the tenant."""
    calendar = Calendar(tagged.tenants.get(TENANT).zone)
    return calendar.start_of(calendar.day(at))


async def told(tagged: TagWorld, person: bytes) -> list[pb.StageEntered]:
    return [pb.StageEntered.FromString(one.payload) for one in await happened(tagged, person)]


async def happened(tagged: TagWorld, person: bytes) -> list[log_pb.Event]:
    return [one for one in await tagged.events() if one.type == STAGE_ENTERED and one.key == person]


async def test_a_stage_is_told_with_its_cause_and_the_day_and_left_by_time_alone_when_that_day_begins(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    await tag_world.publish(BUYERS)
    await tag_world.publish(segment("gone", "{stage: lost}"))
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START)
    await tag_world.settle()
    (entered,) = await told(tag_world, ANN)
    leaves = begins(tag_world, START + 3 * DAY)
    assert (entered.former, entered.stage, entered.since_micros) == ("", "buyer", begins(tag_world, START))
    assert entered.expires_at_micros == leaves
    assert (await happened(tag_world, ANN))[0].causation_id, "the event that brought it about"

    tag_world.now = leaves - 1
    await tag_world.settle()
    assert (await tag_world.held())[ANN]["stage"] == ("buyer", "")
    tag_world.now = leaves
    await tag_world.settle()
    assert set((await tag_world.held())[ANN]) == {"segment:everyone", "segment:gone", "stage"}
    lost = (await told(tag_world, ANN))[-1]
    assert (lost.former, lost.stage, lost.since_micros) == ("buyer", "lost", leaves)


async def test_what_comes_late_leads_to_the_stage_as_if_it_had_come_on_time(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYERS)
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START)
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START - 10 * DAY)  # so they were lost in between, and came back
    await tag_world.settle()
    assert [(one.former, one.stage) for one in await told(tag_world, ANN)] == [("", "buyer"), ("buyer", "won_back")]
    assert (await told(tag_world, ANN))[-1].since_micros == begins(tag_world, START)


async def test_a_lifecycle_is_computed_on_history_and_follows_people_who_become_one(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(document("buyer", "{did: {event: bought, within: 2d}}"))
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START)
    tag_world.collect(BOB, "bought", START - 10 * DAY)
    await tag_world.settle()
    await tag_world.publish(BUYERS)
    await tag_world.settle()
    held = await tag_world.held()
    assert (held[ANN]["stage"], held[BOB]["stage"]) == (("buyer", ""), ("lost", ""))
    (entered,) = await told(tag_world, BOB)
    assert (entered.backfill, entered.since_micros) == (True, begins(tag_world, START - 7 * DAY))

    tag_world.says(Move(BOB, WHOLE, ANN, 1))
    await tag_world.settle()
    assert (await tag_world.held())[ANN]["stage"] == ("won_back", "")
    left = (await told(tag_world, BOB))[-1]
    assert (left.former, left.stage, left.became) == ("lost", "", ANN)
    tag_world.says(Move(BOB, WHOLE, BOB, 2))
    await tag_world.settle()
    held = await tag_world.held()
    assert (held[ANN]["stage"], held[BOB]["stage"]) == (("buyer", ""), ("lost", ""))
