"""What goes wrong in other systems of the kind, each as a test."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest
from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.transactions import Transactions
from libs.people.identity_events import CutMade, Move
from libs.people.person import Name, Person
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import WHOLE, BySession, in_session, own_id
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import FailedPrecondition
from services.tagging.codec.changes import ASSIGNED, REMOVED
from services.tagging.handlers.saying import Saying, Wanted
from services.tagging.store.due import DueRows
from tests.support.documents import document
from tests.support.tagging import TENANT, TagWorld, keys
from tests.support.transport import eventually

HOUR: Final[Micros] = 3600 * SECOND
DAY: Final = 24 * HOUR
START: Final[Micros] = 1_772_000_000 * SECOND

SILENT: Final = document("silent", "{all: [{did: bought}, {did_not: {event: bought, within: 72h}}]}").replace(
    "{did: bought}", "{did: {event: bought}}"
)
BUYER: Final = document("buyer", "{did: {event: bought}}")

(ANNA, BERT, CARL) = keys("anna", "bert", "carl")


def late(world: TagWorld) -> Saying:
    """Says what it is told to when somebody was looked up, and then all that waits has come to pass."""

    class Late(PostgresIdentityMap):
        async def people(self, tenant: str, names: Sequence[Name]) -> list[Person]:
            found = await super().people(tenant, names)
            await world.settle()
            return found

    return Saying(Transactions(world.pool, world.log), Late(world.pool), lambda _: START)


def by_the_clock(world: TagWorld, now: Micros) -> None:
    """Let the service find out by itself what time it is."""
    world.interactions.clocks[TENANT] = now
    world.evaluating = type(world.evaluating)(
        world.pool, world.log, world.courses, world.tenants, world.moments.now, world.backfill.metrics
    )


async def test_no_timer_fires_after_an_outage_while_the_purchase_that_cancels_it_waits_unread(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    await tag_world.publish(SILENT)
    tag_world.collect(ANNA, "bought", START)
    tag_world.collect(BERT, "bought", START)
    await tag_world.settle()
    assert await tag_world.held() == {}

    tag_world.start()  # stopped, and started again when a timer has run out and a purchase waits
    tag_world.collect(ANNA, "bought", START + 60 * HOUR)
    by_the_clock(tag_world, START + 80 * HOUR)
    waiting = asyncio.create_task(tag_world.moments.refresh())
    for _ in range(10):
        assert not await tag_world.answer()
        await asyncio.sleep(0.01)
    assert not waiting.done()
    await tag_world.fold()
    await waiting
    while await tag_world.answer():
        pass
    assert await tag_world.held() == {BERT: {"silent": (True, "")}}
    assert [event.key for event in await tag_world.events()] == [BERT]


async def test_what_a_definition_finds_in_the_past_is_told_as_such_and_what_happens_later_is_not(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    people = keys(*(f"p{number}" for number in range(40)))
    for person in people:
        tag_world.collect(person, "bought", START)
    await tag_world.settle()
    await tag_world.publish(BUYER)
    await tag_world.settle()
    tag_world.collect(ANNA, "bought", START + HOUR)
    await tag_world.settle()
    told = {event.key: pb.TagAssigned.FromString(event.payload).backfill for event in await tag_world.events()}
    assert told == {**dict.fromkeys(people, True), ANNA: False}


async def test_what_a_definition_finds_in_the_past_is_told_as_such_to_whoever_comes_before_their_turn(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    people = sorted(keys(*(f"p{number}" for number in range(9))))
    for person in people:
        tag_world.collect(person, "bought", START)
    await tag_world.settle()
    await tag_world.publish(BUYER)
    while not await tag_world.pool.fetchval("SELECT count(*) FROM marks"):
        await tag_world.fill()
    tag_world.collect(people[-1], "bought", START + HOUR)
    await tag_world.fold()
    while await tag_world.answer():
        pass
    (told,) = await tag_world.events()
    assert told.key == people[-1]
    await tag_world.fill()  # some, and then it is killed
    tag_world.start()
    await tag_world.settle()
    events = {event.key: pb.TagAssigned.FromString(event.payload).backfill for event in await tag_world.events()}
    assert events == dict.fromkeys(people, True)
    assert len(await tag_world.events()) == len(people)


async def test_what_follows_from_collected_history_alone_is_told_as_history(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    carl, dora = keys("carl", "dora")
    tag_world.collect(ANNA, "bought", START, historical=True)
    tag_world.collect(BERT, "bought", START)
    tag_world.collect(carl, "bought", START, historical=True)
    tag_world.collect(carl, "bought", START)  # at once with it: nobody can tell which of the two it was
    tag_world.collect(dora, "bought", START, historical=True)
    tag_world.now = None  # so that they are marked, and answered later
    await tag_world.fold()
    tag_world.now = START
    tag_world.collect(dora, "bought", START)
    await tag_world.settle()
    history, live = log_pb.MODE_HISTORICAL, log_pb.MODE_LIVE
    modes = {event.key: event.mode for event in await tag_world.events()}
    assert modes == {ANNA: history, BERT: live, carl: live, dora: live}


async def test_what_time_alone_brings_is_no_history_whatever_came_in_meanwhile(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(SILENT)
    await tag_world.publish(document("seen", "{did: {event: seen}}"))
    tag_world.collect(ANNA, "bought", START)
    await tag_world.settle()
    tag_world.now = START + 80 * HOUR
    tag_world.collect(ANNA, "seen", START, historical=True)
    await tag_world.settle()
    told = {pb.TagAssigned.FromString(event.payload).tag: event.mode for event in await tag_world.events()}
    assert told == {"silent": log_pb.MODE_LIVE, "seen": log_pb.MODE_HISTORICAL}


async def test_an_identifier_that_never_did_anything_makes_nobody_due_when_it_moves(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    tag_world.collect(ANNA, "bought", START)
    await tag_world.settle()
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    await tag_world.learn()
    assert await tag_world.evaluating.waiting() == 0
    tag_world.collect(BERT, "bought", START)
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"buyer": (True, "")}}
    tag_world.says(Move(BERT, WHOLE, BERT, 2))
    await tag_world.learn()
    assert await tag_world.evaluating.waiting() == 2


async def test_a_replica_goes_on_filling_where_another_left_off(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(tag_world)
    tag_world.now = START
    people = keys("p1", "p2", "p3")
    await tag_world.publish(BUYER)
    with monkeypatch.context() as never_level:
        never_level.setattr("services.tagging.backfill.NEARLY_LEVEL", -1)
        for person, replica in zip(people, (tag_world, other, tag_world), strict=True):
            tag_world.collect(person, "bought", START)
            await tag_world.fold()
            with suppress(Fenced):
                await replica.fill()
    await tag_world.fill()
    await tag_world.settle()
    assert await tag_world.held() == {person: {"buyer": (True, "")} for person in people}


async def test_what_can_not_be_folded_for_a_new_definition_is_mended_by_any_replica(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(tag_world)
    tag_world.now = START
    tag_world.collect(ANNA, "bought", START)
    tag_world.collect(BERT, "bought", START)
    await tag_world.fold()
    await tag_world.publish(BUYER)
    with monkeypatch.context() as broken:
        broken.setattr("services.tagging.folding.event_of", lambda *_: 1 // 0)
        with pytest.raises(FailedPrecondition, match="2 events can't be folded"):
            await tag_world.fill()
    assert list(other.backfill) == []
    await other.backfill.look()
    (mender,) = other.backfill
    for person in (ANNA, BERT):
        assert (await mender.retry((TENANT, person))).folded == 1
    await tag_world.settle()
    assert await tag_world.held() == {person: {"buyer": (True, "")} for person in (ANNA, BERT)}
    await other.backfill.look()
    assert list(other.backfill) == []


async def test_whoever_is_yet_to_be_answered_is_counted(tag_world: TagWorld) -> None:
    await tag_world.publish(SILENT)
    tag_world.collect(ANNA, "bought", START)
    tag_world.collect(BERT, "bought", START + HOUR)
    await tag_world.fold()
    assert await tag_world.evaluating.waiting() == 0  # nobody knows yet what time it is
    tag_world.now = START
    assert await tag_world.evaluating.waiting() == 2
    await tag_world.settle()
    assert await tag_world.evaluating.waiting() == 0
    tag_world.now = START + 72 * HOUR
    assert await tag_world.evaluating.waiting() == 1


async def test_what_was_kept_before_a_tag_was_retired_does_not_count_twice_when_it_comes_back(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    twice = document("twice", "{did: {event: bought, times: {at_least: 2}}}")
    await tag_world.publish(twice)
    tag_world.collect(ANNA, "bought", START)
    await tag_world.settle()
    await tag_world.retire("twice")
    await tag_world.settle()
    await tag_world.publish(twice, 2)
    await tag_world.settle()
    assert await tag_world.held() == {}


async def test_nobody_is_answered_by_a_definition_before_it_is_live(tag_world: TagWorld) -> None:
    tag_world.now = START
    tag_world.collect(ANNA, "bought", START)
    await tag_world.fold()
    await tag_world.publish(BUYER)
    while await tag_world.answer():
        pass
    assert await tag_world.held() == {}
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"buyer": (True, "")}}


async def test_whoever_becomes_another_person_hands_on_what_is_due_and_holds_nothing(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.fill()
    tag_world.collect(BERT, "bought", START)
    await tag_world.settle()
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"buyer": (True, "")}}
    gone = [pb.TagRemoved.FromString(event.payload) for event in await tag_world.events() if event.type == REMOVED]
    assert [(one.reason, one.became) for one in gone] == [(pb.REMOVAL_REASON_MERGED, ANNA)]

    tag_world.says(Move(BERT, WHOLE, BERT, 2))
    await tag_world.settle()
    assert await tag_world.held() == {BERT: {"buyer": (True, "")}}
    ids = [event.id for event in await tag_world.events()]
    assert len(ids) == len(set(ids))


async def test_whoever_answers_people_waits_for_nobody_who_makes_others_due(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.fill()
    tag_world.collect(BERT, "bought", START)
    await tag_world.settle()
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    await tag_world.learn()
    async with tag_world.pool.acquire() as another, another.transaction(), asyncio.timeout(60):
        await DueRows(another, TENANT).mark({ANNA: None})
        assert await tag_world.answer()
        await DueRows(another, TENANT).mark({BERT: None})  # in a circle, one of the two would be undone
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"buyer": (True, "")}}


async def test_whoever_comes_to_be_a_person_while_they_are_answered_as_a_part_of_another_is_answered_again(
    tag_world: TagWorld,
) -> None:
    tag_world.now, pool = START, tag_world.pool
    await tag_world.publish(BUYER)
    await tag_world.settle()
    tag_world.says(Move(ANNA, WHOLE, CARL, 1), Move(BERT, WHOLE, CARL, 2))  # of two partitions, learnt one by one
    tag_world.collect(BERT, "bought", START)
    await tag_world.settle()
    assert await tag_world.held() == {CARL: {"buyer": (True, "")}}

    async def somebody_waits() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    tag_world.says(Move(BERT, WHOLE, ANNA, 3))
    await tag_world.learn()
    async with pool.acquire() as another, another.transaction():
        await another.execute("LOCK TABLE holdings IN EXCLUSIVE MODE")
        answering = asyncio.create_task(tag_world.answer())
        await eventually(somebody_waits)  # Anna was read, and nothing is written yet
        tag_world.says(Move(ANNA, WHOLE, ANNA, 4))
        learning = asyncio.create_task(tag_world.learn())
        await asyncio.wait([learning], timeout=0.3)
    await asyncio.gather(answering, learning)
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"buyer": (True, "")}}


async def test_what_is_said_of_somebody_who_has_just_become_another_is_said_of_the_other(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(document("vip", "", source="set_by_hand"))
    await tag_world.settle()
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    said = await late(tag_world).set(TENANT, "vip", Wanted(Name(BERT), True, "", None), "me", "")
    assert said.person == BERT
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"vip": (True, "")}}


async def test_what_is_taken_back_of_somebody_who_has_just_come_apart_is_gone_of_both(
    tag_world: TagWorld,
) -> None:
    tag_world.now = START
    await tag_world.publish(document("vip", "", source="set_by_hand"))
    await tag_world.say(BERT, "vip", True, START)
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"vip": (True, "")}}
    tag_world.says(Move(BERT, WHOLE, BERT, 2))
    await late(tag_world).clear(TENANT, "vip", Name(ANNA), "me", "")
    await tag_world.settle()
    assert await tag_world.held() == {}


async def test_nobody_is_answered_while_a_part_of_them_is_to_be_folded_anew(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    tag_world.collect(ANNA, "bought", START, "kiosk")
    await tag_world.settle()
    tag_world.says(CutMade(ANNA, BySession(), 1), Move(ANNA, WHOLE, BERT, 2))
    await tag_world.learn()
    for _ in range(3):
        await tag_world.answer()
        tag_world.now += 1
    await tag_world.settle()
    assert await tag_world.held() == {own_id(ANNA, in_session("kiosk")): {"buyer": (True, "")}}
    assert BERT not in {event.key for event in await tag_world.events()}


async def test_what_is_asked_for_of_a_layer_while_it_goes_live_is_done_too(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    tag_world.collect(ANNA, "bought", START, "kiosk")
    await tag_world.fold()
    backfill, pool = tag_world.backfill, tag_world.pool
    async with pool.acquire() as connection, connection.transaction():
        layer = await backfill._layer(connection, TENANT, await backfill.catalogues.within(connection, TENANT))
    assert layer is not None
    await backfill._shadow(TENANT, layer).turn()  # level, so that going live waits for no fold
    tag_world.says(CutMade(ANNA, BySession(), 1))
    async with pool.acquire() as another, another.transaction():
        cuts = [one for batches in tag_world.identity.batches.values() for one in batches]
        await tag_world.moving.handler(another, cuts)
        going_live = asyncio.create_task(tag_world.fill())
        await asyncio.sleep(0.3)
    await going_live
    await tag_world.settle()
    assert await pool.fetch("SELECT layer FROM refolds") == []
    assert await tag_world.held() == {own_id(ANNA, in_session("kiosk")): {"buyer": (True, "")}}


async def test_what_somebody_set_by_hand_ends_with_its_time_and_follows_through_a_merge(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(document("vip", "", source="set_by_hand"))
    await tag_world.settle()
    await tag_world.say(BERT, "vip", True, START, START + DAY)
    tag_world.says(Move(BERT, WHOLE, ANNA, 1))
    await tag_world.settle()
    assert await tag_world.held() == {ANNA: {"vip": (True, "")}}
    tag_world.now = START + DAY
    await tag_world.settle()
    assert await tag_world.held() == {}
    assert {event.type for event in await tag_world.events()} <= {ASSIGNED, REMOVED}
