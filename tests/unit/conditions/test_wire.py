"""A message says what a document says: neither can hold what the other can't."""

import re
from collections.abc import Iterator
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import Parse, ParseDict
from google.protobuf.message import Message
from hypothesis import given
from portrait.conditions.v1 import condition_pb2 as pb

from libs.conditions.reading import read_document
from libs.conditions.tree import Condition
from libs.conditions.wire import from_wire, to_wire
from libs.conditions.writing import write_document
from libs.conditions.yaml_form import read_condition, written
from libs.runtime.errors import InvalidArgument, TooLarge
from tests.unit.conditions.randomly import conditions
from tests.unit.conditions.test_examples import EXAMPLES, PAGE

EVERYTHING = """
all:
  - any:
      - did: {event: [a, b], where: [{x: {more_than: 1, less_than: 2.5}}], times: {at_most: 2}}
      - did: {event: a, where: [{y: {not_in: [1, true, z]}}]}
      - did_not: {event: a, each: lines, sum: {of: price, at_least: 0.0001}, per: sku, within: 7d}
      - did: {event: a, each: {of: lines, where: [{kind: {contains: x}}]}, average: {of: price}, within: 36h}
      - did: {event: a, where: [{lines: {any: [{colour: {not_contains: x}}]}}], distinct: {of: sku}, from: 2026-11-01}
      - did: {event: a, where: [{lines: {all: [{x: {exists: false}}]}}], min: {of: price, equals: 3}, to: 2026-11-11}
      - did: {event: a, max: {of: price}}
      - did: {event: a, first: {}}
      - did: {event: a, first: {from: 2026-11-01, to: 2026-11-11}}
      - did: {event: a, last: {not_within: 30d}}
      - did: {event: a, last: {of: channel}}
      - did: {event: a, last: {of: channel, from: 2026-11-01}}
      - did: {event: a, first: {of: channel, in: [web, 3.5, ""]}}
      - sequence: {first: {event: a, where: [{x: 1}]}, then: b, within: 2h, same: sku, during: 72h}
      - sequence: {first: a, then_not: [b, c], waited: 1h}
  - trait: x
  - trait: {city: {starts_with: S}}
  - trait: {city: {ends_with: i}}
  - trait: {birthday: {anniversary: {days_before: 3, days_after: 1}}}
  - trait: {birthday: {anniversary: {}}}
  - trait: {birthday: {years: {at_least: 18}}}
  - trait: {visit: {from_today: {at_least: -1, at_most: 2}}}
  - tag: vip
  - tag: {level: {is_not: high}}
  - score: {s: {at_least: 60}}
  - stage: [new, lost]
  - tier: gold
  - not: {segment: families}
"""


def test_whatever_the_language_has_goes_there_and_back_and_meets_the_rules_of_the_proto() -> None:
    condition = read_condition(EVERYTHING)
    wire = to_wire(condition)
    assert from_wire(pb.Condition.FromString(wire.SerializeToString())) == condition
    protovalidate.validate(wire)
    assert fields_of(pb.Condition.DESCRIPTOR, set()) - set(fields_in(wire)) == set()


@given(conditions)
def test_a_tree_comes_back_from_its_message_as_from_its_document(condition: Condition) -> None:
    try:
        expected = read_document(write_document(condition))
    except InvalidArgument:
        with pytest.raises(InvalidArgument):
            from_wire(to_wire(condition))
        return
    wire = to_wire(condition)
    assert from_wire(wire) == expected
    assert to_wire(from_wire(wire)) == to_wire(expected) == to_wire(read_condition(written(expected)))
    protovalidate.validate(wire)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"]["en"])
def test_every_example_of_the_page_can_be_sent(example: dict[str, Any]) -> None:
    condition = read_document(example["when"])
    assert from_wire(to_wire(condition)) == condition
    protovalidate.validate(to_wire(condition))


def test_the_message_that_the_page_shows_says_what_its_document_says() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    spent = next(one for one in EXAMPLES if one["title"]["en"] == "Spent 500 in 90 days")
    assert from_wire(Parse(shown, pb.Condition())) == read_document(spent["when"])


def test_a_number_is_whole_where_it_was_and_values_keep_their_types() -> None:
    condition = read_condition('trait: {x: {in: [3, 2.5, "3", true, false, "", 0]}}')
    assert written(from_wire(to_wire(condition))) == written(condition)


