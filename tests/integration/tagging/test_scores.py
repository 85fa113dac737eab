"""Scores on real tables: told by level, read by others, moved by time alone, and ranked by cuts that are made once."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Final

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.people.identity_events import Move
from libs.people.spans import WHOLE
from libs.runtime.clock import SECOND, Micros
from services.tagging.codec.changes import SCORE_MOVED, TIER_CHANGED
from services.tagging.codec.publications import CUT_MADE
from services.tagging.store.cuts import CutRows
from tests.support.documents import document, tiers
from tests.support.tagging import TENANT, TagWorld, keys

DAY: Final[Micros] = 86_400 * SECOND
START: Final[Micros] = 1_772_352_000 * SECOND  # 2026-03-01T08:00:00Z, in the afternoon of the tenant
ANN, BOB = keys("a", "b")

KEEN: Final = (
    document("keen", "{did: {event: bought, times: 9, within: 30d}}")
    + "score:\n"
    + "  half_life: 10d\n"
    + "  evidence: [{did: bought, weight: 1}]\n"
    + "  feedback: {ignored: -0.5}\n"
    + "  levels: {strong: 0.7, some: 0.4}\n"
)
SPENT: Final = document("spent", "{did: {event: bought, sum: {of: price}, within: 90d}}", "number", "statistic")
RANKED: Final = SPENT + "score: {rank: {parts: 4, cut: monthly}, levels: {top: 1}}\n"


async def moved(tagged: TagWorld) -> list[tuple[bytes, pb.ScoreMoved]]:
    """What was told of scores, in the order of the log of each."""
    return [
        (one.key, pb.ScoreMoved.FromString(one.payload)) for one in await tagged.events() if one.type == SCORE_MOVED
    ]


async def cut(tagged: TagWorld) -> bool:
    """Make the cuts whose time has come, and let all of it come to rest."""
    made = await tagged.cut()
    await tagged.settle()
    return made


async def test_a_level_is_told_when_it_changes_and_others_are_answered_where_they_ask(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(KEEN)
    await tag_world.publish(document("warm", "{score: {keen: {at_least: 0.6, less_than: 0.7}}}"))
    await tag_world.settle()
    for _ in range(2):
        tag_world.collect(ANN, "bought", START)
    await tag_world.settle()
    assert (await tag_world.held())[ANN] == {"score:keen": ("strong", "")}
    tag_world.collect(ANN, "message_ignored", START, properties={"tags": ["keen", "other"]})
    await tag_world.settle()  # 1 - 2^-1.5 = 0.646
    assert set((await tag_world.held())[ANN]) == {"score:keen", "warm"}
    tag_world.now = START + 2 * DAY  # 1.5 points are 1.306 by now, and 0.595 is no longer warm, but the level stays
    await tag_world.settle()
    assert set((await tag_world.held())[ANN]) == {"score:keen"}
    tag_world.now = START + 30 * DAY
    await tag_world.settle()
    assert await tag_world.held() == {}
    told = [(one.level, one.former, one.value, one.backfill) for _, one in await moved(tag_world)]
    assert told == [
        ("strong", "", 0.75, False),
        ("some", "strong", 0.6464, False),
        ("", "some", told[2][2], False),
    ]
    assert 0 < told[2][2] < 0.4


async def test_a_changed_policy_is_as_if_it_had_stood_from_the_beginning(tag_world: TagWorld) -> None:
    tag_world.now = START
    for _ in range(2):
        tag_world.collect(ANN, "bought", START - 20 * DAY)
    await tag_world.publish(KEEN)
    await tag_world.settle()
    assert await tag_world.held() == {}  # half a point is 0.293
    await tag_world.publish(KEEN.replace("half_life: 10d", "half_life: 100d"), 2)
    await tag_world.settle()
    assert (await tag_world.held())[ANN] == {"score:keen": ("strong", "")}
    ((_, told),) = await moved(tag_world)
    assert (told.backfill, told.definition_version) == (True, 2)


async def test_everybody_is_cut_once_as_of_the_beginning_of_the_month_whoever_cuts_and_however_often(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    people = list(keys("a", "b", "c", "d", "e", "f", "g", "h"))
    for number, person in enumerate(people, start=1):
        tag_world.collect(person, "bought", START - 2 * DAY, properties={"price": number})
    tag_world.collect(people[0], "bought", START, properties={"price": 100})  # today, so it is not in the cut
    tag_world.says(Move(people[7], WHOLE, people[6], 1))  # who are one person, with 15
    await tag_world.publish(RANKED)
    await tag_world.publish(tiers(gold="{score: {spent: {more_than: 0.75}}}"))
    await tag_world.settle()
    replicas = [replace(tag_world) for _ in "abc"]
    made = await asyncio.gather(*(one.cut() for one in replicas), return_exceptions=True)
    await tag_world.settle()
    assert made.count(True) == 1
    (told,) = [pb.CutMade.FromString(one.payload) for one in await tag_world.events() if one.type == CUT_MADE]
    assert (told.tag, told.population, told.version, told.parts) == ("spent", 7, 1, 4)
    assert list(told.thresholds) == [20_000, 40_000, 60_000]  # of 1 … 6 and 15
    held = await tag_world.held()
    assert {person for person in held if "tier" in held[person]} == {people[0], people[6]}
    assert all(one.backfill for _, one in await moved(tag_world))
    assert not await cut(tag_world)

    tag_world.collect(people[1], "bought", START + 20 * DAY, properties={"price": 50})
    tag_world.now = START + 31 * DAY
    await tag_world.settle()
    assert await cut(tag_world)
    later = [pb.CutMade.FromString(one.payload) for one in await tag_world.events() if one.type == CUT_MADE]
    assert [(one.day, one.version) for one in later] == [(told.day, 1), (told.day + 31, 2)]
    assert list(later[1].thresholds) == [40_000, 60_000, 520_000]  # of 3 … 6, 15, 52, 101
    changes = [pb.TierChanged.FromString(one.payload) for one in await tag_world.events() if one.type == TIER_CHANGED]
    assert {one.backfill for one in changes if not one.tier} == {False}, "to fall at a cut is news"
    held = await tag_world.held()
    assert {person for person in held if "tier" in held[person]} == {people[0]}


async def test_a_cut_that_is_killed_is_made_all_the_same_and_once(tag_world: TagWorld) -> None:
    chance = Random(7)
    tag_world.now = START
    for number, person in enumerate(keys(*"abcdefghij")):
        tag_world.collect(person, "bought", START - DAY, properties={"price": number})
    await tag_world.publish(RANKED)
    await tag_world.settle()
    for _ in range(12):
        await tag_world.killed(tag_world.cut(), chance)
    await cut(tag_world)
    made = [one for one in await tag_world.events() if one.type == CUT_MADE]
    async with tag_world.pool.acquire() as connection:
        (known,) = await CutRows(connection, TENANT).newest()
    assert [(one.id, one.type) for one in made] == [(known.event_id, CUT_MADE)]
    assert sum(("score:spent" in one) for one in (await tag_world.held()).values()) == 2


async def test_the_score_of_whoever_becomes_another_is_told_to_go(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(KEEN)
    await tag_world.settle()
    tag_world.collect(ANN, "bought", START)
    tag_world.collect(BOB, "bought", START)
    await tag_world.settle()
    tag_world.says(Move(BOB, WHOLE, ANN, 1))
    await tag_world.settle()
    assert await tag_world.held() == {ANN: {"score:keen": ("strong", "")}}
    gone = [one for person, one in await moved(tag_world) if person == BOB][-1]
    assert (gone.level, gone.former, gone.became) == ("", "some", ANN)
    assert log_pb.MODE_LIVE in {one.mode for one in await tag_world.events()}
