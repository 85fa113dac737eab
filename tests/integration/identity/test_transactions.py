"""What transactions of the identity service promise each other, on real tables."""

import asyncio
import random
import time
from collections import Counter

import asyncpg
import pytest
from msgspec.structs import replace

from libs.people.identifiers import DEFAULT_RULES
from libs.runtime.errors import EtagMismatch, InvalidArgument
from services.identity.deciding import etag_of
from services.identity.domain.changes import IdentifierMoved
from services.identity.domain.evidence import Sighting
from services.identity.domain.resolution import resolve
from services.identity.store.tenant import IdentityStore
from tests.support.identity import (
    HOUR,
    Input,
    Retracted,
    RulesPublished,
    Statement,
    assert_map_says,
    case_of,
    inputs,
    key,
    link,
    map_of,
    rules,
    seen,
    unlink,
)
from tests.support.identity_tables import TablesWorld, interleaved, tables_world


@pytest.fixture
def world(identity_pool: asyncpg.Pool) -> TablesWorld:
    return tables_world(identity_pool)


async def say(world: TablesWorld, *statements: Statement) -> None:
    await world.consume(*world.interactions(inputs(*statements)))


async def test_two_that_add_an_edge_at_once_both_count(identity_pool: asyncpg.Pool) -> None:
    """Pitfall 33: each transaction would miss the other's edge."""
    chance = random.Random(33)
    world = tables_world(identity_pool)
    chain = [seen(f"d{n}", f"d{n + 1}") for n in range(40)]
    users = [seen(f"u{n}", f"e{n}") for n in range(10)]
    batches = interleaved(world.interactions(inputs(*chain, *users)), chance)
    by_partition = [[batch for batch in batches if batch.partition == partition] for partition in range(4)]

    async def replica(number: int) -> None:
        for batch in by_partition[number]:
            await world.consume(batch)
            await asyncio.sleep(0)

    await asyncio.gather(*map(replica, range(4)))
    found = await world.settled()
    assert found == resolve(case_of(world.told))
    assert_map_says(map_of(await world.heard()), found)


async def test_an_undone_merge_leaves_who_is_who_as_it_was(world: TablesWorld) -> None:
    """Pitfall 17: merge, then un-merge."""
    await say(world, seen("u1", "d1"), seen("m2", "d2"))
    before = await world.settled()
    first, second = inputs(link("u1", "m2"), unlink("u1", "m2"), first=10)
    await world.decide(first)
    assert await world.settled() != before
    await world.decide(second)
    after = await world.settled()
    assert (after.people, after.spans, after.cuts, after.marks) == (
        before.people,
        before.spans,
        before.cuts,
        before.marks,
    )


async def test_moves_in_any_order_end_in_the_same_map(world: TablesWorld) -> None:
    """Pitfall 34: a late older move must not resurrect a merge that was undone."""
    await say(world, seen("u1", "d1"), seen("m2", "d2"))
    for place in range(3):
        for one in inputs(link("u1", "m2"), unlink("u1", "m2"), first=10 + 2 * place):
            await world.decide(one)
    found, heard = await world.settled(), await world.heard()
    assert sum(isinstance(one, IdentifierMoved) for one in heard) >= 6
    for seed in range(10):
        assert_map_says(map_of(random.Random(seed).sample(heard, len(heard))), found)


async def test_a_kiosk_that_five_hundred_people_use_joins_nobody_and_holds_up_nobody(world: TablesWorld) -> None:
    """Pitfall 18: each new visitor costs no look at the others."""
    visits = world.interactions(inputs(*(seen(f"u{n}", "k1") for n in range(500))))
    await world.consume(*visits[:-20])
    took = []
    for visit in visits[-20:]:
        began = time.perf_counter()
        await world.consume(visit)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.25, "the others would be looked at in each"
    found = await world.settled()
    assert found.marks == {world.key("k1"): "shared"}
    assert found.people == {}


async def test_what_only_confirms_takes_no_lock_and_says_nothing(
    identity_pool: asyncpg.Pool, world: TablesWorld
) -> None:
    visits = world.interactions(inputs(*(seen("u1", "d1") for _ in range(3))))
    await world.consume(visits[0])
    heard = await world.heard()
    async with identity_pool.acquire() as other, other.transaction():
        await IdentityStore(other, world.tenant.id).waiting.lock()
        await asyncio.wait_for(world.consume(*visits[1:]), 60)
    assert await world.heard() == heard
    async with identity_pool.acquire() as connection:
        (together,) = (
            await IdentityStore(connection, world.tenant.id).evidence.pairs_around([world.key("u1")])
        ).values()
    assert together.count == 3


async def test_interactions_taken_back_leave_no_evidence(identity_pool: asyncpg.Pool, world: TablesWorld) -> None:
    told = inputs(seen("u1", "d1"), seen("u1", "d2"), seen("u1", "e1"))
    await world.consume(*world.interactions([*told, Retracted(b"event0"), Retracted(b"event2")]))
    found = await world.settled()
    assert found == resolve(case_of(world.told))
    assert found.people == {world.key("d2"): world.key("u1")} or found.people == {world.key("u1"): world.key("d2")}
    async with identity_pool.acquire() as connection:
        left = await connection.fetch("SELECT key FROM identifiers WHERE tenant = $1", world.tenant.id)
    assert {row["key"] for row in left} == {world.key("u1"), world.key("d2")}


