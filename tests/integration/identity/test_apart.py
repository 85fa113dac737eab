"""What is too large is resolved apart: nobody waits for it, and it ends where resolving everything at once ends."""

import asyncio
import random
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.identity import apart
from services.identity.apart import Snapshot, find
from services.identity.domain.evidence import Sighting
from services.identity.domain.resolution import resolve
from services.identity.store.tenant import IdentityStore
from tests.support.identity import (
    Input,
    Retracted,
    RulesPublished,
    assert_map_says,
    case_of,
    inputs,
    link,
    map_of,
    rules,
    seen,
    unlink,
)
from tests.support.identity_histories import TIGHT, histories
from tests.support.identity_tables import TablesWorld, interleaved, tables_world

SHARED_BY_ANY = rules(version=0, device_id={"people": None})

on_tables = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def small_portions() -> Iterator[None]:
    """Whatever is written is written in many transactions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "PORTION", 2)
        yield


async def look(world: TablesWorld) -> Snapshot | None:
    """Read what waits, and leave it for later to resolve."""
    if not await world.settling.apart.begin(world.tenant.id):
        return None
    async with world.pool.acquire() as connection:
        return await world.settling.apart.look(connection, world.tenant.id)


async def write(world: TablesWorld, snapshot: Snapshot) -> bool:
    return await world.settling.apart.write(world.tenant.id, snapshot, find(snapshot))


async def giant(pool: asyncpg.Pool, size: int, largest: int) -> TablesWorld:
    """A tree of devices that are one person, which waits to be found."""
    world = tables_world(pool, largest=largest, rules=SHARED_BY_ANY)
    edges = [seen(f"d{(n - 1) // 2}", f"d{n}") for n in range(1, size)]
    await world.consume(*world.interactions(inputs(*edges)))
    return world


async def tell(world: TablesWorld, *told: Input) -> None:
    await world.consume(*world.interactions(told))


async def assert_right(world: TablesWorld) -> None:
    found = await world.settled()
    assert found == resolve(case_of(world.told, world.rules))
    assert_map_says(map_of(await world.heard()), found)
    async with world.pool.acquire() as connection:
        await world.settling.settle()
        assert not await IdentityStore(connection, world.tenant.id).journal.is_open()
        assert not await connection.fetchval("SELECT count(*) FROM journal WHERE tenant = $1", world.tenant.id)


@on_tables
@given(histories(), st.integers(2, 12), st.randoms(use_true_random=False))
async def test_whatever_happens_while_it_is_resolved_the_people_are_those_of_all_at_once(
    identity_pool: asyncpg.Pool, small_portions: None, told: list[Input], largest: int, chance: random.Random
) -> None:
    world = tables_world(identity_pool, rules=TIGHT, largest=largest)
    waiting = interleaved(world.interactions(told), chance)
    decided = [one for one in told if not isinstance(one, Sighting | Retracted)]
    reading: Snapshot | None = None
    while waiting or decided or reading:
        step = chance.random()
        if step < 0.3:
            reading = None if reading and await write(world, reading) is not None else await look(world)
        elif step < 0.4:
            await world.settling.small(world.tenant.id)
        elif waiting and (not decided or step < 0.8):
            size = chance.randint(1, 4)
            await world.consume(*waiting[:size])
            waiting = waiting[size:]
        elif decided:
            await world.take(decided.pop(0))
    found = await world.settled()
    assert found == resolve(case_of(world.told, TIGHT))
    heard = await world.heard()
    assert_map_says(map_of(chance.sample(heard, len(heard))), found)


async def test_others_are_resolved_while_thousands_are_settled(identity_pool: asyncpg.Pool) -> None:
    world = await giant(identity_pool, 4_000, largest=100)
    others = world.interactions(inputs(*(seen(f"u{n}", f"e{n}") for n in range(4_000)), first=5_000))
    settling = asyncio.create_task(world.settled())
    resolved = 0
    while not settling.done() and others:
        await world.consume(others.pop())
        resolved += 1
    found = await settling
    assert found.people
    assert resolved > 3, "whoever had to wait for all of it would come first or second"
    await world.consume(*reversed(others))
    await assert_right(world)


async def test_what_joins_it_meanwhile_waits_on_and_belongs_to_it_in_the_end(identity_pool: asyncpg.Pool) -> None:
    world = await giant(identity_pool, 60, largest=10)
    snapshot = await look(world)
    assert snapshot is not None
    await tell(world, *inputs(seen("d3", "d70"), seen("u1", "e1"), first=100))
    assert await write(world, snapshot)
    async with identity_pool.acquire() as connection:
        assert await IdentityStore(connection, world.tenant.id).waiting.count() > 0
    await assert_right(world)


async def test_what_left_it_meanwhile_and_was_resolved_is_not_overwritten(identity_pool: asyncpg.Pool) -> None:
    world = await giant(identity_pool, 60, largest=10)
    await world.settled()
    (joined,) = inputs(link("u1", "d1"), first=100)
    await world.decide(joined)
    await world.settled()
    (waits,) = inputs(seen("d1", "d99"), first=101)
    await tell(world, waits)
    snapshot = await look(world)
    assert snapshot is not None
    (parted,) = inputs(unlink("d29", "d59"), first=102)
    await world.decide(parted)
    assert not await write(world, snapshot) or world.key("d59") not in (await world.settled()).people
    await assert_right(world)


async def test_other_rules_meanwhile_make_it_be_read_again(identity_pool: asyncpg.Pool) -> None:
    world = await giant(identity_pool, 40, largest=10)
    snapshot = await look(world)
    assert snapshot is not None
    await world.publish(RulesPublished(rules(1, device_id={"people": None, "per_person": None})))
    assert not await write(world, snapshot)
    await assert_right(world)


async def test_a_kill_between_two_portions_loses_nothing(identity_pool: asyncpg.Pool, small_portions: None) -> None:
    world = await giant(identity_pool, 40, largest=10)
    snapshot = await look(world)
    assert snapshot is not None
    found = find(snapshot)
    assert len(found.moved) > 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IdentityStore, "__init__", _dying_after(1))
        with pytest.raises(_Killed):
            await world.settling.apart.write(world.tenant.id, snapshot, found)
    heard = await world.heard()
    assert 0 < len(heard) < len(found.moved)
    await assert_right(world)


class _Killed(Exception):
    """The process is gone."""


def _dying_after(times: int) -> Callable[[IdentityStore, asyncpg.Connection, str], None]:
    made, original = [0], IdentityStore.__init__

    def dies(self: IdentityStore, connection: asyncpg.Connection, tenant: str) -> None:
        made[0] += 1
        if made[0] > times:
            raise _Killed
        original(self, connection, tenant)

    return dies


async def test_while_one_replica_resolves_it_another_leaves_it_alone(identity_pool: asyncpg.Pool) -> None:
    world = await giant(identity_pool, 40, largest=10)
    answers = await asyncio.gather(*(world.settling.apart.settle(world.tenant.id) for _ in range(3)))
    assert sorted(answers) == [False, False, True]
    await assert_right(world)
