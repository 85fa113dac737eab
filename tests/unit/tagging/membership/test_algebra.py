from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Contains, OneOf, StartsWith
from libs.conditions.matching import asks
from libs.conditions.numbers import Bound
from libs.conditions.tree import (
    All,
    AnyOf,
    Condition,
    Did,
    Not,
    Score,
    Segment,
    Stage,
    Tag,
    Tier,
    Trait,
)
from services.tagging.membership.algebra import Part, members
from services.tagging.membership.index import Index
from tests.support.crowds import Book

CALENDAR = Calendar("Asia/Shanghai")
tests = st.sampled_from([OneOf(("上海",)), OneOf(("北京", "")), StartsWith("上"), Contains("="), OneOf((True,))])
held = st.one_of(
    st.builds(Tag, st.sampled_from(["vip", "city", "spent", "nobody"])),
    st.builds(Tag, st.sampled_from(["vip", "city", "nobody"]), tests, st.booleans()),
    st.builds(Segment, st.sampled_from(["a", "b"])),
    st.builds(Stage, st.sampled_from([("new",), ("new", "loyal"), ("lost",)])),
    st.just(Tier(("gold", "silver"))),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    held,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, max_size=4).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=4).map(tuple)),
    ),
    max_leaves=8,
)


def plainly(condition: Condition, book: Book, everyone: set[bytes]) -> set[bytes]:  # noqa: PLR0911  a case for each kind
    """Who meets a condition, by sets."""
    match condition:
        case All(parts):
            return everyone.intersection(*(plainly(one, book, everyone) for one in parts))
        case AnyOf(parts):
            return set[bytes]().union(*(plainly(one, book, everyone) for one in parts))
        case Not(part):
            return everyone - plainly(part, book, everyone)
        case Tag(key, test, negated):
            return _holding(book, f"tag:{key}", lambda value: test is None or asks(value, test, negated, CALENDAR))
        case Segment(key):
            return book.holders(f"segment:{key}")
        case Stage(keys):
            return _holding(book, "stage", lambda value: value in keys)
        case Tier(keys):
            return _holding(book, "tier", lambda value: value in keys)
        case _:
            raise AssertionError(condition)


def _holding(book: Book, reference: str, passes: Callable[[object], bool]) -> set[bytes]:
    return {who for who in book.holders(reference) if passes(book.held[who][reference])}


@given(conditions, st.integers(0, 2**32))
def test_a_condition_finds_those_whom_sets_find(condition: Condition, seed: int) -> None:
    book, index = Book(Random(seed)), Index()
    index.apply([told for _ in range(40) for told in book.tell()], {})
    found = members(condition, Part(index, index.anybody(), CALENDAR))
    everybody = {one.number: who for who, one in index.fresh.items()}
    everyone = {who for who, mine in book.held.items() if mine}
    assert found is not None
    assert {everybody[number] for number in found} == plainly(condition, book, everyone)


@pytest.mark.parametrize(
    "condition",
    [
        Did(("bought",)),
        Trait("city"),
        Score("x", Bound(low=5_000)),
        Tag("spent", OneOf((3,))),
        Not(AnyOf((Tag("vip"), Did(("bought",))))),
    ],
)
def test_what_asks_for_more_than_is_held_is_not_answered(condition: Condition) -> None:
    book, index = Book(Random(1), references={"tag:spent": (3,)}), Index()
    index.apply(book.tell(), {})
    assert members(condition, Part(index, index.anybody(), CALENDAR)) is None
