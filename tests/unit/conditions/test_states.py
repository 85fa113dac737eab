"""What is kept is the same in any order and any grouping, also where something is forgotten."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.conditions import states
from libs.conditions.states import OLDER, AtEdge, Daily, KeyedDaily, Kind, LastDays, Span, Times

KINDS: list[tuple[str, Kind]] = [
    ("sums by day", Daily(int.__add__)),
    ("least by day", Daily(min)),
    ("greatest by day", Daily(max)),
    ("sums by key", KeyedDaily(int.__add__, 7)),
    ("greatest by key", KeyedDaily(max, 30)),
    ("last days", LastDays()),
    ("times", Times(5)),
    ("span", Span()),
    ("first value", AtEdge(first=True)),
    ("last value", AtEdge(first=False)),
]

brought = st.builds(
    lambda day, key, number: (day * 3, day, key, number),
    st.one_of(st.integers(0, 12), st.sampled_from([399, 400, 401, 412, 1000])),
    st.sampled_from("abcd"),
    st.integers(-3, 9),
)


def kept(kind: Kind, events: list[tuple[int, int, str, int]], chance: random.Random) -> Any:
    cuts = sorted(chance.randint(0, len(events)) for _ in range(chance.randint(0, 2)))
    parts = []
    for one, other in pairwise([0, *cuts, len(events)]):
        state = None
        for event in events[one:other]:
            state = kind.noted(state, *event)
        if state is not None:
            parts.append(state)
    while len(parts) > 1:
        parts.append(kind.united(*(parts.pop(chance.randrange(len(parts))) for _ in "ab")))
    return parts[0]


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=[name for name, _ in KINDS])
@given(st.lists(brought, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_order_and_grouping_can_not_be_seen(
    name: str, kind: Kind, events: list[tuple[int, int, str, int]], chance: random.Random
) -> None:
    expected = kept(kind, sorted(events), random.Random(0))
    assert kept(kind, chance.sample(events, len(events)), chance) == expected


@pytest.mark.parametrize(
    ("limit", "kind"),
    [("MOST_KEYED", KeyedDaily(int.__add__, 400)), ("MOST_VALUES", LastDays()), ("MOST_TIMES", Times(10**6))],
    ids=["keyed", "values", "times"],
)
def test_neither_can_they_where_the_oldest_is_forgotten(
    limit: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, limit, 3)
    chance = random.Random(5)
    for _ in range(300):
        events = [(day * 3, day, chance.choice("abcd"), 1) for day in (chance.randint(0, 12) for _ in range(8))]
        expected = kept(kind, sorted(events), random.Random(0))
        assert kept(kind, chance.sample(events, len(events)), chance) == expected


def test_a_sum_by_key_has_every_event_of_the_days_it_keeps() -> None:
    kind, state = KeyedDaily(int.__add__, 7), None
    for day in (10, 4, 9, 4, 3, 10):
        state = kind.noted(state, day, day, "a", 1)
    assert state == {10: {"a": 2}, 9: {"a": 1}, 4: {"a": 2}}


def test_days_long_gone_are_one_sum() -> None:
    kind, state = Daily(int.__add__), None
    for day in (1000, 600, 601, 1, 2):
        state = kind.noted(state, day, day, "", 1)
    assert state == {1000: 1, 601: 1, OLDER: 3}
