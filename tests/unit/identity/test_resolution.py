"""Who turns out to be who."""

from libs.people.identifiers import DAY, PerPerson
from tests.support.identity import IdentityScenario, forbid, logged_in, rules, seen


def test_what_is_seen_together_is_one_person_named_by_what_was_recorded_first(identity: IdentityScenario) -> None:
    identity.given(seen("d1"), seen("p1", "d1"), seen("u1", "p1"), seen("w1", "u1"))
    identity.then("d1 p1 u1 w1")


def test_of_what_was_recorded_at_once_the_strongest_names_the_person(identity: IdentityScenario) -> None:
    identity.given(seen("d1", "p1", "u1"))
    identity.then("u1 d1 p1")


def test_who_links_with_nobody_is_not_spoken_of(identity: IdentityScenario) -> None:
    identity.given(seen("u1"), seen("p1"), seen("d1"))
    identity.then()


def test_a_merge_keeps_the_older_id(identity: IdentityScenario) -> None:
    identity.given(seen("u2", "p2"), seen("u1", "p1"), rules=rules(user_id={"per_person": None}))
    identity.when(seen("p1", "p2"))
    identity.then("u2 p1 p2 u1")


def test_a_person_has_one_account_whoever_they_are_seen_with(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "d1"), seen("u2", "d1"), seen("p1", "u2"))
    identity.then("u1 d1", "u2 p1", refused={"u2 d1": "TOO_MANY"})


def test_a_limit_with_a_window_counts_those_first_seen_so_close_together(identity: IdentityScenario) -> None:
    two_a_month = rules(phone={"per_person": PerPerson(2, 30 * DAY)})
    identity.given(*(seen("u1", f"p{n}", day=day) for n, day in ((1, 1), (2, 10), (3, 20), (4, 35))), rules=two_a_month)
    identity.then("u1 p1 p2 p4", refused={"u1 p3": "TOO_MANY"})


def test_two_that_are_forbidden_are_never_one_person(identity: IdentityScenario) -> None:
    identity.given(seen("o1", "p1"), seen("o2", "p1"), forbid("o1", "o2"))
    identity.then("o1 p1", refused={"o2 p1": "FORBIDDEN"})


def test_a_forbidden_pair_keeps_apart_whoever_they_have_become(identity: IdentityScenario) -> None:
    identity.given(seen("o1", "p1"), seen("e1", "p1"), seen("o2", "p2"), seen("e2", "p2"), forbid("e1", "e2"))
    identity.when(seen("o1", "o2"))
    identity.then("o1 e1 p1", "o2 e2 p2", refused={"o1 o2": "FORBIDDEN"})


def test_the_order_of_seeing_decides_and_not_that_of_arrival(identity: IdentityScenario) -> None:
    identity.given(seen("u2", "d1", day=20))
    identity.when(seen("u1", "d1", day=10))
    identity.then("d1 u1", refused={"u2 d1": "TOO_MANY"})


def test_a_late_device_edge_counts_as_if_it_had_come_in_time(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", day=1), seen("d1", "u2", day=9), seen("d1", "c1", day=10))
    identity.when(seen("p1", "d1", day=5))
    identity.then("u1 c1 d1 p1", refused={"u2 d1": "TOO_MANY"})


def test_what_ties_is_followed_by_strength(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "d1", day=1), seen("u2", "d1", "p1", day=2))
    identity.then("u1 d1", "u2 p1", refused={"u2 d1": "TOO_MANY", "d1 p1": "TOO_MANY"})


def test_a_family_tablet_joins_nobody(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "k1"), seen("u2", "k1"), seen("u3", "k1"), seen("u4", "k1"))
    identity.then(shared="k1", refused={f"k1 u{n}": "SHARED" for n in (1, 2, 3, 4)})


def test_a_tablet_that_becomes_shared_lets_go_of_its_first_person(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "k1"), seen("u2", "k1"), seen("u3", "k1"), seen("k1", "c1"))
    identity.then("u1 c1 k1")
    identity.when(seen("u4", "k1"))
    identity.then(shared="k1")


def test_a_kiosk_with_500_people_joins_nobody(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(500)), *(seen(f"u{n}", f"p{n}") for n in range(0, 500, 50)))
    identity.then(*(f"u{n} p{n}" for n in range(0, 500, 50)), shared="k1")


def test_a_kiosk_that_knows_people_by_their_phones_joins_nobody(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"p{n}", "k1") for n in range(20)))
    identity.then(shared="k1")


def test_the_device_of_a_person_with_an_account_in_each_channel_is_not_shared(identity: IdentityScenario) -> None:
    identity.given(*(seen(one, "d1") for one in ("u1", "m1", "n1", "o1", "w1", "p1", "e1")))
    identity.then("u1 d1 e1 m1 n1 o1 p1 w1")


def test_an_office_phone_is_nobodys(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "p1", verified="p1") for n in range(6)), seen("p1", "d1"))
    identity.then(shared="p1")


