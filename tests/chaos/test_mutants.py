"""A release with one safeguard taken out is told from the true one."""

import pytest

from tests.chaos.faults import Frozen, Killed
from tests.chaos.plan import Plan, Strike
from tests.chaos.rounds import Theatre
from tests.chaos.stage import LEASE

pytestmark = pytest.mark.timeout(240)


ROUNDS = 3  # at most: a fault may miss the moment that matters


async def violations(*strikes: Strike, producers: int = 4, profile: str = "", consumer: str = "") -> str:
    """What is found in busy rounds with faults that the safeguard in question is for."""
    async with Theatre(profile, consumer, recovered_within=4) as theatre:
        for seed in range(ROUNDS):
            plan = Plan(seed, strikes, producers, largest_batch=20, retracting=False)
            if found := await theatre.play(plan):
                return "\n".join(found)
    return ""


async def test_a_consumer_without_its_fence_is_seen_to_count_twice() -> None:
    found = await violations(Strike(0.5, Frozen("consumer-1", 2 * LEASE)), consumer="fence")
    assert "the consumer counted" in found


async def test_a_consumer_that_does_not_trim_is_seen_to_count_twice() -> None:
    # Whoever takes over reads on from where the dead one stood, and meets again what it had folded itself.
    found = await violations(Strike(0.5, Killed("consumer-1", LEASE + 1)), consumer="trim")
    assert "the consumer counted" in found


async def test_positions_taken_outside_of_the_lock_are_seen_to_have_gaps() -> None:
    found = await violations(Strike(1, Killed("profile-1", 0)), profile="head lock")
    assert "of partition" in found
    assert "follows" in found


async def test_locks_taken_in_any_order_are_seen_to_deadlock() -> None:
    found = await violations(Strike(1, Killed("nats", 0)), producers=8, profile="lock order")
    assert "deadlocks" in found
