"""However the same inputs arrive, the people are the same."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.decisions import Decision, subjects
from services.identity.domain.evidence import Evidence, Sighting, combine, observed
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.support.identity import (
    HOUR,
    AboutTwo,
    Input,
    World,
    allow,
    assert_map_says,
    batches,
    case_of,
    forbid,
    leave,
    link,
    map_of,
    unlink,
)
from tests.support.identity_histories import TIGHT, histories, thorough, two
from tests.support.lawful import crowds, spanned

UNDONE = [(link, leave), (unlink, leave), (forbid, allow)]


@thorough
@given(histories(), st.integers(2, 40), st.randoms(use_true_random=False))
def test_in_every_order_batch_and_repetition_the_people_are_those_of_all_at_once(
    told: list[Input], largest: int, chance: random.Random
) -> None:
    at_once = resolve(case_of(told, TIGHT))
    world = World(TIGHT, largest)
    for batch in batches(chance.sample([*told, *told], 2 * len(told)), chance):
        world.tell(batch)
        if chance.random() < 0.2:
            world.settled()
    assert world.settled() == at_once
    assert_map_says(map_of(chance.sample(world.heard, len(world.heard))), at_once)


@thorough
@given(histories())
def test_limits_always_hold(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    assert list(crowds(case, resolve(case))) == []


@thorough
@given(histories())
def test_no_person_spans_a_forbidden_pair(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    assert list(spanned(case, resolve(case))) == []


@thorough
@given(histories())
def test_what_is_blocked_or_shared_joins_nobody(told: list[Input]) -> None:
    found = resolve(case_of(told, TIGHT))
    for key in found.marks:
        assert key not in found.people
        assert key not in found.people.values()


@thorough
@given(histories(), st.sampled_from(UNDONE), two)
def test_undoing_a_decision_restores_every_id(
    told: list[Input], kinds: tuple[AboutTwo, AboutTwo], about: list[str]
) -> None:
    decide, undo = kinds
    decided, undone = decide(*about)(4000 * HOUR, b"decision"), undo(*about)(4001 * HOUR, b"undone")
    assert isinstance(decided, Decision)
    without = [one for one in told if not isinstance(one, Decision) or {*subjects(one)} != {*subjects(decided)}]
    assert resolve(case_of([*without, decided, undone], TIGHT)) == resolve(case_of(without, TIGHT))


@thorough
@given(histories(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_evidence_folded_apart_and_combined_is_evidence_folded_at_once(
    told: list[Input], parts: int, chance: random.Random
) -> None:
    sightings = [one for one in told if isinstance(one, Sighting)]
    folded = [Evidence() for _ in range(parts)]
    for one in chance.sample(sightings, len(sightings)):
        combine(chance.choice(folded), observed(one))
    together = Evidence()
    for part in folded:
        combine(together, part)
    assert together == case_of(sightings).evidence


@thorough
@given(histories())
def test_seeing_the_same_twice_changes_nobody(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    twice = Evidence()
    combine(twice, case.evidence)
    combine(twice, case.evidence)
    assert resolve(Case(twice, case.decisions, case.rules, case.screened)) == resolve(case)
