"""Whoever an event makes due is answered in the transaction that folds it, or marked and answered later."""

import asyncio
from collections.abc import Sequence
from typing import Final

from libs.eventlog.database import Connection
from libs.eventlog.event import NewEvent
from libs.runtime.clock import SECOND, Micros
from services.tagging.domain.holding import Holding, encode
from services.tagging.folding import Folded
from services.tagging.store.due import Due, DueRows, Marks
from tests.support.documents import document
from tests.support.tagging import TENANT, TagWorld, keys
from tests.support.transport import eventually

START: Final[Micros] = 1_772_000_000 * SECOND
BUYER: Final = document("buyer", "{did: {event: bought}}")

(ANNA, BERT) = keys("anna", "bert")


async def test_whoever_did_something_is_answered_in_the_transaction_that_folds_it(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    tag_world.collect(ANNA, "bought", START)
    await tag_world.fold()
    assert await tag_world.held() == await tag_world.expected() != {}
    assert not await tag_world.answer()


async def test_whoever_did_something_waits_until_it_is_known_what_time_it_is(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    tag_world.collect(ANNA, "bought", START)
    tag_world.now = None
    await tag_world.fold()
    assert await tag_world.held() == {}
    tag_world.now = START
    assert await tag_world.answer()
    assert await tag_world.held() == await tag_world.expected() != {}


async def test_of_many_who_did_something_at_once_each_is_answered_in_their_turn(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    for person in keys(*"abcdefghijklmno"):  # one more than two portions have
        tag_world.collect(person, "bought", START)
    await tag_world.fold()
    assert await tag_world.held() == {}
    await tag_world.settle()
    assert await tag_world.held() == await tag_world.expected() != {}


async def test_what_answering_breaks_of_is_not_the_fault_of_what_was_folded(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    append_derived = tag_world.log.append_derived

    async def broken(connection: Connection, events: Sequence[NewEvent]) -> None:
        await connection.execute("SELECT 1 / 0")

    tag_world.log.append_derived = broken  # type: ignore[method-assign]
    tag_world.collect(ANNA, "bought", START)
    await tag_world.fold()
    assert await tag_world.held() == {}
    assert not (await tag_world.folding.letters.parked()).letters
    tag_world.log.append_derived = append_derived  # type: ignore[method-assign]
    await tag_world.settle()
    assert await tag_world.held() == await tag_world.told() == await tag_world.expected() != {}


async def test_of_whom_the_next_moment_stays_no_row_is_written(tag_world: TagWorld) -> None:
    tag_world.now = START
    await tag_world.publish(document("recent", "{did: {event: bought, within: 7d}}"))
    await tag_world.settle()
    tag_world.collect(ANNA, "bought", START)
    await tag_world.fold()
    rows = "SELECT person, at, ctid, affected, cause FROM due"
    ((person, at, *written),) = await tag_world.pool.fetch(rows)
    assert person == ANNA
    assert at > START
    tag_world.collect(ANNA, "bought", START + SECOND)  # the day goes on to count until the same midnight
    await tag_world.fold()
    assert [(person, at, *written)] == [tuple(row) for row in await tag_world.pool.fetch(rows)]
    tag_world.now = at
    assert await tag_world.answer()
    assert await tag_world.held() == {}
    assert await tag_world.pool.fetch(rows) == []


async def test_what_is_told_follows_from_rows_and_is_not_remembered_by_its_id(tag_world: TagWorld) -> None:
    remembered = "SELECT count(*) FROM message_ids"
    tag_world.now = START
    await tag_world.publish(BUYER)
    await tag_world.settle()
    before = await tag_world.pool.fetchval(remembered)
    tag_world.collect(ANNA, "bought", START)
    await tag_world.fold()
    assert await tag_world.told() == await tag_world.held() != {}
    assert await tag_world.pool.fetchval(remembered) == before


async def test_people_of_all_tenants_are_waited_for_before_the_log_is_held(tag_world: TagWorld) -> None:
    pool, tag_world.now = tag_world.pool, START
    await tag_world.publish(BUYER)
    tag_world.collect(ANNA, "bought", START)
    await tag_world.settle()
    await pool.execute("UPDATE holdings SET state = $1", encode(Holding()))  # so that there is something to tell
    folded = [Folded(tenant, Marks({ANNA: None}), {}) for tenant in ("demo", "shop")]

    async def answer() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await tag_world.evaluating.at_once(connection, folded)

    async def waits() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with pool.acquire() as other, other.transaction():
        await DueRows(other, "shop").mark({ANNA: None})
        answering = asyncio.create_task(answer())
        await eventually(waits)
        await other.execute("SELECT FROM log_heads FOR UPDATE NOWAIT")  # as whoever answers them goes on
    await answering


async def test_whoever_is_answered_where_they_become_due_is_held_in_the_order_of_all_others(
    tag_world: TagWorld,
) -> None:
    pool, (first, last) = tag_world.pool, sorted((ANNA, BERT))
    async with pool.acquire() as one, pool.acquire() as other:
        await DueRows(one, TENANT).mark({last: None})

        async def answer() -> list[Due]:
            async with one.transaction():
                return await DueRows(one, TENANT).hold(Marks({last: None, first: None}))

        async def waits() -> bool:
            return bool(await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        async with other.transaction():
            await DueRows(other, TENANT).mark({first: None})
            answering = asyncio.create_task(answer())
            await eventually(waits)
            await DueRows(other, TENANT).mark({last: None})  # which nobody holds who waits for the first
        assert {due.person for due in await answering} == {first, last}
