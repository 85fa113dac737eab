"""Two replicas at once, of which each may die in the middle of a transaction, end where one alone ends."""

import asyncio
import random
from collections.abc import Sequence

import asyncpg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from libs.eventlog.event import Batch
from libs.eventlog.verdict import Done
from libs.runtime.tenants import Tenants
from services.identity.consuming import Consuming
from services.identity.domain.evidence import Sighting
from services.identity.domain.resolution import resolve
from services.identity.rulebook import Rulebook
from tests.support.identity import (
    Input,
    Retracted,
    assert_map_says,
    block,
    case_of,
    inputs,
    link,
    map_of,
    seen,
)
from tests.support.identity_histories import TIGHT, histories
from tests.support.identity_tables import PARTITIONS, TablesWorld, tables_world

# No shrinking: what happens at once does not happen the same way again.
hammered = settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


class _Killed(Exception):
    """The process is gone before its transaction was committed."""


class Replica:
    """A replica that folds some partitions, in their order, and is killed now and then and started again."""

    def __init__(self, world: TablesWorld, seed: int) -> None:
        self._world = world
        self._chance = random.Random(seed)
        rulebook = Rulebook(Tenants({world.tenant.id: world.tenant}), world.rules)
        self._consuming = Consuming(rulebook, world.anchors, world.clock, world.largest)

    async def consume(self, batches: Sequence[Batch]) -> None:
        left = list(batches)
        while left:
            some = left[: self._chance.randint(1, 4)]
            try:
                await self._fold(some)
            except _Killed:
                continue
            del left[: len(some)]

    async def _fold(self, batches: Sequence[Batch]) -> None:
        async with self._world.pool.acquire() as connection, connection.transaction():
            verdict = await self._consuming.fold(connection, batches)
            assert isinstance(verdict, Done), verdict
            if verdict.outputs:
                await self._world.log.append_in(connection, [output.event for output in verdict.outputs])
            await asyncio.sleep(self._chance.choice([0, 0, 0.003]))
            if self._chance.random() < 0.15:
                raise _Killed


async def decide(world: TablesWorld, decided: Sequence[Input]) -> None:
    for one in decided:
        await world.take(one)
        await world.settling.settle()


async def hammer(world: TablesWorld, told: Sequence[Input], seed: int) -> None:
    """All at once: each partition's rows at the replica that leases it, decisions, rules and the slow lane."""
    batches = world.interactions(told)
    replicas = [Replica(world, seed + number) for number in range(2)]
    decided = [one for one in told if not isinstance(one, Sighting | Retracted)]
    async with asyncio.TaskGroup() as running:
        for partition in range(PARTITIONS):
            rows = [batch for batch in batches if batch.partition == partition]
            running.create_task(replicas[partition % 2].consume(rows))
        running.create_task(decide(world, decided))


@hammered
@given(histories(), st.integers(2, 40), st.integers(0, 10**6))
async def test_two_replicas_that_are_killed_now_and_then_end_with_the_people_of_all_at_once(
    identity_pool: asyncpg.Pool, told: list[Input], largest: int, seed: int
) -> None:
    world = tables_world(identity_pool, rules=TIGHT, largest=largest)
    await hammer(world, told, seed)
    found = await world.settled()
    assert found == resolve(case_of(world.told, TIGHT))
    heard = await world.heard()
    assert_map_says(map_of(random.Random(seed).sample(heard, len(heard))), found)


async def test_the_reason_of_a_pair_between_two_neighbourhoods_that_are_settled_together_is_kept(
    identity_pool: asyncpg.Pool,
) -> None:
    world = tables_world(identity_pool)
    sighted, blocked = inputs(seen("d1", "p1"), block("d1"))
    await decide(world, [blocked])
    await world.consume(*world.interactions([sighted]))
    found = await world.settled()
    assert found == resolve(case_of(world.told))
    assert [one.reason for (one,) in found.refused.values()] == ["BLOCKED"]


async def test_two_who_each_miss_the_others_edge_do_not_end_apart(identity_pool: asyncpg.Pool) -> None:
    """Pitfall 33: write skew. A chain's edges arrive at two replicas at once, and must end as one person."""
    chain = [f"e{n}" for n in range(5)]
    told = inputs(*(seen(f"{a}", f"d{place}") for place, a in enumerate(chain)), link("e0", "d4"))
    told += inputs(*(seen(f"d{place}", f"{a}") for place, a in enumerate(chain[1:])), first=len(told))
    for seed in range(5):
        world = tables_world(identity_pool)
        await hammer(world, told, seed)
        found = await world.settled()
        assert len({found.person_of(world.key(one)) for one in (*chain, *(f"d{n}" for n in range(5)))}) == 1
