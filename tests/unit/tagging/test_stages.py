"""Somebody's stages are what a look at every single day, event by event, comes to."""

import random
import sys
from collections.abc import Sequence
from types import FrameType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.conditions import batch
from libs.conditions.by_day import Phase
from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.plan import Plan
from libs.conditions.standing import NOBODY
from libs.conditions.tree import Amount, Did, Not
from libs.conditions.windows import HOUR, Days
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.lifecycle import LifecycleDefinition, Stage
from services.tagging.domain.stages import Course, Entered, Move
from tests.unit.conditions.randomly import ZONES, histories, starts
from tests.unit.conditions.test_by_day import trees
from tests.unit.conditions.test_plan_equals_history import grouped

often = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
NAMES = ("a", "b", "c", "d")


often_done = st.builds(
    lambda names, times, days: Did(names, test=Amount(bound=Bound(low=times * SCALE), window=Days(days))),
    st.sampled_from([("viewed",), ("bought",), ("bought", "viewed")]),
    st.integers(1, 3),
    st.sampled_from([1, 2, 3, 7, 30]),
)
"""What seldom comes of random trees: conditions that time and events lead to hold, and not to, again and again."""

conditions = st.one_of(often_done, often_done.map(Not), trees)


@st.composite
def lifecycles(draw: st.DrawFn) -> LifecycleDefinition:
    ways = st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)
    moves = [
        Move(tuple(sources), to, draw(conditions)) for to, *sources in draw(st.lists(ways, min_size=1, max_size=7))
    ]
    return LifecycleDefinition("it", 1, {}, "", "", tuple(Stage(key, {}) for key in NAMES), "a", tuple(moves))


def course(
    definition: LifecycleDefinition, zone: str, events: Sequence[Event], today: int, chance: random.Random
) -> Course:
    """Folded in some order, over some anchors, combined in some grouping."""
    plan = Plan(definition.conditions(), zone, by_day=frozenset(definition.conditions()))
    return definition.machine(zone).course(grouped(plan, events, chance), today)


def read_by(definition: LifecycleDefinition, zone: str, events: Sequence[Event]) -> list[Event]:
    """The events that a plan folds into anything."""
    plan = Plan(definition.conditions(), zone, by_day=frozenset(definition.conditions()))
    kept = [(event, Features()) for event in events]
    for event, features in kept:
        plan.fold(features, event)
    return [event for event, features in kept if list(features.all_sections())]


def lived(definition: LifecycleDefinition, zones: Zones, events: Sequence[Event], last: int) -> list[Entered]:
    """Every day looked at in both phases, every answer taken from the events until then."""
    calendar = zones.tenant
    day_of = {event.id: calendar.day(event.occurred_at) for event in events}
    place = [stage.key for stage in definition.stages].index
    first = min(day_of.values())
    stage, found = definition.initial, [Entered(first, "begun", None, definition.initial, None)]
    phases: tuple[Phase, Phase] = ("begun", "whole")
    for day in range(first, last + 1):
        for phase in phases:
            known = [event for event in events if day_of[event.id] < day + (phase == "whole")]
            now = calendar.start_of(day) if phase == "begun" else calendar.start_of(day + 1) - 1
            came, by = [stage], list[int]()
            while True:
                ways = [index for index, move in enumerate(definition.moves) if came[-1] in move.sources]
                open_ = (
                    index
                    for index in ways
                    if batch.answer(definition.moves[index].condition, known, NOBODY, now, zones).holds
                )
                way = next(open_, None)
                if way is None:
                    break
                to = definition.moves[way].to
                if to in came:
                    stands = min(came[came.index(to) :], key=place)
                    del came[came.index(stands) + 1 :]
                    break
                came.append(to)
                by.append(way)
            found += [Entered(day, phase, came[index], came[index + 1], by[index]) for index in range(len(came) - 1)]
            stage = came[-1]
    return found


