"""Columns count whom a plan finds person by person: whatever the tree, the events, the clock, and who changed since."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from libs.conditions.event import Event
from libs.conditions.features import Features, encode
from libs.conditions.numbers import LARGEST, SCALE
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing
from libs.conditions.tree import Condition
from libs.conditions.yaml_form import read_condition
from services.tagging.columns.scalars import MOST_VALUES
from services.tagging.columns.table import Table
from services.tagging.columns.taking import Taking
from services.tagging.columns.wanted import Wanted, wanted_of
from services.tagging.domain.around import Around
from services.tagging.domain.holding import Held, Holding
from services.tagging.domain.layers import BASE, Layers, Row
from tests.unit.conditions.randomly import ZONES, conditions, dids, histories, moments, starts

often = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

HELD: Final[Sequence[Mapping[str, Any]]] = (
    {},
    {"vip": True},
    {"vip": "red", "stage": "new"},
    {"vip": 3, "segment:families": True, "tier": "gold"},
)
IDS = [bytes([one, 0]) * 8 for one in range(8)]
Person = tuple[Sequence[Sequence[Event]], Mapping[str, Any]]


@pytest.mark.parametrize("drawn", [dids, conditions], ids=["did", "tree"])
@often
@given(data=st.data())
def test_columns_find_whom_the_plan_finds_one_by_one(drawn: st.SearchStrategy[Condition], data: st.DataObject) -> None:
    start, zone, asked = data.draw(starts), data.draw(st.sampled_from(ZONES)), data.draw(drawn)
    wanted = wanted_of(asked, zone)
    assume(wanted is not None)
    assert wanted is not None
    beside = wanted_of(data.draw(dids), zone) or Wanted()
    plan = Plan({"asked": asked}, zone)
    ranks = {"shop": 1}
    table = Table(wanted.with_(beside), plan.zones.tenant)
    taking = Taking(table, Layers(), ranks)
    known = data.draw(st.lists(histories(start, 9), min_size=3, max_size=3))
    chance = Random(data.draw(st.integers(0, 99)))
    people: dict[bytes, Person] = {}

    def come(ids: Sequence[bytes]) -> None:
        for one in ids:
            people[one] = chance.choices(known, k=chance.randint(1, 2)), chance.choice(HELD)
            taking.take(one, _rows(plan, people[one]), _holding(people[one]))
        table.settle()

    come(chance.sample(IDS, chance.randint(0, 6)))
    table.order()
    for _ in range(chance.randint(0, 4)):
        changed = chance.sample(IDS, chance.randint(0, 5))
        table.drop(changed)
        for one in changed:
            people.pop(one, None)
        come(changed[1:])
        table.tidy()
    now = data.draw(moments(start, 40))
    found = {one for one, somebody in people.items() if _meets(plan, somebody, ranks, now)}
    assert table.met(asked, now) == found
    assert table.count(asked, now) == len(found)
    assert table.people == len(people)


def test_a_number_too_large_to_be_summed_is_counted_one_by_one() -> None:
    asked = read_condition("did: {event: paid, sum: {of: price, at_least: 1}}")
    wanted = wanted_of(asked, "UTC")
    assert wanted is not None
    plan, table = Plan({"asked": asked}, "UTC"), Table(wanted, Plan({}, "UTC").zones.tenant)
    taking = Taking(table, Layers(), {})
    most = LARGEST // SCALE
    dear = [Event(bytes([number]) * 16, "paid", 1, {"price": most}) for number in range(3)]
    taking.take(bytes(16), _rows(plan, ([dear[:1]], {})), Holding())
    table.settle()
    assert table.count(asked, 1) == 1
    taking.take(b"1" * 16, _rows(plan, ([dear], {})), Holding())
    table.settle()
    assert table.count(asked, 1) is None


def test_a_trait_with_too_many_values_is_counted_one_by_one() -> None:
    asked = read_condition("trait: {city: 上海}")
    wanted = wanted_of(asked, "UTC")
    assert wanted is not None
    table = Table(wanted, Plan({}, "UTC").zones.tenant)
    for number in range(MOST_VALUES):
        table.traits["city"].put(table.put(number.to_bytes(16, "big")), str(number))
    table.settle()
    assert table.count(asked, 1) == 0
    table.traits["city"].put(table.put(b"\xff" * 16), "one more")
    table.settle()
    assert table.count(asked, 1) is None


@pytest.mark.parametrize(
    "text",
    [
        "sequence: {first: carted, then_not: bought, within: 24h}",
        "score: {keen: {at_least: 0.3}}",
        "trait: {born: {anniversary: {days_before: 3}}}",
    ],
)
def test_what_is_in_no_column_is_not_asked_of_them(text: str) -> None:
    assert wanted_of(read_condition(f"{{all: [{{tag: vip}}, {{{text}}}]}}"), "UTC") is None


def test_what_an_older_layer_has_of_a_feature_that_was_folded_anew_does_not_count() -> None:
    asked = read_condition("did: {event: bought, times: 2}")
    wanted = wanted_of(asked, "UTC")
    assert wanted is not None
    plan, table = Plan({"asked": asked}, "UTC"), Table(wanted, Plan({}, "UTC").zones.tenant)
    (old,) = _rows(plan, ([[Event(bytes(16), "bought", 1)]], {}))
    taking = Taking(table, Layers({3: wanted.keys(), 5: frozenset()}), {})
    taking.take(bytes(16), [old, Row(3, old.state)], Holding())
    taking.take(b"1" * 16, [Row(3, old.state), Row(5, old.state)], Holding())
    table.settle()
    assert table.met(asked, 1) == {b"1" * 16}


def _rows(plan: Plan, person: Person) -> list[Row]:
    rows = []
    for events in person[0]:
        features = Features()
        for event in events:
            plan.fold(features, event)
        rows.append(Row(BASE, encode(features)))
    return rows


def _holding(person: Person) -> Holding:
    return Holding(1, {name: Held(value, "", 1, b"", 1, "rule", 1.0) for name, value in person[1].items()})


def _meets(plan: Plan, person: Person, ranks: Mapping[str, int], now: int) -> bool:
    features = Features()
    for events in person[0]:
        for event in events:
            plan.fold(features, event)
    around = Around(dict(person[1]))
    standing = Standing(plan.traits(features, ranks), around.tags, {}, around.stages, around.tiers, around.segments)
    return plan.answer("asked", features, standing, now).holds
