import pytest

from tests.simulation.loop import Stuck
from tests.simulation.mutants import MUTANTS
from tests.simulation.promises import Broken
from tests.simulation.scenario import Scenario
from tests.simulation.trace import silence
from tests.simulation.world import Parts

SEEDS = 1_500  # far fewer than are tried of the working parts


@pytest.mark.parametrize("parts", MUTANTS.values(), ids=MUTANTS)
def test_a_part_that_is_broken_is_noticed(parts: Parts) -> None:
    with silence():
        assert any(is_noticed(seed, parts) for seed in range(SEEDS))


def is_noticed(seed: int, parts: Parts) -> bool:
    try:
        Scenario(seed, parts).run()
    except (Broken, Stuck):
        return True
    return False
