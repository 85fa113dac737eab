import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.domain.day_counts import DAYS, LARGEST_SUM, OLDER, DayCounts, add, total, union, within

counted = st.lists(st.tuples(st.integers(-1000, 25_000), st.sampled_from([1, 7, 2**53, 2**62])), max_size=12)


def counts_of(pairs: list[tuple[int, int]]) -> DayCounts:
    counts: DayCounts = {}
    for day, amount in pairs:
        add(counts, day, amount)
    return counts


@settings(deadline=None)
@given(counted, st.randoms(use_true_random=False), st.integers(0, 12))
def test_neither_order_nor_partition_can_be_seen(pairs: list[tuple[int, int]], rng: random.Random, at: int) -> None:
    shuffled = rng.sample(pairs, len(pairs))
    assert counts_of(shuffled) == counts_of(pairs)
    assert union(counts_of(shuffled[:at]), counts_of(shuffled[at:])) == counts_of(pairs)


@settings(deadline=None)
@given(counted)
def test_nothing_is_lost_from_the_total(pairs: list[tuple[int, int]]) -> None:
    assert total(counts_of(pairs)) == min(sum(amount for _, amount in pairs), LARGEST_SUM)


def test_days_before_the_newest_four_hundred_become_one_sum() -> None:
    counts = counts_of([(100, 1), (101, 2), (500, 4), (99, 8)])
    assert counts == {OLDER: 9, 101: 2, 500: 4}
    assert len(counts_of([(day, 1) for day in range(2000)])) == DAYS + 1


def test_a_window_ends_today_and_holds_as_many_days_as_it_says() -> None:
    counts = counts_of([(day, 1) for day in range(20_000, 20_100)])
    assert within(counts, 20_050, 7) == 7
    assert within(counts, 20_050, 90) == 51
    assert within(counts, 19_000, 7) == 0


def test_windows_grow_with_their_length() -> None:
    counts = counts_of([(20_000 - age, 1) for age in (0, 6, 7, 29, 30, 89, 90, 364, 365)])
    sizes = [within(counts, 20_000, days) for days in (1, 7, 30, 90, 365)]
    assert sizes == [1, 2, 4, 6, 8]
    assert all(a < b for a, b in pairwise(sizes))
