"""Thousands of worlds, each drawn from one seed. `SEED=n` runs that one alone and prints all that happened in it."""

import os

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.trace import silence, watched

CHUNK = 100
SEEDS = int(os.environ.get("SEEDS", "5000"))
ASKED = os.environ.get("SEED")
CHUNKS = [range(int(ASKED), int(ASKED) + 1)] if ASKED else [range(at, at + CHUNK) for at in range(0, SEEDS, CHUNK)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: str(seeds.start))
def test_whatever_happens_nothing_is_lost_doubled_or_out_of_order(seeds: range) -> None:
    if ASKED:
        told, _ = watched(seeds.start)
        print(*told, sep="\n")  # noqa: T201 - what it was asked for
    with silence():
        for seed in seeds:
            try:
                Scenario(seed).run()
            except Exception as error:
                raise AssertionError(f"SEED={seed} make test TESTS=tests/simulation shows how: {error}") from error
