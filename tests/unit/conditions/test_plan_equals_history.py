"""What a plan answers from features is what the history says: whatever the tree, the events, the clock, the anchors."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.conditions import batch
from libs.conditions.event import Event
from libs.conditions.features import Features, decode, encode, fingerprint
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing
from libs.conditions.tree import Condition, Did
from libs.conditions.tree import Sequence as Sequence_
from libs.conditions.windows import HOUR
from libs.conditions.yaml_form import read_condition
from libs.runtime.strict_yaml import read_yaml
from tests.unit.conditions.randomly import ZONES, conditions, dids, histories, moments, sequences, standings, starts

EXAMPLES = 60
often = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def folded(plan: Plan, events: Sequence[Event], *, stored: bool = False) -> Features:
    features = Features()
    for event in events:
        plan.fold(features, event)
        if stored:
            features = decode(encode(features))
    return features


def grouped(plan: Plan, events: Sequence[Event], chance: random.Random) -> Features:
    """Fold in some order, over some anchors, combined in some grouping."""
    shuffled = chance.sample(events, len(events))
    cuts = sorted(chance.randint(0, len(shuffled)) for _ in range(chance.randint(0, 3)))
    anchors = [folded(plan, shuffled[a:b], stored=True) for a, b in pairwise([0, *cuts, len(shuffled)])]
    while len(anchors) > 1:
        anchors.append(plan.combine([anchors.pop(chance.randrange(len(anchors))) for _ in "ab"]))
    return plan.combine(anchors)


def clocks(start: int, events: Sequence[Event]) -> st.SearchStrategy[int]:
    """Often a whole number of hours after an event, and sometimes before one."""
    after = st.sampled_from([event.occurred_at for event in events] or [start])
    return st.one_of(
        st.tuples(after, st.sampled_from([0, 1, 2, 24, 36, 48, 72]).map(lambda n: n * HOUR)).map(sum),
        moments(start, 40),
    )


@pytest.mark.parametrize("drawn", [dids, sequences(), conditions], ids=["did", "sequence", "tree"])
@often
@given(data=st.data())
def test_a_plan_answers_as_the_history_does(drawn: st.SearchStrategy[Condition], data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    condition = data.draw(drawn)
    events = data.draw(histories(start))
    now = data.draw(clocks(start, events))
    plan = Plan({"it": condition}, zone)
    features = grouped(plan, events, data.draw(st.randoms(use_true_random=False)))
    standing: Standing = data.draw(standings(plan.traits(features, {"shop": 1})))
    expected = batch.answer(condition, events, standing, now, plan.zones)
    answer = plan.answer("it", features, standing, now)
    assert answer.holds == expected.holds
    if isinstance(condition, Did | Sequence_):
        assert (answer.value, answer.key) == (expected.value, expected.key)


@pytest.mark.parametrize("drawn", [dids, sequences(), conditions], ids=["did", "sequence", "tree"])
@often
@given(data=st.data())
def test_nothing_changes_before_the_moment_that_was_told(
    drawn: st.SearchStrategy[Condition], data: st.DataObject
) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    condition = data.draw(drawn)
    events = data.draw(histories(start))
    now = data.draw(clocks(start, events))
    plan = Plan({"it": condition}, zone)
    features = folded(plan, events)
    standing: Standing = data.draw(standings(plan.traits(features, {})))
    answer = plan.answer("it", features, standing, now)
    until = answer.changes_at
    if until is None:
        until = now + data.draw(st.sampled_from([1, 3, 30, 100, 5000])) * 24 * HOUR
    assert until > now
    for later in (until - 1, data.draw(st.integers(now, until - 1))):
        assert batch.answer(condition, events, standing, later, plan.zones).holds == answer.holds


@often
@given(st.data())
def test_the_features_of_any_order_and_grouping_are_the_same(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    plan = Plan({str(index): one for index, one in enumerate(data.draw(st.lists(conditions, max_size=3)))}, zone)
    events = data.draw(histories(start))
    one, other = (grouped(plan, events, data.draw(st.randoms(use_true_random=False))) for _ in "ab")
    assert fingerprint(one) == fingerprint(other) == fingerprint(folded(plan, events))


@often
@given(st.data())
def test_an_event_changes_only_the_answers_of_those_it_names_as_affected(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    definitions = {str(index): one for index, one in enumerate(data.draw(st.lists(conditions, max_size=4)))}
    plan = Plan(definitions, zone)
    features, now = Features(), data.draw(moments(start, 20))

    def answers() -> dict[str, bool]:
        standing = Standing(traits=plan.traits(features, {}))
        return {key: plan.answer(key, features, standing, now).holds for key in definitions}

    for event in data.draw(histories(start)):
        before = answers()
        affected = plan.fold(features, event)
        after = answers()
        assert {key for key in definitions if before[key] != after[key]} <= affected


@often
@given(st.data())
def test_a_definition_added_later_and_folded_from_history_is_as_if_it_had_been_there(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    old, new = data.draw(conditions), data.draw(conditions)
    events = data.draw(histories(start))
    before, after = Plan({"old": old}, zone), Plan({"old": old, "new": new}, zone)
    stored = folded(before, events)
    backfilled = folded(after.narrowed(after.features - before.features), events)
    assert fingerprint(after.combine([stored, backfilled])) == fingerprint(folded(after, events))
    assert fingerprint(folded(after, events).without(after.features - before.features)) == fingerprint(stored)


@pytest.mark.parametrize("other", ["true", "1.0", '"1"'])
def test_definitions_that_ask_for_values_which_python_takes_for_one_are_both_answered(other: str) -> None:
    asked = {
        "one": read_condition("did: {event: a, where: [{x: 1}]}"),
        "other": read_condition(f"did: {{event: a, where: [{{x: {other}}}]}}"),
    }
    plan = Plan(asked, "UTC")
    events = [Event(bytes(16), "a", HOUR, {"x": read_yaml(other)}, {}, "")]
    features, standing = folded(plan, events), Standing()
    for key, condition in asked.items():
        expected = batch.answer(condition, events, standing, 2 * HOUR, plan.zones).holds
        assert plan.answer(key, features, standing, 2 * HOUR).holds is expected, key
    assert plan.answer("other", features, standing, 2 * HOUR).holds
