"""Tags whose value is what is said of the person."""

from typing import Any

import pytest

from libs.conditions.check import told
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.runtime.errors import InvalidArgument
from services.tagging.codec.drafts import document_of, draft_of
from services.tagging.compiled import compile_definitions
from services.tagging.domain.around import Around
from services.tagging.domain.registry import KnownNames, checked
from services.tagging.domain.tag import TagDefinition
from tests.unit.tagging.test_definition import document, read

NOW = 1_770_000_000_000_000
RANKS = {"crm": 2, "web": 1}


def city(**said: Any) -> TagDefinition:
    return read(**{"source": "trait", "trait": "city", "when": None, "value": "text", **said})


def value(tag: TagDefinition, *told: tuple[Any, str]) -> Any:
    """What somebody has of whom this was told, one after the other, by sources."""
    compiled, features = compile_definitions({tag.name: tag}, "Asia/Shanghai", 1, {}), Features()
    for at, (said, source) in enumerate(told):
        compiled.plan.fold(features, Event(bytes([at]) * 16, "registered", NOW - 100 + at, {}, {"city": said}, source))
    return tag.verdict(compiled.asked(features, Around({}), {}, RANKS, NOW)).value


@pytest.mark.parametrize(
    ("value_type", "said", "found"),
    [
        ("text", "上海", "上海"),
        ("text", 3.0, "3"),
        ("text", None, None),
        ("text", {"a": 1}, None),
        ("number", "19.90", 19.9),
        ("number", 7, 7),
        ("number", True, None),
        ("number", "many", None),
        ("flag", True, True),
        ("flag", False, None),
        ("flag", "true", None),
    ],
)
def test_a_tag_says_what_a_trait_says_if_it_can_have_it(value_type: str, said: Any, found: Any) -> None:
    has = value(city(value=value_type), (said, "web"))
    assert (has, isinstance(has, bool)) == (found, isinstance(found, bool))


def test_of_an_enum_only_the_options_count() -> None:
    tag = city(value="enum", options=["上海", "北京"])
    assert value(tag, ("上海", "web")) == "上海"
    assert value(tag, ("Paris", "web")) is None


def test_the_better_source_is_believed_and_then_the_newer_word() -> None:
    assert value(city(), ("上海", "crm"), ("北京", "web")) == "上海"
    assert value(city(), ("上海", "web"), ("北京", "web")) == "北京"
    assert value(city(), ({"value": "上海", "verified": True}, "web"), ("北京", "crm")) == "上海"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"trait": None}, ""),
        ({"when": {"trait": "city"}}, "when"),
        ({"source": "rule", "when": {"trait": "city"}}, ""),
        ({"value": "enum"}, ""),
    ],
)
def test_what_can_not_be_meant_is_refused(said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        city(**said)
    assert error.value.field == field


def test_a_trait_that_nobody_knows_is_doubted_at_its_place() -> None:
    (finding,) = checked(city(), {}, KnownNames({}, {"cities": "string"}, {}))
    assert (finding.path, finding.severity) == ("trait.city", "warning")
    assert "did you mean 'cities'" in told([finding])[0]


def test_a_draft_says_the_same() -> None:
    text = document(source="trait", trait="city", when=None, value="text")
    assert document_of(draft_of(text), "draft").count("trait: city") == 1
