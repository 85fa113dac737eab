from collections.abc import Iterable
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.tagging.domain.group_portrait import Numbers, Sizes, of_flag, of_numbers, of_values
from services.tagging.domain.intervals import median_difference, ratio, share


def numbers(values: Iterable[int]) -> Numbers:
    return np.array(sorted(values), np.int64)


COUNTS = st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(COUNTS)
def test_the_interval_of_a_share_is_that_of_wilson(counted: tuple[int, int]) -> None:
    part, of = counted
    found = share(part, of)
    wanted = stats.binomtest(part, of).proportion_ci(method="wilson")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_nobody_has_no_share() -> None:
    assert share(0, 0) is None


def test_the_interval_of_a_ratio_is_that_of_koopmans_own_example() -> None:
    # Koopman (1984), Biometrics 40, p. 516: 36 of 40 beside 16 of 80
    found = ratio(36, 40, 16, 80)
    assert found is not None
    assert found == pytest.approx((4.5, 2.940, 7.152), abs=1e-3)


@given(st.integers(300, 2_000), st.integers(300, 2_000))
def test_of_many_it_is_that_of_the_logarithm(part: int, other: int) -> None:
    found = ratio(part, 100_000, other, 90_000)
    wanted = stats.contingency.relative_risk(part, 100_000, other, 90_000).confidence_interval()
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=0.005)


@given(COUNTS, COUNTS)
def test_it_is_the_same_seen_from_the_other_side(one: tuple[int, int], other: tuple[int, int]) -> None:
    there, back = ratio(*one, *other), ratio(*other, *one)
    if there is None or back is None:
        assert one[0] + other[0] == 0
        return
    assert there.low <= there.value <= there.high
    assert there.low == pytest.approx(1 / back.high if back.high else inf, rel=1e-5)


def test_what_nobody_of_a_group_has_is_rarer_there_for_certain() -> None:
    found = ratio(0, 1_000, 500, 1_000)
    assert found is not None
    assert (found.value, found.low) == (0, 0)
    assert found.high < 0.01


def test_what_nobody_else_has_is_commoner_beyond_measure() -> None:
    found = ratio(10, 100, 0, 1_000)
    assert found is not None
    assert (found.value, found.high) == (inf, inf)
    assert found.low > 10


def test_the_interval_of_a_difference_of_medians_holds_as_often_as_it_says() -> None:
    draw, held = np.random.default_rng(17), 0
    for _ in range(1_000):
        group, others = (np.sort(draw.lognormal(3, 1, size) * 10_000).astype(np.int64) for size in (60, 400))
        found = median_difference(group, others)
        assert found is not None
        held += found.low <= 0 <= found.high
    assert 930 <= held <= 985


def test_a_difference_of_medians_is_that_of_a_hand_count() -> None:
    # 9 values: rank round(5 - 3) = 2, so the 2nd and the 8th; fewer than 2 of 9 below the median: 10 in 512
    values = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9], np.int64)
    far = stats.norm.ppf(1 - 10 / 512)
    half = stats.norm.ppf(0.975) * (2 * (6 / (2 * far)) ** 2) ** 0.5
    assert median_difference(values + 10, values) == pytest.approx((10, 10 - half, 10 + half))
    assert median_difference(values[:1], values) is None


def test_an_index_is_a_hundred_times_the_share_of_the_group_by_that_of_everyone() -> None:
    # 30 of 100 in the group, 120 of 1,000 altogether; so 90 of 900 among the rest
    found = Sizes(100, 1_000).compared(30, 120)
    assert found.share.value == 0.3
    assert found.share_of_everyone == 0.12
    assert found.index is not None
    assert found.lift is not None
    assert found.index.value == pytest.approx(250)
    assert found.lift.value == pytest.approx(3)
    assert found.telling


@given(st.data())
def test_the_index_tells_no_more_than_the_lift(data: st.DataObject) -> None:
    everyone = data.draw(st.integers(2, 5_000))
    group = data.draw(st.integers(1, everyone - 1))
    of_group = data.draw(st.integers(0, group))
    of_all = of_group + data.draw(st.integers(0, everyone - group))
    found = Sizes(group, everyone).compared(of_group, of_all)
    if found.index is None or found.lift is None:
        assert of_all == 0
        return
    assert found.index.value == pytest.approx(100 * found.share.value / found.share_of_everyone)
    assert (found.index.low <= 100) == (found.lift.low <= 1 + 1e-9)
    assert (found.index.high >= 100) == (found.lift.high >= 1 - 1e-9)


