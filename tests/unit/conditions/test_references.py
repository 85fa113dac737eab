import pytest

from libs.conditions.references import evaluation_order, references
from libs.conditions.yaml_form import read_condition
from libs.runtime.errors import InvalidArgument


def test_a_condition_tells_what_it_reads_beside_events() -> None:
    text = """
    all:
      - any: [{tag: vip}, {score: {s: 1}}, {stage: lost}, {tier: gold}, {segment: families}]
      - not: {trait: {birthday: {anniversary: {}}}}
      - did: {event: bought}
    """
    expected = {"tag:vip", "score:s", "stage", "tier", "segment:families", "trait:birthday", "zone"}
    assert references(read_condition(text)) == expected


def test_definitions_come_after_what_they_read() -> None:
    definitions = {
        "tag:c": read_condition("all: [{tag: b}, {tag: a}]"),
        "tag:b": read_condition("not: {tag: a}"),
        "tag:a": read_condition("did: {event: bought}"),
        "segment:s": read_condition("tag: unknown"),
    }
    order = evaluation_order(definitions)
    assert sorted(order) == sorted(definitions)
    assert order.index("tag:a") < order.index("tag:b") < order.index("tag:c")


def test_definitions_that_read_one_another_in_a_circle_are_refused_by_name() -> None:
    definitions = {
        "tag:a": read_condition("segment: s"),
        "segment:s": read_condition("any: [{tag: x}, {tag: b}]"),
        "tag:b": read_condition("tag: a"),
    }
    with pytest.raises(InvalidArgument, match="segment:s → tag:b → tag:a → segment:s") as refused:
        evaluation_order(definitions)
    assert refused.value.reason == "CYCLE"


def test_one_that_reads_itself_is_a_circle_too() -> None:
    with pytest.raises(InvalidArgument, match="tag:a → tag:a"):
        evaluation_order({"tag:a": read_condition("tag: a")})


def test_a_chain_of_thousands_is_ordered() -> None:
    chain = {f"tag:{n}": read_condition(f"tag: '{n + 1}'") for n in range(3000)}
    assert evaluation_order(chain)[0] == "tag:2999"
