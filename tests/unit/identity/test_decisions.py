"""What people decide goes before what was seen, and leaves no trace when it is undone."""

import pytest

from libs.runtime.errors import InvalidArgument
from services.identity.domain.decisions import Blocked, Decisions, Forbidden, Linked, LinkLeft, Unlinked, decide, evolve
from tests.support.identity import (
    IdentityScenario,
    Statement,
    allow,
    block,
    forbid,
    leave,
    link,
    logged_in,
    of,
    publish,
    rules,
    seen,
    unblock,
    unlink,
)


def test_two_can_be_linked_by_hand_though_never_seen_together(identity: IdentityScenario) -> None:
    identity.given(seen("m1"), seen("u1", "p1"))
    identity.when(link("m1", "u1"))
    identity.then("m1 p1 u1")


def test_a_link_by_hand_keeps_limits(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1"), seen("u2", "p2"))
    identity.when(link("u1", "u2"))
    identity.then("u1 p1", "u2 p2", refused={"u1 u2": "TOO_MANY"})


def test_a_link_by_hand_goes_before_what_was_seen_earlier(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "d1"))
    identity.when(seen("u2"), link("u2", "d1"))
    identity.then("d1 u2", refused={"u1 d1": "TOO_MANY"})


def test_deleting_a_wrong_edge_really_unmerges(identity: IdentityScenario) -> None:
    identity.given(seen("p1", "d1"), seen("d1", "e1"), seen("e1", "o1"))
    identity.then("p1 d1 e1 o1")
    identity.when(unlink("d1", "e1"))
    identity.then("p1 d1", "e1 o1", refused={"d1 e1": "UNLINKED"})


def test_no_later_sighting_brings_back_what_was_unlinked(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1"), unlink("u1", "p1"))
    identity.when(seen("u1", "p1"), seen("u1", "p1", verified="u1"))
    identity.then(refused={"u1 p1": "UNLINKED"})


def test_a_phone_verified_anew_after_it_was_unlinked_is_a_new_edge(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", verified="p1"), unlink("u1", "p1"))
    identity.then(refused={"u1 p1": "UNLINKED"})
    identity.when(seen("u1", "p1", verified="p1"))
    identity.then("u1 p1")
    identity.when(unlink("u1", "p1"))
    identity.then()


def test_what_is_unlinked_from_a_parent_is_unlinked_from_its_children(identity: IdentityScenario) -> None:
    identity.given(seen("n1", "o1"), seen("u1", "n1"), seen("u1", "o1"))
    identity.when(unlink("u1", "n1"))
    identity.then("n1 o1", refused={"u1 n1": "UNLINKED", "u1 o1": "UNLINKED"})


def test_a_child_with_a_decision_of_its_own_goes_by_that(identity: IdentityScenario) -> None:
    identity.given(seen("n1", "o1"), seen("u1", "n1"), seen("u1", "o1"), unlink("u1", "n1"))
    identity.when(link("u1", "o1"))
    identity.then("n1 o1 u1")


def test_a_proof_from_before_does_not_undo_a_link_by_hand(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", verified="p1", day=1), seen("u2"))
    identity.when(link("u2", "p1"))
    identity.then("p1 u2")
    identity.when(seen("u1", "p1", verified="p1", day=90))
    identity.then("p1 u2", "u1 p1@90")


@pytest.mark.parametrize(
    ("decided", "undone"),
    [
        (link("m1", "u1"), leave("m1", "u1")),
        (unlink("u1", "p1"), leave("u1", "p1")),
        (forbid("u1", "p1"), allow("u1", "p1")),
        (block("p1"), unblock("p1")),
    ],
)
def test_undoing_a_decision_restores_everything(
    identity: IdentityScenario, decided: Statement, undone: Statement
) -> None:
    identity.given(seen("d1", "p1"), seen("u1", "p1"), seen("m1"))
    before = identity.then("p1 d1 u1")
    identity.when(decided)
    assert identity.anew() != before
    identity.when(undone)
    assert identity.then("p1 d1 u1") == before


def test_an_older_decision_that_comes_late_changes_nothing() -> None:
    decisions = Decisions()
    evolve(decisions, LinkLeft(b"2", 2, a=of("u1"), b=of("p1")))
    evolve(decisions, Unlinked(b"1", 1, a=of("p1"), b=of("u1")))
    assert [register.stands for register in decisions.links.values()] == ["nothing"]


def test_a_blocked_identifier_joins_nobody_and_what_came_under_it_is_the_next_ones(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1"), seen("u1", "p2"), seen("p2", "d2"))
    identity.when(block("u1"))
    identity.then("p1 u1+p1", "p2 d2 u1+p2", refused={"u1 p1": "BLOCKED", "u1 p2": "BLOCKED"})


def test_what_came_under_a_blocked_value_alone_is_of_who_logged_in_within_the_session(
    identity: IdentityScenario,
) -> None:
    identity.given(seen("d1", session="s1"), logged_in("u1", "d1", session="s1"))
    identity.when(block("d1"))
    identity.then("u1 d1/s1")


def test_a_value_that_the_rules_come_to_block_is_blocked_from_the_beginning(identity: IdentityScenario) -> None:
    identity.given(seen("p1", "d1"), seen("p1", "d2"), seen("d1"))
    identity.when(publish(rules(), screened="p1"))
    identity.then("d1 p1+d1", "d2 p1+d2")


def test_a_kiosks_session_is_not_of_whom_the_kiosk_is_forbidden_with(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(5)), logged_in("u1", "k1", session="s1"), seen("u1", "p1"))
    identity.when(forbid("k1", "p1"))
    identity.then("u1 p1", shared="k1")


def test_a_decision_about_one_identifier_and_itself_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="same identifier"):
        decide(Decisions(), Linked(b"1", 1, a=of("u1"), b=of("u1")))


def test_deciding_what_stands_is_no_news_unless_it_covers_more() -> None:
    decisions = Decisions()
    for wanted in (
        Forbidden(b"1", 1, a=of("u1"), b=of("u2")),
        Blocked(b"2", 1, identifier=of("p1")),
        Unlinked(b"3", 1, a=of("u1"), b=of("p1")),
    ):
        assert decide(decisions, wanted) == [wanted]
        evolve(decisions, wanted)
    assert decide(decisions, Forbidden(b"4", 2, a=of("u2"), b=of("u1"))) == []
    assert decide(decisions, Blocked(b"5", 2, identifier=of("p1"))) == []
    assert decide(decisions, LinkLeft(b"6", 2, a=of("u2"), b=of("p2"))) == []
    again = Unlinked(b"7", 2, a=of("u1"), b=of("p1"))
    assert decide(decisions, again) == [again]
