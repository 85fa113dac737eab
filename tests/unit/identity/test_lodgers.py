"""Whose is what came under an identifier that joins nobody."""

from tests.support.identity import (
    IdentityScenario,
    Statement,
    allow,
    block,
    forbid,
    leave,
    logged_in,
    publish,
    rules,
    seen,
    unlink,
)

KIOSK: list[Statement] = [seen(f"u{n}", "k1") for n in range(5)]


def test_of_several_that_are_logged_in_the_strongest_says_whose_the_session_is(identity: IdentityScenario) -> None:
    identity.given(*KIOSK, logged_in("u1", "k1", session="s1"), logged_in("m1", "k1", session="s1"))
    identity.then("u1 k1/s1", shared="k1")


def test_two_who_logged_in_by_one_stronger_account_are_that_ones(identity: IdentityScenario) -> None:
    identity.given(*KIOSK, *(logged_in(one, "k1", session="s1") for one in ("m1", "m2", "u1")))
    identity.then("u1 k1/s1", shared="k1")


def test_only_a_login_says_whose_a_session_is(identity: IdentityScenario) -> None:
    identity.given(*KIOSK, seen("u1", "k1", session="s1"), logged_in("p1", "k1", session="s2"))
    identity.then(shared="k1")


def test_whoever_is_unlinked_from_a_kiosk_has_no_sessions_there(identity: IdentityScenario) -> None:
    identity.given(*KIOSK, logged_in("u1", "k1", session="s1"), unlink("u1", "k1"), seen("u9", "k1"))
    identity.then(shared="k1")
    identity.when(leave("u1", "k1"))
    identity.then("u1 k1/s1", shared="k1")


def test_sessions_come_back_when_a_tenant_no_longer_leaves_them_apart(identity: IdentityScenario) -> None:
    identity.given(*KIOSK, logged_in("u1", "k1", session="s1"), publish(rules(1, "apart")))
    identity.then(shared="k1")
    identity.when(publish(rules(2)))
    identity.then("u1 k1/s1", shared="k1")


def test_what_came_under_a_blocked_value_beside_a_stronger_one_is_that_ones_anyway(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1"), seen("p1", "d1"), block("p1"))
    identity.then("d1 p1+d1", refused={"u1 p1": "BLOCKED", "p1 d1": "BLOCKED"})


def test_what_came_under_two_blocked_values_is_nobodys(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1"), block("u1"), block("p1"))
    identity.then(refused={"u1 p1": "BLOCKED"})


def test_nobody_has_parts_of_two_that_are_forbidden_whenever_that_is_decided(identity: IdentityScenario) -> None:
    identity.given(seen("p1", "d1"), seen("p2", "d1"), block("p1"), block("p2"))
    identity.then("d1 p1+d1 p2+d1")
    identity.when(forbid("p1", "p2"))
    identity.then("d1 p1+d1")
    identity.when(allow("p1", "p2"))
    identity.then("d1 p1+d1 p2+d1")
