"""Columns in memory answer as a walk over everybody does at that moment, whatever changes while they are read."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from libs.conditions.event import Event
from libs.conditions.features import Features, encode
from libs.conditions.plan import Plan
from libs.conditions.yaml_form import read_condition
from libs.eventlog.database import Connection
from libs.runtime.tenants import Tenants
from services.tagging import tallying as parts
from services.tagging.domain.layers import BASE
from services.tagging.store.due import DueRows
from services.tagging.store.features import FeatureRows, Kept
from services.tagging.tallying import Tallying
from tests.integration.tagging.test_whatever_happens import DOCUMENTS, KEPT, START, History, again_and_again, ask
from tests.support.documents import document
from tests.support.tagging import TENANT, TagWorld, keys

ANN, BEN, CLEO = keys("ann", "ben", "cleo")
OTHER: Final = "other"
LOOKED: Final = read_condition("{did: {event: viewed, times: {at_least: 2}}}")


@pytest.fixture
async def looking(tag_world: TagWorld) -> TagWorld:
    """A tenant of whom Ann viewed something twice, and it is kept how often people do."""
    tag_world.now = START
    await tag_world.publish(document("viewer", "{did: {event: viewed, times: 7}}"))
    await tag_world.settle()
    for _ in range(2):
        tag_world.collect(ANN, "viewed", START)
    await tag_world.settle()
    return tag_world


@pytest.mark.parametrize("seed", range(2000, 2003))
async def test_replicas_miss_nobody_who_changes_while_everything_happens_at_once(
    tag_world: TagWorld, seed: int
) -> None:
    history = History(tag_world, seed)
    for name in ("often", "silent", "spender", "lately", "newcomer", "local", "spent", "tier", "segment:guests"):
        await tag_world.publish(DOCUMENTS[name])
    await tag_world.settle()
    replicas = [replace(tag_world) for _ in "ab"]
    works = [work for one in replicas for work in (one.fold, one.learn, one.refolding.turn, one.answer)]
    works += [partial(ask, one.tallying) for one in replicas]
    pending = [asyncio.create_task(again_and_again(work)) for work in works]
    things = [history.happen] * 8 + [history.move, history.cut, history.retract, history.erase, history.say]
    for _ in range(150):
        done = history.chance.choice(things)()
        if done is not None:
            await done
        for one in replicas:
            one.now = history.at
        await asyncio.sleep(0.004)
    for task in pending:
        task.cancel()
    ended = await asyncio.gather(*pending, return_exceptions=True)
    assert [one for one in ended if not isinstance(one, asyncio.CancelledError)] == []
    for one in replicas:
        await ask(one.tallying)  # whoever was cut off over its columns has let go of them
    for _ in "ab":
        for one in replicas:
            assert [await one.tallied(one.tallying, condition) for condition in KEPT] == [True] * len(KEPT)
        await tag_world.settle()


async def test_the_first_answers_are_estimates_until_everybody_was_read(looking: TagWorld) -> None:
    columns = looking.replica_of_columns()
    assert not await looking.tallied(columns, LOOKED)
    await columns.turn()
    assert await looking.tallied(columns, LOOKED)
    assert not await looking.tallied(columns, KEPT[1]), "asks for what nobody keeps"
    assert not await looking.tallied(columns, read_condition("{sequence: {first: viewed, then: viewed, within: 2d}}"))
    await columns.turn()
    assert await looking.tallied(columns, LOOKED)


async def test_what_is_asked_for_beside_it_is_read_with_what_stands_there(looking: TagWorld) -> None:
    columns = looking.replica_of_columns()
    tagged = read_condition("{all: [{tag: viewer}, {did: {event: viewed, times: 1, within: 3d}}]}")
    for condition in (LOOKED, tagged):
        assert not await looking.tallied(columns, condition)
        await columns.turn()
    assert await looking.tallied(columns, LOOKED)
    assert await looking.tallied(columns, tagged)


async def test_who_begins_to_change_before_it_is_wanted_to_know_is_waited_for(looking: TagWorld) -> None:
    columns = looking.replica_of_columns()
    await _people(columns)
    async with looking.pool.acquire() as connection, connection.transaction():
        await _looks_twice(connection, TENANT, BEN)
        reading = asyncio.create_task(columns.turn())
        await asyncio.sleep(0.3)
        assert not reading.done()
    await reading
    assert await looking.tallied(columns, LOOKED)
    tally = await columns.count(TENANT, LOOKED)
    assert tally is not None
    assert tally.people == 2


async def test_who_commits_late_is_found_behind_those_who_began_later(looking: TagWorld) -> None:
    columns = looking.replica_of_columns()
    await _people(columns)
    await columns.turn()
    async with looking.pool.acquire() as early, looking.pool.acquire() as late:
        slow = early.transaction()
        await slow.start()
        await _looks_twice(early, TENANT, BEN)
        assert await _people(columns) == 1
        async with late.transaction():
            await _looks_twice(late, TENANT, CLEO)
        assert await _people(columns) == 2
        await slow.commit()
    assert await _people(columns) == 3
    assert await looking.tallied(columns, LOOKED)


async def test_columns_that_are_too_large_are_let_go_of_and_not_read_again_at_once(looking: TagWorld) -> None:
    columns = looking.replica_of_columns(most_bytes=100)
    for _ in "ab":
        assert not await looking.tallied(columns, LOOKED)
        await columns.turn()
    told = await looking.pool.fetchval("SELECT until FROM columns_wanted")
    await columns.turn()
    assert await looking.pool.fetchval("SELECT until FROM columns_wanted") == told


async def test_what_was_read_too_long_ago_is_read_from_the_beginning(
    looking: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = looking.replica_of_columns()
    await _people(columns)
    await columns.turn()
    await looking.pool.execute("DELETE FROM columns_wanted")  # as if nobody had wanted to know for long
    async with looking.pool.acquire() as connection:
        await _looks_twice(connection, TENANT, BEN)
    monkeypatch.setattr(parts, "STALE_SECONDS", 0.0)
    assert await columns.count(TENANT, LOOKED) is None
    monkeypatch.setattr(parts, "STALE_SECONDS", 60.0)
    await columns.turn()
    assert await _people(columns) == 2


async def test_columns_that_nobody_asks_anything_are_let_go_of(looking: TagWorld) -> None:
    columns = looking.replica_of_columns()
    await _people(columns)
    await columns.turn()
    columns.idle_seconds = 0.0
    await columns.turn()
    assert await columns.count(TENANT, LOOKED) is None


async def test_nobody_is_told_while_no_columns_are_wanted(looking: TagWorld) -> None:
    assert await looking.pool.fetchval("SELECT count(*) FROM columns_touched") == 0


async def test_tenants_are_strictly_apart(looking: TagWorld) -> None:
    demo = looking.tenants.get(TENANT)
    looking.tenants = Tenants({TENANT: demo, OTHER: replace(demo, id=OTHER)})
    copied = "name, version, state, document, published_at, published_by, event_id, retired_by"
    await looking.pool.execute(f"INSERT INTO definitions SELECT $1, {copied} FROM definitions", OTHER)
    await looking.pool.execute("INSERT INTO catalogues SELECT $1, version FROM catalogues", OTHER)
    columns = looking.replica_of_columns()
    for tenant in (TENANT, OTHER):
        await _people(columns, tenant)
    await columns.turn()
    async with looking.pool.acquire() as connection:
        for person in (BEN, CLEO):
            await _looks_twice(connection, OTHER, person)
    assert [await _people(columns, tenant) for tenant in (TENANT, OTHER)] == [1, 2]
    assert await looking.tallied(columns, LOOKED)


async def _looks_twice(connection: Connection, tenant: str, person: bytes) -> None:
    """Somebody is folded, as the fold does it: behind a lock of its own."""
    features, plan = Features(), Plan({"asked": LOOKED}, Tenants.demo().get(TENANT).zone)
    for number in b"ab":
        plan.fold(features, Event(bytes([number]) * 16, "viewed", START))
    await connection.execute("SELECT pg_current_xact_id()")
    layer = await connection.fetchval("SELECT coalesce(max(number), $2) FROM layers WHERE tenant = $1", tenant, BASE)
    await FeatureRows(connection, tenant).write(layer, [Kept(person, person, encode(features))])
    await DueRows(connection, tenant).mark({person: None})


async def _people(columns: Tallying, tenant: str = TENANT) -> int | None:
    await columns.courses.catalogues.refresh()
    tally = await columns.count(tenant, LOOKED)
    return None if tally is None else tally.people
