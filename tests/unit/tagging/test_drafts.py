"""A draft says what a document says, and is read as the document that says it."""

from typing import Any

import protovalidate
import pytest
import yaml
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from portrait.conditions.v1 import condition_pb2
from portrait.tagging.v1 import tag_pb2 as pb

from examples.tags.documents import documents
from libs.conditions.reading import read_document
from libs.conditions.tree import Condition
from libs.conditions.writing import write_document
from libs.runtime.errors import InvalidArgument, TooLarge
from libs.runtime.strict_yaml import read_yaml
from services.tagging.codec.drafts import document_of, draft_of
from tests.support.definitions import read_tag
from tests.unit.conditions.randomly import conditions
from tests.unit.tagging.test_definition import VIEWED, document

DOCUMENTS = [one for scenario in ("shop", "grocery", "clinic") for one in documents(scenario)]


def comes_back(text: str) -> None:
    sent = pb.TagDraft.FromString(draft_of(text).SerializeToString())
    protovalidate.validate(sent)
    again = document_of(sent, "draft")
    assert read_tag(again, 1) == read_tag(text, 1)
    assert draft_of(again) == sent


@pytest.mark.parametrize("text", [one.read_text() for one in DOCUMENTS], ids=[one.stem for one in DOCUMENTS])
def test_a_tag_of_the_examples_can_be_sent_tests_included(text: str) -> None:
    comes_back(text)


def test_whatever_a_document_may_say_has_a_field() -> None:
    ladder = [{"value": "hot", "when": VIEWED}, {"value": "mild", "when": {"not": VIEWED}}]
    completion = [{"value": "cold", "when": {"trait": "city"}, "confidence": 0.25}]
    properties = {"price": 3, "list": [1.5, None, {"deep": True}], "text": "yes"}
    test = {"name": "x", "expect": None, "now": "2026-01-15T12:00:00+08:00", "tags": {"a": 1}, "zone": "UTC"}
    tests = [
        test | {"events": [{"event": "a", "ago": "3d", "properties": properties, "traits": {}, "source": "web"}]},
        {"name": "y", "expect": "hot", "of": "p1", "level": None},
    ]
    said: dict[str, Any] = {"options": ["hot", "mild", "cold"], "time_to_live": "36h", "cleaning": {"tag": "staff"}}
    said |= {"value": "enum", "source": "inferred", "confidence": 0.5, "when": None}
    said |= {"score": {"half_life": "30d", "evidence": [{"did": "a", "weight": 1.5}], "levels": {"high": 0.6}}}
    text = document(ladder=ladder, completion=completion, tests=tests, **said)
    comes_back(text)
    draft = draft_of(text)
    given = {field.name for field, _ in draft.ListFields()}
    assert {field.name for field in pb.TagDraft.DESCRIPTOR.fields} - given == {
        "when",
        "trait",
    }


@pytest.mark.parametrize(("value", "wanted"), [("flag", True), ("number", 2.5), ("number", 3), ("text", "x")], ids=repr)
def test_a_completion_keeps_the_type_of_its_value(value: str, wanted: object) -> None:
    completion = [{"value": wanted, "when": VIEWED, "confidence": 1}]
    comes_back(document(value=value, source="imported", when=None, completion=completion))


@given(conditions)
def test_whatever_can_be_asked_can_be_drafted(condition: Condition) -> None:
    try:
        read_document(write_document(condition))
    except InvalidArgument:
        return
    comes_back(document(when=write_document(condition)))


@given(st.text())
def test_a_text_is_the_same_in_a_document_made_of_a_draft(text: str) -> None:
    wire = condition_pb2.Condition(trait=condition_pb2.Trait(name="x"))
    wire.trait.test.one_of.values.add(text=text)
    draft = pb.TagDraft(tag="a", when=wire, description=text)
    if not text.isspace():
        said = read_yaml(document_of(draft, "draft"))
        assert (said.get("description", ""), said["when"]["trait"]["x"]["is"]) == (text, text)


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"when": {}}, "draft.when", "needs one of all"),
        ({"when": {"did": {"events": ["a"], "window": {"within": {"days": 401}}}}},
         "draft.when.did.window.within", "is more than 400d"),
        ({"cleaning": {"tag": {}}}, "draft.cleaning.tag.key", "is missing"),
        ({"ladder": [{"value": "x", "when": {"segment": "y"}}, {"value": "y"}]},
         "draft.ladder[1].when", "needs one of"),
        ({"completion": [{"when": {"did": {}}}]}, "draft.completion[0].when.did.events", "is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_condition_is_told_at_its_field(said: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        document_of(ParseDict({"tag": "a", **said}, pb.TagDraft()), "draft")
    assert (refused.value.field, message in refused.value.message) == (field, True), str(refused.value)


def test_a_number_that_is_none_is_refused() -> None:
    draft = pb.TagDraft(tag="a")
    draft.tests.add().update({"name": "x", "expect": float("nan")})
    with pytest.raises(InvalidArgument, match=r"^draft\.tests\[0\]: holds a number that is none"):
        document_of(draft, "draft")


def test_a_draft_of_which_the_half_is_missing_is_refused_as_such_a_document_is() -> None:
    with pytest.raises(InvalidArgument, match=r"^title: is missing"):
        read_tag(document_of(pb.TagDraft(tag="a"), "draft"), 1)


def test_a_draft_is_neither_too_large_nor_too_deep() -> None:
    deep = condition_pb2.Condition(segment="x")
    for _ in range(30):
        deep = condition_pb2.Condition(negation=deep)
    with pytest.raises(TooLarge, match="bytes of the draft"):
        document_of(pb.TagDraft(tag="a", description="x" * 300_000), "draft")
    with pytest.raises(TooLarge, match="depth"):
        document_of(pb.TagDraft(tag="a", when=deep), "draft")


@pytest.mark.parametrize("field", ["options", "title", "tests"])
def test_a_draft_of_more_than_a_document_may_say_is_not_written_at_all(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = pb.TagDraft(tag="a")
    match field:
        case "options":
            draft.options.extend([""] * 10_000)
        case "title":
            draft.title.update({f"t{index}": "x" for index in range(5_000)})
        case _:
            draft.tests.add().update({"x": [[None]] * 5_000})
    monkeypatch.delattr(yaml, "dump")
    with pytest.raises(TooLarge, match="names and values of the draft"):
        document_of(draft, "draft")
