"""A service with nothing to do asks its database little, of however many tenants and partitions it takes care."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from libs.runtime.clock import SECOND, Micros, SystemClock
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from services.tagging.domain.layers import BASE
from services.tagging.domain.published import Published
from services.tagging.evaluating import Evaluating
from services.tagging.operations.running import Operations
from services.tagging.store import refolds
from services.tagging.store.definitions import DefinitionRows
from services.tagging.store.features import all_filling
from tests.support.documents import document
from tests.support.tagging import TENANT, TagWorld, keys
from tests.support.transport import eventually

START: Micros = 1_772_000_000 * SECOND
TURNS = 20
BUYER = document("buyer", "{did: {event: bought}}")


@asynccontextmanager
async def statements(pool: asyncpg.Pool) -> AsyncIterator[list[str]]:
    """What is asked meanwhile by whoever asks one after the other, and so over the same connection."""
    asked: list[str] = []

    def note(record: asyncpg.connection.LoggedQuery) -> None:
        asked.append(record.query)

    async with pool.acquire() as connection:
        connection.add_query_logger(note)
    yield asked
    async with pool.acquire() as connection:
        connection.remove_query_logger(note)


async def publish(pool: asyncpg.Pool, tenant: str, text: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        rows = DefinitionRows(connection, tenant)
        await rows.hold()
        await rows.publish(Published("buyer", 1, "filling", text, 1, "me", bytes(16)))


async def turned(world: TagWorld) -> None:
    for _ in range(TURNS):
        if not await world.backfill.turns():
            return
    raise AssertionError("what waits is never done with")


async def test_a_look_for_what_was_published_is_one_statement_for_all_tenants(tag_world: TagWorld) -> None:
    tag_world.now = START
    (anna,) = keys("anna")
    tag_world.collect(anna, "bought", START)
    await tag_world.fold()
    await tag_world.publish(BUYER)
    await turned(tag_world)
    async with statements(tag_world.pool) as asked:
        assert not await tag_world.backfill.turns()
    assert len(asked) == 1
    await tag_world.settle()
    assert await tag_world.held() == {anna: {"buyer": (True, "")}}


async def test_whatever_is_published_is_seen_at_the_next_look_by_a_replica_that_knows_of_nothing(
    tag_world: TagWorld,
) -> None:
    assert not await tag_world.backfill.turns()
    await tag_world.publish(BUYER)
    assert await tag_world.backfill.turns()


async def test_a_replica_that_begins_anew_goes_on_making_people_due(tag_world: TagWorld) -> None:
    tag_world.now = START
    for person in keys("anna", "bert", "carl", "dora", "emil"):  # of whom two become due at once
        tag_world.collect(person, "bought", START)
    await tag_world.fold()
    await tag_world.publish(BUYER)
    assert await tag_world.backfill.turns()
    tag_world.start()
    await tag_world.catalogues.refresh()
    await turned(tag_world)
    assert await tag_world.evaluating.waiting() == 5


async def test_a_layer_of_what_was_retired_before_it_was_live_is_dropped_at_the_next_look(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tagging.backfill.NEARLY_LEVEL", -1)
    await tag_world.publish(BUYER)
    await tag_world.backfill.turns()
    await tag_world.retire("buyer")
    tag_world.start()
    await tag_world.catalogues.refresh()
    await turned(tag_world)
    async with tag_world.pool.acquire() as connection:
        assert await all_filling(connection) == []


async def test_a_tenant_whose_definitions_can_t_be_read_holds_up_no_other(tag_world: TagWorld) -> None:
    pool = tag_world.pool
    await publish(pool, TENANT, "of a later release")
    await publish(pool, "other", BUYER)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await tag_world.backfill.turns()
    async with pool.acquire() as connection:
        live = [one.name for one in await DefinitionRows(connection, "other").in_states("live")]
    assert live == ["buyer"]


async def test_whoever_waits_to_be_answered_is_counted_in_one_statement_for_all_tenants(tag_world: TagWorld) -> None:
    world = tag_world
    evaluating = Evaluating(world.pool, world.log, world.courses, world.tenants, lambda _: START, Metrics())
    await evaluating.waiting()  # once, for the types that a connection asks about
    async with statements(world.pool) as asked:
        assert await evaluating.waiting() == 0
    assert len(asked) == 1


async def test_how_far_membership_is_stored_is_looked_up_in_one_statement_for_all_partitions(
    tag_world: TagWorld,
) -> None:
    await tag_world.gather()
    async with statements(tag_world.pool) as asked:
        await tag_world.gathering.look()
    assert len(asked) == 1


async def test_whoever_folds_anew_is_woken_by_the_look_for_who_is_due(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tagging.refolding.IDLE_SECONDS", 1e6)
    world, anchors = tag_world, keys("anna", "bert")
    tasks = [asyncio.create_task(one.run()) for one in (world.refolding, world.evaluating)]
    await asyncio.sleep(0.1)  # so that it finds nothing when it begins

    async def is_done() -> bool:
        async with world.pool.acquire() as connection:
            return not await refolds.next_ones(connection, 1)

    try:
        async with world.pool.acquire() as connection:
            await refolds.request(connection, TENANT, list(anchors), [BASE])
        await eventually(is_done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_folded_of_both_logs_is_looked_up_in_one_statement(tag_world: TagWorld) -> None:
    await tag_world.settle()
    async with statements(tag_world.pool) as asked:
        await tag_world.moments.refresh()
    assert len(asked) == 1


async def test_operations_that_ended_long_ago_are_not_looked_for_at_every_look(tag_world: TagWorld) -> None:
    operations = Operations(tag_world.pool, SystemClock(), Metrics(), {})
    async with statements(tag_world.pool) as asked:
        for _ in range(3):
            assert not await operations.turn()
    assert sum("DELETE FROM operations" in one for one in asked) == 1
    assert len(asked) == 4
