"""Transactions over tables end where resolving everything at once ends, in every order that can be."""

import random

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.identity.domain.evidence import Sighting
from services.identity.domain.resolution import resolve
from tests.support.identity import (
    Input,
    Retracted,
    assert_map_says,
    case_of,
    map_of,
)
from tests.support.identity_histories import TIGHT, histories
from tests.support.identity_tables import interleaved, tables_world

on_tables = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@on_tables
@given(histories(), st.integers(2, 40), st.randoms(use_true_random=False))
async def test_in_every_order_and_batch_the_people_are_those_of_all_at_once(
    identity_pool: asyncpg.Pool, told: list[Input], largest: int, chance: random.Random
) -> None:
    world = tables_world(identity_pool, rules=TIGHT, largest=largest)
    waiting = interleaved(world.interactions(told), chance)
    decided = [one for one in told if not isinstance(one, Sighting | Retracted)]
    while waiting or decided:
        if waiting and (not decided or chance.random() < 0.7):
            size = chance.randint(1, 4)
            await world.consume(*waiting[:size])
            waiting = waiting[size:]
        elif decided:
            await world.take(decided.pop(0))
    found = await world.settled()
    assert found == resolve(case_of(world.told, TIGHT))
    heard = await world.heard()
    assert_map_says(map_of(chance.sample(heard, len(heard))), found)
