"""Who turns out to be who."""

from tests.support.identity import IdentityScenario, forbid, link, logged_in, seen, unlink


def test_what_is_seen_together_is_one_person_named_by_what_was_recorded_first(identity: IdentityScenario) -> None:
    identity.given(seen("d1"), seen("p1", "d1"), seen("u1", "p1"), seen("w1", "u1"))
    identity.then("d1 p1 u1 w1")


def test_a_family_tablet_joins_nobody(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "k1"), seen("u2", "k1"), seen("u3", "k1"), seen("u4", "k1"))
    identity.then(shared="k1", refused={f"k1 u{n}": "SHARED" for n in (1, 2, 3, 4)})


def test_a_recycled_phone(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", day=10), seen("p1", "d1", day=20), seen("d2", "p1", day=90))
    identity.when(seen("u2", "p1", verified="p1", day=70))
    identity.then("u1 d1 p1", "u2 d2 p1@70")


def test_session(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(5)), logged_in("u1", "k1", session="s1"), logged_in("u2", "k1", session="s2"), logged_in("u3", "k1", session="s2"))
    identity.when(seen("u1", "p1"))
    identity.then("u1 p1 k1/s1", shared="k1")


def test_forbid(identity: IdentityScenario) -> None:
    identity.given(seen("o1", "p1"), seen("o2", "p1"), forbid("o1", "o2"))
    identity.then("o1 p1", refused={"o2 p1": "FORBIDDEN"})
