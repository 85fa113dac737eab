import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.people.keys import KEY_BYTES
from libs.people.spans import (
    WHOLE,
    AtTimes,
    ByIdentifier,
    BySession,
    Cut,
    beside,
    in_session,
    own_id,
    since,
    span_of,
)

ANCHOR, OTHER = b"a" * KEY_BYTES, b"o" * KEY_BYTES
CUTS: list[Cut | None] = [None, BySession(), ByIdentifier(), AtTimes((5, 9))]
times = st.integers(-(2**63), 2**63 - 1)


def test_an_anchor_that_is_not_cut_is_one_span() -> None:
    assert span_of(None, 5, "s1", OTHER) == WHOLE


def test_of_a_shared_anchor_each_session_is_a_span_and_what_has_none_stays() -> None:
    assert span_of(BySession(), 5, "s1", OTHER) == in_session("s1") != in_session("s2")
    assert span_of(BySession(), 5, "", OTHER) == WHOLE


def test_of_a_blocked_anchor_the_next_strongest_identifier_is_a_span_or_else_the_session() -> None:
    assert span_of(ByIdentifier(), 5, "s1", OTHER) == beside(OTHER)
    assert span_of(ByIdentifier(), 5, "s1", None) == in_session("s1")
    assert span_of(ByIdentifier(), 5, "", None) == WHOLE


@pytest.mark.parametrize(("at", "span"), [(4, WHOLE), (5, since(5)), (8, since(5)), (9, since(9)), (99, since(9))])
def test_a_time_begins_a_span_which_it_belongs_to(at: int, span: bytes) -> None:
    assert span_of(AtTimes((5, 9)), at, "s1", OTHER) == span


def test_a_sessions_name_can_not_be_read_from_its_span() -> None:
    assert b"li" not in in_session("li")


@given(times, st.text(min_size=1), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_spans_of_different_makes_are_never_the_same(at: int, session: str, key: bytes) -> None:
    assert len({len(span) for span in (WHOLE, since(at), in_session(session), beside(key))}) == 4


def test_a_whole_identifier_is_its_own_person_and_a_span_is_another() -> None:
    assert own_id(ANCHOR) == ANCHOR
    ids = {own_id(key, span) for key in (ANCHOR, OTHER) for span in (WHOLE, since(5), since(6), in_session("s1"), key)}
    assert len(ids) == 10
    assert {len(one) for one in ids} == {KEY_BYTES}


def test_ids_of_spans_are_the_same_in_every_release() -> None:
    # Portraits, moves and former ids are kept under them.
    assert own_id(ANCHOR, since(5)).hex() == "0daf616a8aa2e147d91bc703364ed985"
    assert own_id(ANCHOR, in_session("s1")).hex() == "0da83669f075cfbb5e06b49603335ece"


@given(st.sampled_from(CUTS), times, st.sampled_from(["", "s1"]), st.sampled_from([None, OTHER]))
def test_every_interaction_is_in_some_span(cut: Cut | None, at: int, session: str, other: bytes | None) -> None:
    assert span_of(cut, at, session, other) in {WHOLE, in_session("s1"), OTHER, since(5), since(9)}
