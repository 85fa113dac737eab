"""Thousands of worlds, each drawn from one seed. `SEED=n` replays one and prints all that happened in it."""

import os

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.trace import silence, watched

CHUNK = 100
SEEDS = int(os.environ.get("SEEDS", "5000"))
REPLAYED = os.environ.get("SEED")


@pytest.mark.skipif(REPLAYED is not None, reason="SEED replays one")
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_happens_nothing_is_lost_doubled_or_out_of_order(first: int) -> None:
    with silence():
        for seed in range(first, first + CHUNK):
            try:
                Scenario(seed).run()
            except Exception as error:
                raise AssertionError(f"SEED={seed} make test TESTS=tests/simulation shows how: {error}") from error


@pytest.mark.skipif(REPLAYED is None, reason="asked for by SEED")
def test_the_seed_that_is_asked_for() -> None:
    told, wrong = watched(int(REPLAYED or 0))
    print(*told, sep="\n")  # noqa: T201 - what it was asked for
    if wrong is not None:
        raise wrong
