import os
import subprocess
import sys

from tests.simulation.mutants import MUTANTS
from tests.simulation.promises import Broken
from tests.simulation.trace import watched

SEEDS = range(12)
TRACE = "from tests.simulation.trace import watched; [print(*watched(seed)[0], sep='\\n') for seed in range(12)]"


def test_a_seed_replays_to_the_letter_even_where_python_salts_its_hashes_differently() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", TRACE],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert shown.splitlines() == [line for seed in SEEDS for line in watched(seed)[0]]


def test_a_trace_names_what_was_done_by_whom_and_ends_in_what_was_wrong() -> None:
    told, wrong = next(
        (told, wrong) for seed in range(100) for told, wrong in [watched(seed, MUTANTS["no_fence"])] if wrong
    )
    assert isinstance(wrong, Broken)
    assert any("consumer 0" in line and "ledger: commit" in line for line in told)
