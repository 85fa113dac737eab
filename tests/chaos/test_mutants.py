"""A release with one safeguard taken out is told from the true one."""

import re

import pytest

from tests.chaos.faults import Frozen, Killed
from tests.chaos.plan import Plan, Strike
from tests.chaos.rounds import Theatre
from tests.chaos.stage import LEASE, Database

pytestmark = pytest.mark.timeout(600)


ROUNDS = 8  # at most: a fault may miss the moment that matters, and nearly always one of three meets it


async def finds(told: str, database: Database, mutant: str, *strikes: Strike, producers: int = 4) -> bool:
    """Whether a pattern is found in what busy rounds tell, with faults that the safeguard in question is for."""
    async with Theatre({database: mutant}, recovered_within=4, tags=database == "tagging") as theatre:
        for seed in range(1, ROUNDS + 1):  # of one generation, and so on one stage
            desks = 2 if database == "identity" else 0
            plan = Plan(seed, strikes, producers, largest_batch=20, retracting=False, desks=desks)
            if re.search(told, "\n".join(await theatre.play(plan)), re.DOTALL):
                return True
    return False


async def test_a_consumer_without_its_fence_is_seen_to_count_twice() -> None:
    assert await finds("the consumer counted", "reference", "fence", Strike(0.5, Frozen("consumer-1", 2 * LEASE)))


async def test_a_consumer_that_does_not_trim_is_seen_to_count_twice() -> None:
    # Whoever takes over reads on from where the dead one stood, and meets again what it had folded itself.
    assert await finds("the consumer counted", "reference", "trim", Strike(0.5, Killed("consumer-1", LEASE + 1)))


async def test_positions_taken_outside_of_the_lock_are_seen_to_have_gaps() -> None:
    assert await finds("of partition.*follows", "profile", "head lock", Strike(1, Killed("profile-1", 0)))


async def test_locks_taken_in_any_order_are_seen_to_deadlock() -> None:
    assert await finds("deadlocks", "profile", "lock order", Strike(1, Killed("nats", 0)), producers=8)


async def test_moves_that_are_appended_behind_their_checkpoint_are_seen_to_be_lost() -> None:
    kills = Strike(0.7, Killed("identity-1", 0)), Strike(1.4, Killed("identity-2", 0))
    assert await finds("the moves leave", "identity", "one transaction", *kills, producers=2)


async def test_edges_that_are_read_before_the_resolver_is_locked_are_seen_to_be_missed() -> None:
    assert await finds(
        "identity has in|the (moves|cuts) leave", "identity", "resolver lock", Strike(1, Killed("nats", 0))
    )


async def test_people_who_are_answered_without_holding_what_they_are_due_for_are_seen_to_have_the_wrong_tags() -> None:
    assert await finds("they must have", "tagging", "due lock", Strike(1, Killed("nats", 0)))