def test_of_too_few_nothing_is_told() -> None:
    small = Sizes(20, 1_000).compared(10, 100)
    assert small.lift is not None
    assert small.lift.low > 1
    assert not small.enough, "two of the group would be expected"
    assert not small.telling


def test_a_group_of_everyone_is_like_everyone() -> None:
    found = Sizes(10, 10).compared(4, 4)
    assert (found.index, found.lift, found.telling) == (None, None, False)


def test_values_come_with_the_commonest_first_and_rare_ones_together() -> None:
    counts = {"上海": (50, 100), "北京": (10, 400), "杭州": (20, 100), "苏州": (5, 50)}
    found = of_values(Sizes(100, 1_000), counts, most=2)
    assert [(row.value, row.compared.group) for row in found.rows] == [("上海", 50), ("杭州", 20)]
    assert found.rest is not None
    assert (found.rest.values, found.rest.compared.group, found.rest.compared.everyone) == (2, 15, 450)
    assert found.none is not None
    assert (found.none.group, found.none.everyone) == (15, 350)
    assert (found.known.group, found.known.everyone) == (85, 650)


def test_where_no_value_means_that_nobody_knows_only_the_known_are_compared() -> None:
    counts = {"上海": (30, 100), "北京": (10, 100)}
    found = of_values(Sizes(100, 1_000), counts, of_known=True)
    assert (found.rows[0].compared.share.value, found.rows[0].compared.share_of_everyone) == (0.75, 0.5)
    assert found.none is None
    assert (found.known.share.value, found.known.share_of_everyone) == (0.4, 0.2)
    assert found.distance == pytest.approx(0.75 - 70 / 160)


def test_of_whom_nothing_is_known_nothing_is_compared() -> None:
    found = of_values(Sizes(10, 100), {"上海": (0, 50)}, of_known=True)
    assert (list(found.rows), found.distance, found.known.group) == ([], 0, 0)


def test_stages_come_in_their_order_and_none_is_left_out() -> None:
    found = of_values(Sizes(10, 20), {"lost": (9, 10), "new": (1, 10)}, order=["new", "loyal", "lost"])
    assert [(row.value, row.compared.group) for row in found.rows] == [("new", 1), ("loyal", 0), ("lost", 9)]
    assert found.rows[1].compared.lift is None
    assert (found.none, found.rest) == (None, None)
    assert found.distance == pytest.approx(0.8)


def test_a_distance_is_what_would_have_to_be_otherwise() -> None:
    assert of_flag(Sizes(100, 1_100), 40, 140).distance == pytest.approx(0.3)
    assert of_flag(Sizes(100, 1_100), 10, 110).distance == pytest.approx(0)


@given(st.lists(st.integers(-50, 50), max_size=40), st.lists(st.integers(-50, 50), max_size=200), st.integers(0, 9))
def test_bins_hold_everyone_once_in_order(group: list[int], others: list[int], more: int) -> None:
    sizes = Sizes(len(group) + more + 1, len(group) + len(others) + more + 1)
    found = of_numbers(sizes, numbers(group), numbers(others))
    if not group:
        assert found.rows == []
        return
    for row in found.rows:
        assert row.compared.group == sum(row.low <= one <= row.high for one in group)
        assert row.compared.everyone == sum(row.low <= one <= row.high for one in group + others)
        assert {row.low, row.high} <= {*group, *others}
    assert sum(row.compared.everyone for row in found.rows) == len(group) + len(others)
    assert [row.low for row in found.rows] == sorted(row.low for row in found.rows)
    assert sum(row.compared.group for row in found.rows) == found.known.group == len(group)


def test_quartiles_are_values_that_somebody_has() -> None:
    group, others = (np.array(values, np.int64) for values in ([10, 20, 30, 40], [1, 2, 3, 4, 5, 6]))
    found = of_numbers(Sizes(5, 12), group, others)
    assert found.spread is not None
    assert found.spread.quartiles == (10, 20, 30)
    assert found.spread.quartiles_of_everyone == (3, 5, 20)
    assert found.spread.shift is not None
    assert found.spread.shift.value == 25 - 3.5
