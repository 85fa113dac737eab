"""Every answer is borne out by what was said: chains that hold, and refusals that are all that is in the way."""

from collections import deque
from collections.abc import Iterable

from hypothesis import given

from libs.people.spans import WHOLE, BySession, in_session, since
from services.identity.domain.decisions import Linked
from services.identity.domain.evidence import Key, Sighting, pair
from services.identity.domain.explanation import Apart, Explanation, Place, Step
from services.identity.domain.resolution import Resolution
from tests.support.identity import (
    IdentityScenario,
    Input,
    Retracted,
    Statement,
    block,
    case_of,
    forbid,
    inputs,
    key,
    link,
    logged_in,
    name,
    publish,
    rules,
    seen,
    unlink,
)
from tests.support.identity_histories import NAMES, TIGHT, histories, thorough


def explained(*statements: Statement) -> Explanation:
    return Explanation(case_of(inputs(*statements)))


def whole(one: str) -> Place:
    return key(one), WHOLE


def told(steps: Iterable[Step]) -> list[str]:
    return [f"{name(step.a[0])} {name(step.b[0])} {step.how} {step.event_id.decode()}" for step in steps]


def day(number: int) -> bytes:
    return since(number * 86_400_000_000)


def test_a_chain_names_the_first_event_of_each_step_and_how_often_it_was_seen_since() -> None:
    found = explained(seen("u1", "p1"), seen("p1", "d1", verified="p1"), seen("p1", "u1"), seen("d1"))
    chain = found.why_one(whole("u1"), whole("d1"))
    assert told(chain) == ["p1 u1 seen event0", "d1 p1 verified event1"]
    assert [step.count for step in chain] == [2, 1]


def test_the_shortest_chain_is_told() -> None:
    found = explained(seen("u1", "p1"), seen("p1", "d1"), seen("d1", "e1"), seen("u1", "e1"))
    assert told(found.why_one(whole("u1"), whole("e1"))) == ["e1 u1 seen event3"]


def test_a_link_by_hand_is_told_as_one() -> None:
    found = explained(seen("u1", "p1"), seen("m1"), link("m1", "p1"))
    assert told(found.why_one(whole("m1"), whole("u1"))) == ["m1 p1 linked event2", "p1 u1 seen event0"]


def test_a_session_is_explained_by_who_logged_in() -> None:
    found = explained(*(seen(f"u{n}", "k1") for n in range(5)), logged_in("u1", "k1", session="s1"))
    assert told(found.why_one((key("k1"), in_session("s1")), whole("u1"))) == ["k1 u1 logged_in event5"]


def test_what_came_beside_a_blocked_value_is_explained_by_the_two_coming_together() -> None:
    found = explained(seen("u1", "p1"), block("u1"))
    assert told(found.why_one((key("u1"), key("p1")), whole("p1"))) == ["u1 p1 beside event0"]


def test_each_time_of_a_recycled_phone_has_its_own_reason() -> None:
    found = explained(seen("u1", "p1", day=10), seen("u2", "p1", verified="p1", day=70), seen("p1", "d2", day=90))
    assert told(found.why_one(whole("p1"), whole("u1"))) == ["p1 u1 seen event0"]
    assert told(found.why_one((key("p1"), day(70)), whole("d2"))) == ["d2 p1 seen event2"]
    assert found.why_one(whole("u1"), whole("u2")) == ()
    assert found.why_two(whole("u1"), whole("u2")) == Apart()


def test_what_was_seen_at_the_very_moment_of_a_cut_is_explained_where_it_was_followed() -> None:
    found = explained(seen("u1", "p1", day=10), seen("u2", "p1", verified="p1", day=10))
    assert told(found.why_one(whole("u1"), whole("p1"))) == ["p1 u1 seen event0"]
    assert told(found.why_one(whole("u2"), (key("p1"), day(10)))) == ["p1 u2 verified event1"]


def test_a_person_is_explained_by_a_step_for_each_place_but_one() -> None:
    found = explained(seen("u1", "p1"), seen("p1", "d1"), seen("u1", "d1"), seen("d1", "c1"))
    assert told(found.why_person(whole("u1"))) == ["p1 u1 seen event0", "d1 u1 seen event2", "c1 d1 seen event3"]
    assert found.why_person(whole("e1")) == ()


def test_two_are_kept_apart_by_the_fewest_refusals_that_lead_from_one_to_the_other() -> None:
    found = explained(seen("u1", "d1"), seen("u2", "d2"), seen("u3", "d1"), seen("u3", "d2"), seen("d1", "d2"))
    apart = found.why_two(whole("u1"), whole("u2"))
    assert [(*map(name, one.pair), one.reason, one.type) for one in apart.refused] == [
        ("d1", "d2", "TOO_MANY", "user_id")
    ]


def test_a_kiosk_is_named_as_what_stands_between_its_visitors() -> None:
    found = explained(*(seen(f"u{n}", "k1") for n in range(5)))
    apart = found.why_two(whole("u1"), whole("u2"))
    assert [one.reason for one in apart.refused] == ["SHARED", "SHARED"]
    assert {name(one) for refusal in apart.refused for one in refusal.identifiers} == {"k1"}


def test_a_forbidden_pair_is_named_wherever_in_the_two_people_it_is() -> None:
    found = explained(seen("u1", "p1"), seen("u2", "p2"), forbid("p2", "p1"), seen("o1", "p1"), seen("o1", "p2"))
    apart = found.why_two(whole("u1"), whole("u2"))
    assert apart.forbidden == (pair(key("p1"), key("p2")),)
    assert [one.reason for one in apart.refused] == ["FORBIDDEN"]


