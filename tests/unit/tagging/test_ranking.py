"""Scores by rank: exact thresholds of everybody, and where one number lies among them until time or deeds move it."""

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.numbers import SCALE
from libs.conditions.plan import Plan
from services.tagging.domain.names import DAY
from services.tagging.domain.ranking import changes_on, number_at_cut, number_on, scored, thresholds
from services.tagging.domain.score import ByRank, Days, Places
from services.tagging.domain.score_reading import LONGEST_RANKED
from tests.unit.tagging.test_score_reading import read

ZONE = "America/New_York"
CALENDAR = Calendar(ZONE)
CUT = 20_500

MEASURED = {
    "count": "did: {event: bought, within: 30d}",
    "count of a few": "did: {event: bought, times: 2, within: 90d}",
    "sum": "did: {event: bought, sum: {of: price}, within: 365d}",
    "average": "did: {event: bought, average: {of: price}, within: 30d}",
    "sum ever": "did: {event: bought, sum: {of: price}}",
    "last": "did: {event: bought, last: {}}",
    "first": "did: {event: bought, first: {}}",
}
RANKS = {}
for name, measured in MEASURED.items():
    found = read("{rank: {parts: 4, cut: weekly}, levels: {top: 1}}", measured)
    assert isinstance(found, ByRank)
    RANKS[name] = found

ranks = st.sampled_from(sorted(RANKS))
bought = st.lists(
    st.tuples(
        st.one_of(st.integers(-3, 40), st.sampled_from([88, 89, 90, 91, 364, 365, 366, 380, 500])),
        st.integers(0, 23),
        st.sampled_from([1, 2.5, 0.3333, 7]),
    ),
    max_size=8,
)


def events(drawn: Sequence[tuple[int, int, float]]) -> list[Event]:
    return [
        Event(index.to_bytes(16, "big"), "bought", CALENDAR.start_of(CUT - age) + hour * DAY // 24, {"price": price})
        for index, (age, hour, price) in enumerate(drawn)
    ]


def kept(rank: ByRank, history: Sequence[Event], chance: random.Random | None = None) -> list[Days]:
    plan, anchors = Plan(rank.conditions("it"), ZONE), (Features(), Features())
    mixed = list(history)
    if chance is not None:
        chance.shuffle(mixed)
    for index, event in enumerate(mixed):
        plan.fold(anchors[index % 2], event)
    return Places(rank, ZONE).days(plan.combine(anchors).sections)


def naive(name: str, history: Sequence[Event], day: int, *, begun: bool) -> int | None:
    """What is measured, event by event: of those before a day as it begins, or with what happened of it."""
    window = {"count": 30, "count of a few": 90, "sum": 365, "average": 30}.get(name, 10**6)
    last = day if begun else day - 1
    lying = [one for one in history if day - window < CALENDAR.day(one.occurred_at) <= last]
    if not lying or (name == "count of a few" and len(lying) < 2):
        return None
    if name in {"first", "last"}:
        return (min if name == "first" else max)(CALENDAR.day(one.occurred_at) for one in lying)
    if name.startswith("count"):
        return len(lying) * SCALE
    total = sum(Fraction(str(one.properties["price"])) for one in lying) * SCALE
    return int(total / len(lying) if name == "average" else total)


@given(ranks, bought, st.randoms(use_true_random=False))
def test_a_cut_measures_what_was_before_its_day_whatever_came_since_and_in_which_order(
    name: str, drawn: list[tuple[int, int, float]], chance: random.Random
) -> None:
    history, rank = events(drawn), RANKS[name]
    expected = naive(name, history, CUT, begun=False)
    if rank.edge is not None and expected is not None:
        expected = max(expected, CUT - LONGEST_RANKED)
    assert number_at_cut(rank, kept(rank, history, chance), CUT) == expected


@given(ranks, bought, st.integers(3, 30))
def test_a_number_is_what_the_tag_measures_that_day(name: str, drawn: list[tuple[int, int, float]], later: int) -> None:
    history, rank = events(drawn), RANKS[name]
    found = number_on(rank, kept(rank, history), CUT + later)
    expected = naive(name, history, CUT + later, begun=True)
    if name == "first" and expected is not None and expected < CUT - 300:
        assert found is not None  # too long ago to be kept apart
        assert found <= expected
    else:
        assert found == expected


@given(st.lists(st.integers(-5, 20), min_size=1, max_size=40), st.integers(2, 10))
def test_thresholds_are_percentiles_by_nearest_rank(numbers: list[int], parts: int) -> None:
    ordered = sorted(numbers)
    for part, threshold in enumerate(thresholds(ordered, parts), start=1):
        below = sum(number <= threshold for number in ordered)
        assert Fraction(below, len(ordered)) >= Fraction(part, parts)
        assert not any(
            Fraction(sum(number <= other for number in ordered), len(ordered)) >= Fraction(part, parts)
            for other in ordered
            if other < threshold
        )


def test_numbers_that_differ_are_cut_into_parts_of_equal_size() -> None:
    rank = RANKS["sum ever"]
    cut = thresholds([number * SCALE for number in range(1, 101)], 4)
    values = [scored(rank, cut, [{CUT: number * SCALE}], CUT).value for number in range(1, 101)]
    assert values == sorted(values)  # type: ignore[type-var]  # none is None, which the next line shows
    assert {value: values.count(value) for value in values} == {2_500: 25, 5_000: 25, 7_500: 25, 10_000: 25}


@pytest.mark.parametrize(("number", "value", "level"), [(5, 2_500, ""), (6, 5_000, ""), (99, 10_000, "top")])
def test_equal_numbers_are_in_one_part_and_the_highest_part_is_1(number: int, value: int, level: str) -> None:
    cut = tuple(one * SCALE for one in (5, 9, 12))
    found = scored(RANKS["sum ever"], cut, [{CUT: number * SCALE}], CUT)
    assert (found.value, found.level) == (value, level)


def test_without_a_cut_or_a_number_there_is_no_score() -> None:
    assert scored(RANKS["count"], (), [{CUT: 3}], CUT).value is None
    assert scored(RANKS["count"], (SCALE, SCALE, SCALE), [{CUT - 30: 3}], CUT).value is None


@given(ranks, bought, st.lists(st.integers(0, 12), min_size=3, max_size=3), st.integers(-3, 40))
def test_nothing_changes_before_the_day_that_was_told(
    name: str, drawn: list[tuple[int, int, float]], at: list[int], later: int
) -> None:
    rank, history, today = RANKS[name], events(drawn), CUT + later
    cut = tuple(sorted(CUT - one if rank.edge else one * SCALE for one in at))
    days = kept(rank, history)
    told = changes_on(rank, cut, days, today)
    assert told is None or told > today
    now = scored(rank, cut, days, today)
    for day in range(today, today + 500 if told is None else told):
        assert scored(rank, cut, days, day) == now