@pytest.mark.parametrize(
    ("said", "path", "message"),
    [
        ({}, "", "needs one of all, any, negation, did"),
        ({"all": {}}, "all.parts", "is missing"),
        ({"any": {"parts": [{"tag": {"key": "x"}}, {}]}}, "any.parts[1]", "needs one of"),
        ({"negation": {"did": {}}}, "negation.did.events", "is missing"),
        ({"did": {"events": ["a", ""]}}, "did.events[1]", "is empty"),
        ({"did": {"events": ["a"], "times": {}}}, "did.times", "needs one of at_least"),
        ({"did": {"events": ["a"], "times": {"at_least": 1.00001}}}, "did.times.at_least", "more than four decimals"),
        ({"did": {"events": ["a"], "times": {"equals": "NaN"}}}, "did.times.equals", "too large a number"),
        ({"did": {"events": ["a"], "sum": {"bound": {"at_least": 1}}}}, "did.sum.of", "is missing"),
        ({"did": {"events": ["a"], "sum": {"of": "x", "bound": {}}}}, "did.sum.bound", "says nothing"),
        ({"did": {"events": ["a"], "sum": {"of": "x", "bound": {"at_least": 3, "at_most": 2}}}},
         "did.sum", "can never hold"),
        ({"did": {"events": ["a"], "sum": {"of": "x", "bound": {"at_least": 3, "more_than": 2}}}},
         "did.sum.bound.more_than", "contradicts at_least"),
        ({"did": {"events": ["a"], "distinct": {"of": "x", "bound": {"at_least": 901}}}},
         "did.distinct", "no more values are kept"),
        ({"did": {"events": ["a"], "per": "sku"}}, "did.per", "needs within"),
        ({"did": {"events": ["a"], "per": "sku", "window": {"within": {"days": 3}}, "last": {}}},
         "did.per", "says nothing beside last"),
        ({"did": {"events": ["a"], "window": {}}}, "did.window", "needs one of within, dates"),
        ({"did": {"events": ["a"], "window": {"dates": {}}}}, "did.window.dates", "says nothing"),
        ({"did": {"events": ["a"], "window": {"dates": {"first_day": "2026-02-30"}}}},
         "did.window.dates.first_day", "is not a date"),
        ({"did": {"events": ["a"], "window": {"dates": {"first_day": "2026-02-01", "last_day": "2026-01-01"}}}},
         "did.window.dates.last_day", "is before from"),
        ({"did": {"events": ["a"], "window": {"within": {}}}}, "did.window.within", "needs one of days, hours"),
        ({"did": {"events": ["a"], "window": {"within": {"days": 401}}}}, "did.window.within", "is more than 400d"),
        ({"did": {"events": ["a"], "window": {"within": {"hours": 73}}}}, "did.window.within", "count in days"),
        ({"did": {"events": ["a"], "window": {"within": {"days": 0}}}}, "did.window.within", "is not a length"),
        ({"did": {"events": ["a"], "window": {"within": {"days": -7}}}}, "did.window.within", "is not a length"),
        ({"did": {"events": ["a"], "first": {"value": {}}}}, "did.first.value.of", "is missing"),
        ({"did": {"events": ["a"], "first": {"value": {"of": "x", "test": {}}}}},
         "did.first.value.test", "needs one of"),
        ({"did": {"events": ["a"], "first": {"value": {"of": "x", "test": {"anniversary": {}}}}}},
         "did.first.value.test.anniversary", "is not known here"),
        ({"did": {"events": ["a"], "where": [{"test": {"exists": True}}]}}, "did.where[0].property", "is missing"),
        ({"did": {"events": ["a"], "where": [{"property": "x"}]}}, "did.where[0]", "needs one of test, entries"),
        ({"did": {"events": ["a"], "where": [{"property": "x", "test": {"bound": {}}}]}},
         "did.where[0].test.bound", "says nothing"),
        ({"did": {"events": ["a"], "where": [{"property": "x", "test": {"one_of": {"values": [{}]}}}]}},
         "did.where[0].test.one_of.values[0]", "needs one of text, number, flag"),
        ({"did": {"events": ["a"], "where": [{"property": "x", "test": {"one_of": {"values": [{"number": 1e300}]}}}]}},
         "did.where[0].test.one_of.values[0]", "too large a number"),
        ({"did": {"events": ["a"], "where": [{"property": "x", "entries": {"any": {"clauses": [
            {"property": "y", "entries": {"all": {"clauses": [{"property": "z", "test": {"exists": True}}]}}}]}}}]}},
         "did.where[0].entries.any.clauses", "asks for entries of y inside another list"),
        ({"sequence": {"then": {"events": ["b"]}}}, "sequence.first", "is missing"),
        ({"sequence": {"first": {"events": ["a"]}}}, "sequence", "needs one of then, then_not"),
        ({"sequence": {"first": {"events": ["a"]}, "then": {"events": ["b"]}, "waited": {"hours": 1}}},
         "sequence.waited", "says nothing beside then"),
        ({"sequence": {"first": {"events": ["a"]}, "then_not": {"events": ["b"]}, "within": {"days": 30}}},
         "sequence.within", "is not shorter than during"),
        ({"sequence": {"first": {"events": ["a"]}, "then": {}}}, "sequence.then.events", "is missing"),
        ({"trait": {}}, "trait.name", "is missing"),
        ({"trait": {"name": " "}}, "trait.name", "is empty"),
        ({"trait": {"name": "x", "test": {}}}, "trait.test", "needs one of"),
        ({"trait": {"name": "x", "test": {"contains": ""}}}, "trait.test.contains", "is empty"),
        ({"trait": {"name": "x", "test": {"from_today": {}}}}, "trait.test.from_today", "needs at_least or at_most"),
        ({"trait": {"name": "x", "test": {"anniversary": {"days_before": 181}}}},
         "trait.test.anniversary.days_before", "must be between 0 and 180"),
        ({"tag": {"key": "x", "test": {"years": {"at_least": 1}}}}, "tag.test.years", "is not known here"),
        ({"score": {"key": "x"}}, "score.bound", "is missing"),
        ({"score": {"key": "x", "bound": {}}}, "score.bound", "needs one of at_least"),
        ({"stage": {}}, "stage.keys", "is missing"),
        ({"segment": ""}, "segment", "is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_the_path_of_its_field(said: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_wire(ParseDict(said, pb.Condition()))
    assert (refused.value.field, message in refused.value.message) == (path, True), str(refused.value)


def test_a_path_may_stand_in_a_greater_message() -> None:
    with pytest.raises(InvalidArgument, match=r"^ladder\[3\]\.when\.did\.events: is missing"):
        from_wire(pb.Condition(did=pb.Did()), "ladder[3].when")


@pytest.mark.parametrize(
    ("bytes_", "path"),
    [
        (b"\xa2\x06\x00", ""),
        (b"\x22\x06\x0a\x01a\xa2\x06\x00", "did"),
        (b"\x22\x08\x0a\x01a\x6a\x03\xa2\x06\x00", "did.window"),
    ],
)
def test_what_a_later_release_may_ask_is_refused_and_not_left_out(bytes_: bytes, path: str) -> None:
    with pytest.raises(InvalidArgument, match="field 100, which this release does not know") as refused:
        from_wire(pb.Condition.FromString(bytes_))
    assert refused.value.field == path


def test_a_message_is_neither_too_deep_nor_too_wide_nor_too_large() -> None:
    deep = pb.Condition()
    inmost = deep
    for _ in range(10_000):
        inmost = inmost.all.parts.add()
    with pytest.raises(TooLarge, match="depth"):
        from_wire(deep)
    with pytest.raises(TooLarge, match="parts"):
        from_wire(pb.Condition(all=pb.Conditions(parts=[pb.Condition(segment="x")] * 600)))
    with pytest.raises(TooLarge, match="bytes"):
        from_wire(pb.Condition(trait=pb.Trait(name="x" * 300_000)))


def test_the_deepest_condition_that_is_read_fits_what_protobuf_reads() -> None:
    said: dict[str, Any] = {"did": {"event": "a", "where": [{"x": {"any": [{"y": {"at_least": 3}}]}}]}}
    for _ in range(20):
        said = {"all": [said]}
    condition = read_document(said)
    assert from_wire(pb.Condition.FromString(to_wire(condition).SerializeToString())) == condition


def fields_of(descriptor: Descriptor, seen: set[Descriptor]) -> set[str]:
    """Every field of every message that there is."""
    if descriptor in seen:
        return set()
    seen.add(descriptor)
    inner = [fields_of(field.message_type, seen) for field in descriptor.fields if field.message_type]
    return {field.full_name for field in descriptor.fields}.union(*inner)


def fields_in(message: Message) -> Iterator[str]:
    """Every field that is set."""
    for field, value in message.ListFields():
        yield field.full_name
        if field.message_type:
            for one in value if field.is_repeated else [value]:
                yield from fields_in(one)
