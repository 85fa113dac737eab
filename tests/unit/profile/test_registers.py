import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.domain.registers import keep_greatest, put, union

KEEP = 3
said = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=15)


def registers_of(pairs: list[tuple[str, int]]) -> dict[str, int]:
    registers: dict[str, int] = {}
    for key, value in pairs:
        put(registers, key, value)
        keep_greatest(registers, KEEP)
    return registers


@settings(deadline=None)
@given(said, st.randoms(use_true_random=False), st.integers(0, 15))
def test_neither_order_nor_partition_can_be_seen_although_registers_are_forgotten(
    pairs: list[tuple[str, int]], rng: random.Random, at: int
) -> None:
    shuffled = rng.sample(pairs, len(pairs))
    assert registers_of(shuffled) == registers_of(pairs)
    assert union(registers_of(shuffled[:at]), registers_of(shuffled[at:]), KEEP) == registers_of(pairs)


@settings(deadline=None)
@given(said)
def test_the_greatest_registers_are_kept(pairs: list[tuple[str, int]]) -> None:
    greatest: dict[str, int] = {}
    for key, value in pairs:
        greatest[key] = max(value, greatest.get(key, value))
    kept = sorted(greatest.items(), key=lambda entry: (entry[1], entry[0]))[-KEEP:]
    assert registers_of(pairs) == dict(kept)
