import json

import pytest
from hypothesis import given

from libs.conditions.comparisons import OneOf
from libs.conditions.reading import read_document
from libs.conditions.tree import Condition, Did, Not, Trait
from libs.conditions.writing import write_document
from libs.conditions.yaml_form import read_condition, written
from libs.runtime.errors import InvalidArgument, TooLarge
from tests.unit.conditions.randomly import conditions


@pytest.mark.parametrize(
    "text",
    [
        "did: {event: order_completed}",
        "did_not: {event: [a, b], within: 36h}",
        "did: {event: a, where: [{price: {more_than: 1, at_most: 2.5}}, {colour: [red, green]}], times: {equals: 0}}",
        "did: {event: a, where: [{colour: {not_in: [1, true]}}, {x: {exists: false}}, {y: {is_not: 3}}]}",
        "did: {event: a, where: [{lines: {all: [{price: {less_than: 5}}]}}], from: 2026-11-01, to: 2026-11-11}",
        "did: {event: a, each: {of: lines, where: [{kind: {contains: x}}]}, average: {of: price, at_least: 0.5}}",
        "did: {event: a, each: lines, per: sku, times: 2, within: 7d}",
        "did: {event: a, first: {within: 30d}}",
        "did: {event: a, last: {not_within: 30d}}",
        "did: {event: a, last: {to: 2026-01-01}}",
        "did: {event: a, first: {of: channel, is: web}}",
        "sequence: {first: {event: a, where: [{x: 1}]}, then: b, within: 2h, same: sku, during: 72h}",
        "sequence: {first: a, then_not: [b, c], waited: 1h}",
        "trait: {birthday: {anniversary: {days_before: 3}}}",
        "all: [{trait: {age: {years: {at_least: 18}}}}, {trait: {visit: {from_today: {at_most: 2}}}}, {trait: x}]",
        "any: [{tag: vip}, {tag: {level: high}}, {score: {s: {at_least: 60}}}, {stage: [a, b]}, {tier: t}]",
        "not: {segment: families}",
    ],
)
def test_what_is_written_reads_back_as_the_same(text: str) -> None:
    condition = read_condition(text)
    assert read_condition(written(condition)) == condition
    assert read_document(json.loads(json.dumps(write_document(condition)))) == condition


@given(conditions)
def test_the_canonical_form_of_what_was_read_is_read_unchanged(condition: Condition) -> None:
    try:
        once = read_document(write_document(condition))
    except InvalidArgument:
        return  # the tree can hold a few things that nobody can write, such as a bound that never holds
    assert read_document(write_document(once)) == once


def test_of_several_values_one_and_true_are_two_and_one_and_one_point_nought_are_one() -> None:
    asked = read_condition('trait: {x: {in: [1, true, 1.0, "1", true]}}')
    assert asked == Trait("x", OneOf((1, True, "1")))
    assert asked != Trait("x", OneOf((True, 1, "1")))
    assert read_condition("trait: {x: 1}") != read_condition("trait: {x: true}")


def test_did_not_is_the_opposite_of_did() -> None:
    did = read_condition("did: {event: a}")
    assert isinstance(did, Did)
    assert read_condition("did_not: {event: a}") == Not(did)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("all: [{tag: x}, {did: {event: a, where: [{price: {at_leest: 3}}]}}]",
         "all[1].did.where[0].price.at_leest", "did you mean 'at_least'"),
        ("did: {evnt: a}", "did.evnt", "did you mean 'event'"),
        ("did: {where: []}", "did.event", "is missing"),
        ("did: {event: a, times: twice}", "did.times", "must be a number, not a text"),
        ("did: {event: a, times: 2, sum: {of: x}}", "did.sum", "stands beside times"),
        ("did: {event: a, within: 8 days}", "did.within", "is not a length"),
        ("did: {event: a, within: 401d}", "did.within", "is more than 400d"),
        ("did: {event: a, within: 73h}", "did.within", "count in days"),
        ("did: {event: a, within: 7d, from: 2026-01-01}", "did.from", "contradicts within"),
        ("did: {event: a, from: 2026-02-01, to: 2026-01-01}", "did.to", "is before from"),
        ("did: {event: a, from: 2026-02-30}", "did.from", "is not a date"),
        ("did: {event: a, per: sku}", "did.per", "needs within"),
        ("did: {event: a, distinct: {of: x, at_least: 901}}", "did.distinct", "no more values are kept"),
        ("did: {event: a, last: {within: 3d}, within: 7d}", "did.within", "says nothing beside last"),
        ("did: {event: a, sum: {of: x, at_least: 3, at_most: 2}}", "did.sum", "can never hold"),
        ("did: {event: a, sum: {of: x, at_least: 3, more_than: 2}}", "did.sum.more_than", "contradicts at_least"),
        ("did: {event: a, sum: {of: x, at_least: 1.00001}}", "did.sum.at_least", "more than four decimals"),
        ("did: {event: a, where: [{x: {is: 1, contains: y}}]}", "did.where[0].x", "several things at once"),
        ("did: {event: a, where: [{x: {}}]}", "did.where[0].x", "asks nothing"),
        ("did: {event: a, where: [{born: {anniversary: {}}}]}", "did.where[0].born.anniversary", "is not known here"),
        ("sequence: {first: a}", "sequence", "needs then or then_not"),
        ("sequence: {first: a, then: b, waited: 1h}", "sequence.waited", "says nothing beside then"),
        ("sequence: {first: a, then_not: b, within: 30d}", "sequence.within", "is not shorter than during"),
        ("sequence: {first: a, then: b, during: 91d}", "sequence.during", "is more than 90d"),
        ("all: []", "all", "is empty"),
        ("all: {tag: x}", "all", "must be a list, not a mapping"),
        ("{tag: x, segment: y}", "", "exactly one entry"),
        ("tag: [a, b]", "tag", "must be a text, not a list"),
        ("stage: [a, 3]", "stage[1]", "must be a text, not a number"),
        ("did: {event: a, event: b}", "", "line 1: 'event' stands twice"),
        ("[", "", "is not YAML: line 1"),
        ("[" * 5000, "", "nested too deeply"),
        ("did: {event: a, where: [{x: {is: .nan}}]}", "did.where[0].x.is", "too large"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_path(text: str, path: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_condition(text)
    assert (refused.value.field, message in refused.value.message) == (path, True), str(refused.value)


def test_a_path_may_stand_in_a_greater_document() -> None:
    with pytest.raises(InvalidArgument, match=r"^tags\[3\]\.when\.did\.event: is missing"):
        read_document({"did": {}}, "tags[3].when")


def test_a_condition_is_neither_too_deep_nor_too_large() -> None:
    deep = "not: {" * 30 + "tag: x" + "}" * 30
    with pytest.raises(TooLarge, match="depth"):
        read_condition(deep)
    with pytest.raises(TooLarge, match="parts"):
        read_condition("all: [" + ", ".join(["{tag: x}"] * 600) + "]")