def test_what_a_kiosk_sees_in_a_session_is_of_who_logged_in_there(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(5)))
    identity.when(logged_in("u1", "k1", session="s1"), logged_in("u2", "k1", session="s2"), seen("k1", session="s3"))
    identity.then("u1 k1/s1", "u2 k1/s2", shared="k1")


def test_a_session_follows_its_person_through_merges(identity: IdentityScenario) -> None:
    identity.given(seen("p1"), *(seen(f"u{n}", "k1") for n in range(5)), logged_in("u1", "k1", session="s1"))
    identity.when(seen("u1", "p1"))
    identity.then("p1 u1 k1/s1", shared="k1")


def test_a_session_in_which_two_logged_in_is_nobodys(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(5)), logged_in("u1", "k1", session="s1"))
    identity.when(logged_in("u2", "k1", session="s1"))
    identity.then(shared="k1")


def test_a_tenant_may_leave_what_a_kiosk_sees_apart(identity: IdentityScenario) -> None:
    identity.given(*(seen(f"u{n}", "k1") for n in range(5)), rules=rules(shared="apart"))
    identity.when(logged_in("u1", "k1", session="s1"))
    found = identity.then(shared="k1")
    assert found.cuts == {}


def test_a_recycled_phone_is_the_new_persons_from_when_they_proved_it(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", day=10), seen("p1", "d1", day=20))
    identity.when(seen("u2", "p1", verified="p1", day=70), seen("p1", "d2", day=90))
    identity.then("u1 d1 p1", "u2 d2 p1@70")


def test_a_phone_that_goes_to_and_fro_is_whose_it_was_at_each_time(identity: IdentityScenario) -> None:
    identity.given(*(seen(who, "p1", verified="p1", day=day) for who, day in (("u1", 1), ("u2", 5), ("u1", 9))))
    identity.then("u1 p1 p1@9", "u2 p1@5")


def test_a_phone_verified_again_for_the_same_person_is_not_cut(identity: IdentityScenario) -> None:
    identity.given(*(seen("u1", "p1", verified="p1", day=day) for day in (1, 5, 9)), seen("o1", "p1", verified="p1"))
    found = identity.then("u1 o1 p1")
    assert found.cuts == {}


def test_a_phone_that_is_only_said_to_be_anothers_stays(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", day=1), seen("u2", "p1", verified="u2", day=5))
    identity.then("u1 p1", refused={"u2 p1": "TOO_MANY"})


def test_a_phone_does_not_pass_to_who_has_too_many(identity: IdentityScenario) -> None:
    identity.given(seen("u2", "p2", day=1), seen("u1", "p1", day=2), rules=rules(phone={"per_person": PerPerson(1)}))
    identity.when(seen("u2", "p1", verified="p1", day=5))
    identity.then("u2 p2", "u1 p1", refused={"u2 p1": "TOO_MANY"})


def test_a_phone_never_passes_to_whom_it_is_forbidden_with(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "p1", day=1), forbid("p1", "e2"), seen("u2", "e2", day=2))
    identity.when(seen("u2", "p1", verified="p1", day=5))
    identity.then("u1 p1", "u2 e2", refused={"u2 p1": "FORBIDDEN"})


def test_a_proof_from_before_takes_the_phone_only_for_its_time(identity: IdentityScenario) -> None:
    identity.given(seen("u2", "p1", verified="p1", day=70), seen("u3", "p1", verified="p1", day=90))
    identity.when(seen("u1", "p1", verified="p1", day=10))
    identity.then("u2 p1@70", "u3 p1@90", "p1 u1")


def test_a_cookie_that_comes_back_after_years_may_be_somebody_elses(identity: IdentityScenario) -> None:
    identity.given(seen("u1", "c1", day=1), seen("u2", "c1", day=900), seen("c1", "p2", day=901))
    identity.then("u1 c1", "u2 c1@900 p2")


def test_a_cookie_that_is_seen_again_and_again_stays(identity: IdentityScenario) -> None:
    identity.given(*(seen("u1", "c1", day=day) for day in range(1, 900, 300)), seen("c1", "p1", day=1000))
    found = identity.then("u1 c1 p1")
    assert found.cuts == {}


def test_a_span_that_knows_nobody_from_before_is_a_person_of_its_own(identity: IdentityScenario) -> None:
    identity.given(seen("c1", "u1", day=1), seen("c2", "u2", day=1), seen("c1", "c2", day=900))
    identity.then("u1 c1", "u2 c2", "c1@900 c2@900")


def test_identifiers_of_what_is_no_person_join_nobody(identity: IdentityScenario) -> None:
    without = rules(device_id={"kind": "outlet"})
    identity.given(seen("u1", "d1"), seen("u1", "p1"), rules=without)
    identity.then("u1 p1", refused={"u1 d1": "UNKNOWN_TYPE"})
