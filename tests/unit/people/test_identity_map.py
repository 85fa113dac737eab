import random

from hypothesis import given
from hypothesis import strategies as st

from libs.people.identity_events import CutMade
from libs.people.identity_map import IdentityMap
from libs.people.keys import KEY_BYTES
from libs.people.spans import WHOLE, AtTimes, Span, in_session, own_id, since

A, B, C = (letter * KEY_BYTES for letter in (b"a", b"b", b"c"))
KIOSK: Span = in_session("s1")
LATER: Span = since(5)
Move = tuple[bytes, Span, bytes, int]

moves = st.lists(
    st.tuples(
        st.sampled_from([A, B, C]),
        st.sampled_from([WHOLE, KIOSK, LATER]),
        st.sampled_from([A, B, C, own_id(A, LATER), own_id(B, KIOSK)]),
        st.integers(1, 9),
    ),
    max_size=12,
    unique_by=lambda move: (move[0], move[1], move[3]),  # identity gives a version of an identifier one meaning
)


def told(*said: Move) -> IdentityMap:
    known = IdentityMap()
    for one in said:
        known.move(*one)
    return known


def test_an_identifier_that_was_never_moved_is_its_own_person() -> None:
    known = IdentityMap()
    assert known.person_of(A) == known.current(A) == A
    assert known.person_of(A, LATER) == own_id(A, LATER)
    assert known.members(A) == {(A, WHOLE)}
    assert known.version_of(A) == 0


def test_a_moved_identifier_and_its_person_know_each_other() -> None:
    known = told((B, WHOLE, A, 1), (C, KIOSK, A, 1))
    assert known.person_of(B) == known.person_of(C, KIOSK) == A
    assert known.members(A) == {(A, WHOLE), (B, WHOLE), (C, KIOSK)}
    assert known.members(C) == {(C, WHOLE)}


def test_former_ids_answer_with_who_they_are_today() -> None:
    known = told((B, WHOLE, A, 1), (C, LATER, A, 2))
    known.cut(CutMade(C, AtTimes((5,)), 1))
    for former in (B, own_id(C, LATER)):
        assert known.current(former) == A
        assert known.members(former) == known.members(A)


def test_a_person_may_be_named_by_a_span() -> None:
    known = told((C, LATER, own_id(C, LATER), 2), (B, WHOLE, own_id(C, LATER), 1))
    known.cut(CutMade(C, AtTimes((5,)), 1))
    assert known.members(own_id(C, LATER)) == {(C, LATER), (B, WHOLE)}
    assert known.current(own_id(C, LATER)) == own_id(C, LATER)


def test_what_returned_to_itself_keeps_its_version_so_that_no_late_move_takes_it_again() -> None:
    """Pitfall 34: a late older move resurrects an undone merge."""
    known = told((B, WHOLE, A, 1), (B, WHOLE, B, 2))
    assert not known.move(B, WHOLE, A, 1)
    assert known.person_of(B) == B
    assert known.members(A) == {(A, WHOLE)}
    assert list(known.rows()) == [(B, WHOLE, B, 2)]


def test_a_move_told_again_changes_nothing() -> None:
    known = told((B, WHOLE, A, 1))
    assert not known.move(B, WHOLE, A, 1)
    assert known.members(A) == {(A, WHOLE), (B, WHOLE)}


@given(moves, st.randoms(use_true_random=False))
def test_moves_in_every_order_and_repetition_give_the_same_map(said: list[Move], chance: random.Random) -> None:
    one = told(*said)
    other = told(*chance.sample([*said, *said], 2 * len(said)))
    assert sorted(one.rows()) == sorted(other.rows())
    for person in (A, B, C, own_id(A, LATER), own_id(B, KIOSK)):
        assert one.current(person) == other.current(person)
        assert one.members(person) == other.members(person)
    for identifier, span, _, _ in said:
        _, newest = max((version, person) for *place, person, version in said if place == [identifier, span])
        assert one.person_of(identifier, span) == newest


@given(moves)
def test_each_place_is_a_member_of_its_person_and_of_nobody_else(said: list[Move]) -> None:
    known = told(*said)
    for identifier, span, person, _ in known.rows():
        assert [one for one, members in known._members.items() if (identifier, span) in members] == [person]
