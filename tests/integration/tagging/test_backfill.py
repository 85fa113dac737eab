"""What is published is folded from history in portions, so that calls need not wait and nothing is lost with one."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from libs.eventlog.event import Batch, partition_of
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import Unavailable
from services.tagging.api.filling import standings_of_filling
from services.tagging.folding import INTERACTIONS
from services.tagging.refolding import consumer_of
from tests.support.documents import document
from tests.support.elsewhere import PARTITIONS
from tests.support.tagging import TENANT, TagWorld, keys

START: Final[Micros] = 1_772_000_000 * SECOND
EVENTS: Final = 10
READ: Final = 8
"""Events that are read before the owner of the log is away: two portions of three, and a part of one."""
FOLDED: Final = 6


async def test_what_was_folded_before_an_outage_is_not_folded_again_and_what_lacks_is_told(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    (anna,), world = keys("anna"), tag_world
    for number in range(EVENTS):
        world.collect(anna, "bought", START + number * SECOND)
    await world.fold()
    await world.publish(document("buyer", "{did: {event: bought}}"))
    whole, partition = world.interactions.read, partition_of(anna, PARTITIONS)

    async def until_it_is_away(of: int, after: int) -> AsyncIterator[Batch]:
        async for one in whole(of, after):
            if one.first_position > READ:
                raise Unavailable("interactions", "is away")
            yield one

    monkeypatch.setattr(world.interactions, "read", until_it_is_away)
    with pytest.raises(Unavailable):
        await world.fill()
    layer = await world.pool.fetchval("SELECT number FROM layers WHERE tenant = $1", TENANT)
    folded = "SELECT position FROM checkpoints WHERE consumer = $1 AND partition = $2"
    reached = await world.pool.fetchval(folded, consumer_of(layer), partition)
    assert reached == FOLDED
    (filling,) = await standings_of_filling(world.pool)  # as any replica tells
    assert (filling.name, filling.log, filling.lag_events) == (consumer_of(layer), INTERACTIONS, EVENTS - FOLDED)
    monkeypatch.undo()
    world.now = START + EVENTS * SECOND
    await world.settle()
    assert await standings_of_filling(world.pool) == []
    held = await world.held()
    assert held == await world.expected()
    assert held


async def test_a_layer_of_which_nothing_is_folded_lacks_all_that_the_live_fold_has(
    tag_world: TagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, world = list(keys("anna", "bert", "carl")), tag_world
    for person in people:
        world.collect(person, "bought", START)
    await world.fold()
    world.collect(people[0], "bought", START)  # not folded by anybody, and so not lacking
    await world.publish(document("buyer", "{did: {event: bought}}"))

    async def is_away(of: int, after: int) -> AsyncIterator[Batch]:
        raise Unavailable("interactions", "is away")
        yield

    monkeypatch.setattr(world.interactions, "read", is_away)
    with pytest.raises(Unavailable):
        await world.fill()
    (filling,) = await standings_of_filling(world.pool)
    assert filling.lag_events == len(people)
