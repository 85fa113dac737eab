"""What is answered for a day is what was known on it, whatever came later and in whichever order."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.conditions import batch
from libs.conditions.by_day import KEPT_DAYS, ByDay, Phase
from libs.conditions.calendar import Calendar
from libs.conditions.check_by_day import check_by_day
from libs.conditions.event import Event
from libs.conditions.features import Features, fingerprint
from libs.conditions.plan import Plan
from libs.conditions.standing import NOBODY
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Measure, Moment, Not
from libs.conditions.windows import EVER, HOUR, Days, Window
from libs.conditions.yaml_form import read_condition
from tests.unit.conditions.randomly import (
    ZONES,
    betweens,
    bounds,
    conditions,
    day_lengths,
    eaches,
    histories,
    names,
    starts,
    wheres,
)
from tests.unit.conditions.test_plan_equals_history import grouped

often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

windows: st.SearchStrategy[Window] = st.one_of(st.just(EVER), day_lengths, betweens)


by_day_measures: st.SearchStrategy[Measure] = st.sampled_from(["count", "count", "sum", "average", "min", "max"])


@st.composite
def amounts(draw: st.DrawFn) -> Amount:
    measure = draw(by_day_measures)
    bound = draw(bounds if measure == "count" else st.one_of(bounds, st.none()))
    return Amount(measure, None if measure == "count" else "price", bound, None, draw(windows))


@st.composite
def firsts(draw: st.DrawFn) -> Moment:
    window = draw(windows)
    return Moment("first", window, not (isinstance(window, Days) and draw(st.booleans())))


dids = st.builds(Did, names, wheres, eaches, st.one_of(amounts(), amounts(), firsts()))
trees: st.SearchStrategy[Condition] = st.recursive(
    dids,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=4,
)
phases: st.SearchStrategy[Phase] = st.sampled_from(["begun", "whole"])


def kept(condition: Condition, zone: str, events: Sequence[Event], chance: random.Random) -> tuple[ByDay, Features]:
    """Fold in some order, over some anchors, combined in some grouping."""
    plan = Plan({"it": condition}, zone, by_day={"it"})
    return ByDay({"it": condition}, plan.zones), grouped(plan, events, chance)


def known(events: Sequence[Event], calendar: Calendar, day: int, phase: Phase) -> list[Event]:
    last = day if phase == "whole" else day - 1
    return [event for event in events if calendar.day(event.occurred_at) <= last]


@often
@given(st.data())
def test_an_answer_for_a_day_is_that_of_the_history_until_then(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    condition = data.draw(trees)
    events = data.draw(histories(start))
    by_day, features = kept(condition, zone, events, data.draw(st.randoms(use_true_random=False)))
    calendar, found = by_day.calendar, by_day.answers(features)
    if found is None:
        assert not list(features.all_sections())
        return
    about = st.sampled_from([calendar.day(event.occurred_at) for event in events])
    for _ in range(5):
        day = data.draw(about) + data.draw(st.sampled_from([-1, 0, 0, 1, 2, 3, 7, 30, 31, 400, 900]))
        phase = data.draw(phases)
        now = calendar.start_of(day) if phase == "begun" else calendar.start_of(day + 1) - 1
        expected = batch.answer(condition, known(events, calendar, day, phase), NOBODY, now, Plan({}, zone).zones)
        assert found.holds("it", day, phase) == expected.holds


@often
@given(st.data())
def test_answers_turn_where_they_are_others_than_before(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    some = {str(number): one for number, one in enumerate(data.draw(st.lists(trees, min_size=1, max_size=4)))}
    plan = Plan(some, zone, by_day=some.keys())
    found = ByDay(some, plan.zones).answers(grouped(plan, data.draw(histories(start)), data.draw(st.randoms())))
    if found is None:
        return
    turns = {(turn.day, turn.phase): turn.turned for turn in found.turns()}
    holding = 0
    for day in range(found.first, found.last + 402):
        for phase in ("begun", "whole"):
            holding ^= turns.pop((day, phase), 0)
            held = [found.holds(name, day, phase) for name in some]
            assert held == [bool(holding >> number & 1) for number in range(len(some))]
    assert not turns, "all windows have moved on by then"


@often
@given(conditions)
def test_a_condition_that_passes_the_check_can_be_compiled_and_others_say_where_they_fail(condition: Condition) -> None:
    findings = check_by_day(condition)
    assert all(one.severity == "error" and one.path and one.message for one in findings)
    if not findings:
        ByDay({"it": condition}, Plan({}, "UTC").zones)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("did: {event: bought, sum: {of: price, at_least: 3}, per: colour, within: 7d}", "did.per"),
        ("did: {event: bought, distinct: {of: colour, at_least: 3}}", "did.distinct"),
        ("did: {event: bought, times: {at_least: 2}, within: 36h}", "did.within"),
        ("did_not: {event: bought, within: 36h}", "did_not.within"),
        ("all: [{did: {event: bought}}, {did: {event: bought, last: {within: 7d}}}]", "all[1].did.last"),
        ("did: {event: bought, first: {within: 36h}}", "did.first.within"),
        ("did: {event: bought, first: {of: colour, is: red}}", "did.first.of"),
        ("not: {any: [{sequence: {first: viewed, then_not: bought}}]}", "not.any[0].sequence"),
        ("trait: {city: {is: Beijing}}", "trait.city"),
        ("tag: vip", "tag"),
        ("score: {price_sensitive: {at_least: 0.5}}", "score"),
        ("stage: lost", "stage"),
        ("tier: gold", "tier"),
        ("segment: families", "segment"),
    ],
)
def test_what_can_not_be_known_of_a_past_day_is_refused_at_its_place(document: str, path: str) -> None:
    assert [one.path for one in check_by_day(read_condition(document))] == [path]


def test_what_is_older_than_what_is_kept_counts_as_before_everything() -> None:
    asked = {str(n): read_condition(f"did: {{event: bought, times: {{at_least: {n}}}}}") for n in (1, 2, 3)}
    plan, day = Plan(asked, "UTC", by_day=asked.keys()), 24 * HOUR
    events = [Event(n.to_bytes(16), "bought", n * day) for n in (1, KEPT_DAYS + 10, KEPT_DAYS + 12)]
    found = ByDay(asked, plan.zones).answers(grouped(plan, events, random.Random(1)))
    assert found is not None
    assert found.first == KEPT_DAYS + 10
    held = [[name for name in asked if found.holds(name, KEPT_DAYS + n, "begun")] for n in (9, 11, 13)]
    assert held == [["1"], ["1", "2"], ["1", "2", "3"]]


def test_what_other_definitions_keep_of_the_same_events_stays_what_it_was() -> None:
    condition = read_condition("did: {event: bought, times: {at_least: 2}, within: 30d}")
    events = [Event(bytes([n]), "bought", n * HOUR * 24) for n in range(3)]
    both = Plan({"a": condition, "b": condition}, "UTC", by_day={"b"})
    alone = Plan({"a": condition}, "UTC")
    folded, lone = Features(), Features()
    for event in events:
        both.fold(folded, event)
        alone.fold(lone, event)
    assert fingerprint(folded.without(both.features - alone.features)) == fingerprint(lone)