@often
@given(st.data())
def test_stages_are_those_of_a_look_at_every_single_day(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    definition, zones = data.draw(lifecycles()), Zones(zone)
    events = [one for one in data.draw(histories(start)) if one.occurred_at < start + 100 * 24 * HOUR]
    events = read_by(definition, zone, events)
    chance = data.draw(st.randoms(use_true_random=False))
    if not events:
        assert course(definition, zone, events, 0, chance) == Course()
        return
    newest = max(zones.tenant.day(event.occurred_at) for event in events)
    today = newest + data.draw(st.sampled_from([0, 1, 5, 40]))
    found = course(definition, zone, events, today, chance)
    expected = lived(definition, zones, events, newest + 405)
    assert list(found.entered) == [one for one in expected if one.day <= today]
    later = [one.day for one in expected if one.day > today]
    assert found.leaves_on == (later[0] if later else None)
    assert all(found.stage_on(one.day) for one in found.entered)
    assert found.stage_on(found.entered[0].day - 1) is None


@often
@given(st.data())
def test_what_comes_later_changes_no_stage_of_before(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    definition, zones = data.draw(lifecycles()), Zones(zone)
    events = data.draw(histories(start))
    cut = zones.tenant.day(start) + data.draw(st.sampled_from([0, 1, 2, 30, 400, 401]))
    before = [event for event in events if zones.tenant.day(event.occurred_at) <= cut]
    chance = data.draw(st.randoms(use_true_random=False))
    whole = course(definition, zone, events, cut + 900, chance)
    then = course(definition, zone, before, cut, chance)
    assert then.entered == tuple(one for one in whole.entered if one.day <= cut)


@often
@given(st.data())
def test_whoever_is_merged_has_the_stages_of_all_that_happened_and_apart_again_their_own(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    definition = data.draw(lifecycles())
    plan = Plan(definition.conditions(), zone, by_day=frozenset(definition.conditions()))
    machine, today = definition.machine(zone), plan.zones.tenant.day(start) + 50
    one, other = data.draw(histories(start)), data.draw(histories(start))
    chance = data.draw(st.randoms(use_true_random=False))
    mine, theirs = grouped(plan, one, chance), grouped(plan, other, chance)
    alone = machine.course(mine, today)
    together = machine.course(plan.combine([mine, theirs]), today)
    assert together == course(definition, zone, [*other, *one], today, chance)
    assert machine.course(mine, today) == alone == course(definition, zone, one, today, chance)


ROUND = """
lifecycle: it
title: {en: It}
owner: someone
description: Goes round while there is anything.
stages: [{stage: p, title: {en: P}}, {stage: s, title: {en: S}}, {stage: t, title: {en: T}}]
initial: p
moves:
  - {from: p, to: t, when: {did: {event: bought}}}
  - {from: t, to: s, when: {did: {event: bought, within: 3d}}}
  - {from: s, to: t, when: {did: {event: bought}}}
"""


def test_moves_that_go_round_leave_somebody_where_the_round_was_declared_first() -> None:
    (definition,), day = read_definitions(ROUND, 1), 24 * HOUR
    assert isinstance(definition, LifecycleDefinition)
    found = course(definition, "UTC", [Event(bytes(16), "bought", 10 * day)], 12, random.Random(1))
    assert [(one.day, one.phase, one.former, one.stage) for one in found.entered] == [
        (10, "begun", None, "p"),
        (10, "whole", "p", "t"),
        (10, "whole", "t", "s"),
    ]
    assert found.leaves_on == 13, "when the way back is closed"
    gone = course(definition, "UTC", [Event(bytes(16), "bought", 10 * day)], 13, random.Random(1))
    assert gone.entered[-1] == Entered(13, "begun", "s", "t", 2)


def calls_of_a_look(definition: LifecycleDefinition, days: int) -> int:
    """The calls that a look takes at somebody who did something on each of so many days."""
    events = [Event(day.to_bytes(16), "viewed", (1 + day) * 24 * HOUR) for day in range(days)]
    plan = Plan(definition.conditions(), "UTC", by_day=frozenset(definition.conditions()))
    features, machine, calls = grouped(plan, events, random.Random(1)), definition.machine("UTC"), 0

    def count(frame: FrameType, event: str, of: object) -> None:
        nonlocal calls
        calls += event == "call"

    former = sys.getprofile()
    sys.setprofile(count)
    try:
        machine.course(features, days)
    finally:
        sys.setprofile(former)
    return calls


def test_a_look_at_a_large_lifecycle_takes_no_more_calls_for_more_days() -> None:
    asked = [Did(("viewed",), test=Amount(bound=Bound(low=5_000 * SCALE), window=Days(days))) for days in range(1, 201)]
    moves = tuple(Move(("a",), "b", one) for one in asked)
    definition = LifecycleDefinition("it", 1, {}, "", "", tuple(Stage(key, {}) for key in NAMES), "a", moves)
    assert calls_of_a_look(definition, 400) == calls_of_a_look(definition, 20) < 20 * len(moves)