def test_a_forbidden_pair_is_named_also_of_an_identifier_that_passed_on() -> None:
    said = [seen("u1", "p1", day=10), seen("u2", "p1", verified="p1", day=70), seen("o1", "e1", day=1)]
    found = explained(*said, forbid("p1", "e1"), seen("u2", "o1", day=80))
    assert found.why_two(whole("u2"), whole("o1")).forbidden == (pair(key("e1"), key("p1")),)


def test_two_who_have_nothing_in_common_are_kept_apart_by_nothing() -> None:
    assert explained(seen("u1", "p1"), seen("u2", "p2")).why_two(whole("u1"), whole("u2")) == Apart()


def test_one_person_is_not_two() -> None:
    assert explained(seen("u1", "p1")).why_two(whole("u1"), whole("p1")) == Apart()


def test_an_accidental_merge_is_explained_and_undone_by_what_the_explanation_names(
    identity: IdentityScenario,
) -> None:
    identity.given(seen("u1", "p1"), seen("o1", "p2"))
    before = identity.then("u1 p1", "o1 p2")
    identity.when(seen("p1", "p2"))
    (blamed,) = Explanation(case_of(inputs(*identity.statements))).why_one(whole("p1"), whole("p2"))
    assert blamed.event_id == b"event2"
    identity.when(unlink("p1", "p2"))
    assert identity.then("u1 p1", "o1 p2").people == before.people


def test_an_explanation_goes_by_the_rules_that_stand() -> None:
    said = inputs(*(seen(f"u{n}", "d1") for n in (1, 2)), publish(rules(user_id={"per_person": None})))
    assert told(Explanation(case_of(said)).why_one(whole("u1"), whole("u2"))) == [
        "d1 u1 seen event0",
        "d1 u2 seen event1",
    ]


@thorough
@given(histories())
def test_whoever_is_one_person_is_joined_by_a_chain_and_nobody_else_is(said: list[Input]) -> None:
    found = Explanation(case_of(said, TIGHT))
    all_places = places_of(found.found)
    for a in all_places:
        for b in all_places - {a}:
            chain = found.why_one(a, b)
            assert bool(chain) == (found.person_of(a) == found.person_of(b)), (a, b)
            at = a
            for step in chain:
                assert at in {step.a, step.b}
                at = step.b if at == step.a else step.a
            assert not chain or at == b


@thorough
@given(histories())
def test_each_step_is_borne_out_by_the_event_that_it_names(said: list[Input]) -> None:
    taken_back = {one.event_id for one in said if isinstance(one, Retracted)}
    by_id = {one.event_id: one for one in said if isinstance(one, Sighting | Linked)}
    found = Explanation(case_of(said, TIGHT))
    for place in places_of(found.found):
        for step in found.why_person(place):
            event = by_id[step.event_id]
            both = {step.a[0], step.b[0]}
            if isinstance(event, Linked):
                assert step.how == "linked"
                assert both == {event.a.key, event.b.key}
                continue
            assert step.how != "linked"
            assert event.event_id not in taken_back
            assert step.at == event.occurred_at
            assert both <= {one.key for one in event.identifiers}
            assert step.how != "verified" or any(one.verified for one in event.identifiers if one.key in both)
            assert step.how != "logged_in" or event.login


@thorough
@given(histories())
def test_taking_back_what_each_chain_names_ends_with_two_people(said: list[Input]) -> None:
    a, b = whole("u1"), whole("d1")
    while chain := Explanation(case_of(said, TIGHT)).why_one(a, b):
        named = {step.event_id for step in chain}
        left = [one for one in said if getattr(one, "event_id", b"") not in named or isinstance(one, Retracted)]
        assert len(left) < len(said)
        said = left
    assert Explanation(case_of(said, TIGHT)).person_of(a) != Explanation(case_of(said, TIGHT)).person_of(b)


@thorough
@given(histories())
def test_as_few_refusals_are_named_as_lead_from_one_person_to_the_other(said: list[Input]) -> None:
    case = case_of(said, TIGHT)
    found = Explanation(case)
    if any(not isinstance(cut, BySession) for cut in found.found.cuts.values()):
        return  # then a pair may lead to several places of an identifier
    beside: dict[bytes, set[bytes]] = {}
    for both in {*case.evidence.pairs, *(both for both, _ in case.links())}:
        one, two = (found.person_of((each, WHOLE)) for each in both)
        beside.setdefault(one, set()).add(two)
        beside.setdefault(two, set()).add(one)
    for a in map(whole, NAMES):
        for b in map(whole, NAMES):
            apart = found.why_two(a, b)
            steps = distance(beside, found.person_of(a), found.person_of(b))
            assert len(apart.refused) == (steps or 0), (a, b)


def distance(beside: dict[bytes, set[bytes]], start: bytes, end: bytes) -> int | None:
    far, waiting = {start: 0}, deque([start])
    while waiting:
        one = waiting.popleft()
        for other in beside.get(one, set()) - far.keys():
            far[other] = far[one] + 1
            waiting.append(other)
    return far.get(end)


def places_of(found: Resolution) -> set[Place]:
    keys: set[Key] = {*map(key, NAMES)}
    return {(one, WHOLE) for one in keys} | set(found.spans)