async def test_a_pair_whose_first_sight_is_taken_back_joins_as_late_as_its_next_one(world: TablesWorld) -> None:
    told = inputs(seen("u1", "m1", day=1), seen("u1", "m2", day=2), seen("u1", "m1", day=3))
    *seen_first, taken_back = world.interactions([*told, Retracted(b"event0")])
    await world.consume(*seen_first)
    before = await world.settled()
    assert before.person_of(world.key("u1")) == before.person_of(world.key("m1"))
    await world.consume(taken_back)
    found = await world.settled()
    assert found.person_of(world.key("u1")) == found.person_of(world.key("m2"))
    assert found == resolve(case_of(world.told))


async def test_a_request_that_is_repeated_answers_as_the_first_and_changes_nothing(world: TablesWorld) -> None:
    await say(world, seen("u1", "d1"), seen("m2", "d2"))
    (wanted,) = inputs(link("u1", "m2"), first=10)
    first = await world.decide(wanted, request_id="r1")
    heard = await world.heard()
    again = await world.decide(wanted, request_id="r1")
    assert first.position is not None
    assert again.position is not None
    assert (again.event_id, again.position.position) == (first.event_id, first.position.position)
    assert again.position.duplicate
    assert await world.heard() == heard


async def test_what_is_only_tried_tells_what_would_happen_and_leaves_nothing(world: TablesWorld) -> None:
    await say(world, seen("u1", "d1"), seen("m2", "d2"))
    before, heard = await world.settled(), await world.heard()
    (wanted,) = inputs(link("u1", "m2"), first=10)

    async def look(store: IdentityStore) -> set[bytes]:
        members, _ = await store.resolved.members([world.key("u1"), world.key("d1")])
        return members

    tried = await world.decide(wanted, validate_only=True, look=look)
    assert tried.position is None
    assert tried.changes
    assert world.key("m2") in tried.seen
    assert (await world.settled(), await world.heard()) == (before, heard)
    done = await world.decide(wanted)
    assert Counter(map(type, done.changes)) == Counter(map(type, tried.changes))


async def test_stricter_rules_split_whom_looser_ones_joined_and_back(world: TablesWorld) -> None:
    await say(world, seen("u1", "d1"), seen("m1", "d1"))
    before = await world.settled()
    await world.publish(RulesPublished(rules(1, device_id={"people": 1}), frozenset([key("m1")])))
    stricter = await world.settled()
    assert stricter == resolve(case_of(world.told))
    assert stricter.marks[world.key("m1")] == "blocked"
    await world.publish(RulesPublished(rules(2)))
    assert await world.settled() == before
    assert_map_says(map_of(await world.heard()), before)


async def test_rules_are_refused_by_etag_path_and_a_kind_that_would_change(world: TablesWorld) -> None:
    publish, tenant = world.deciding.publish, world.tenant.id
    document = "types: {user_id: {strength: strong, form: exact}}"
    with pytest.raises(EtagMismatch):
        await publish(tenant, document, etag="of-another")
    first = await publish(tenant, document, etag=etag_of(None), request_id="r1")
    assert first.rules.version == 1
    assert (await publish(tenant, document, request_id="r1")).published == first.published
    assert (await publish(tenant, document, request_id="r2")).published == first.published
    for wrong, path in (
        ("types: {user_id: {strength: mighty, form: exact}}", "types.user_id.strength"),
        ("types: {user_id: {strength: strong, form: phone}}", "types.user_id.form"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await publish(tenant, wrong)
        assert caught.value.field == path
    tried = await publish(tenant, "types: {user_id: {strength: strong, form: exact, priority: 3}}", validate_only=True)
    assert tried.rules.version == 2
    assert (await publish(tenant, document)).published == first.published


async def test_a_neighbourhood_that_is_too_large_waits_in_the_slow_lane(identity_pool: asyncpg.Pool) -> None:
    world = tables_world(identity_pool, largest=6, rules=rules(version=0, device_id={"people": None}))
    await world.consume(*world.interactions(inputs(*(seen(f"d{n}", f"d{n + 1}") for n in range(12)))))
    async with identity_pool.acquire() as connection:
        assert await IdentityStore(connection, world.tenant.id).waiting.count() > 0
    found = await world.settled()
    assert found == resolve(case_of(world.told, world.rules))
    assert len({*found.people.values()}) == 1
    async with identity_pool.acquire() as connection:
        assert await IdentityStore(connection, world.tenant.id).waiting.count() == 0


async def test_decisions_at_once_take_turns_and_their_times_never_run_backwards(world: TablesWorld) -> None:
    await say(world, *(seen(f"u{n}", f"e{n}") for n in range(8)))
    wanted = inputs(*(link(f"e{n}", f"d{n + 1}") for n in range(7)), first=10)
    world.clock.set(9_000 * HOUR)
    outcomes = await asyncio.gather(*(world.decide(one) for one in wanted))
    assert all(outcome.position for outcome in outcomes)
    assert await world.settled() == resolve(case_of(await decided(world), DEFAULT_RULES))


async def decided(world: TablesWorld) -> list[Input]:
    """What the world was told, with each decision at the time that it got."""
    async with world.pool.acquire() as connection:
        rows = await connection.fetch("SELECT event_id, recorded_at FROM decisions WHERE tenant = $1", world.tenant.id)
    times = {row["event_id"]: row["recorded_at"] for row in rows}
    assert len({*times.values()}) == len(times)
    return [
        one if isinstance(one, RulesPublished | Retracted | Sighting) else replace(one, recorded_at=times[one.event_id])
        for one in world.told
    ]
