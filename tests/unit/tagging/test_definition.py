"""What a tag's document may say, and where it is told what is wrong."""

from typing import Any

import pytest
import yaml

from libs.runtime.errors import InvalidArgument
from services.tagging.domain.names import DAY, name_of
from services.tagging.domain.tag import TagDefinition
from tests.support.definitions import read_tag

VIEWED = {"did": {"event": "product_viewed", "within": "7d"}}


def document(**more: Any) -> str:
    said = {
        "tag": "looks_around",
        "title": {"zh": "逛过", "en": "Looks around"},
        "category": "behaviour",
        "owner": "crm@shop.cn",
        "description": "Viewed a product within a week.",
        "value": "flag",
        "source": "rule",
        "when": VIEWED,
        **more,
    }
    return yaml.safe_dump({name: one for name, one in said.items() if one is not None}, allow_unicode=True)


def read(**more: Any) -> TagDefinition:
    return read_tag(document(**more), 3)


def refused(**more: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        read(**more)
    return caught.value


def test_a_document_says_what_a_tag_is_called_means_and_asks() -> None:
    tag = read(time_to_live="30d")
    assert (tag.key, tag.version, tag.titles["zh"]) == ("looks_around", 3, "逛过")
    assert (tag.category, tag.value_type, tag.source) == ("behaviour", "flag", "rule")
    assert tag.time_to_live == 30 * DAY
    assert [name_of(name) for name in tag.conditions()] == ["looks_around"]


@pytest.mark.parametrize("missing", ["tag", "title", "category", "owner", "description", "value", "source", "when"])
def test_what_is_missing_is_named(missing: str) -> None:
    assert missing in str(refused(**{missing: None}))


def test_an_unknown_word_is_answered_with_the_nearest_one() -> None:
    assert "did you mean 'behaviour'" in str(refused(category="behavior"))
    assert "did you mean 'owner'" in str(refused(ownr="x"))


@pytest.mark.parametrize("key", ["VIP", "1st", "a-b", "a" * 65, "a/b"])
def test_a_key_is_one_that_fits_everywhere(key: str) -> None:
    assert refused(tag=key).field == "tag"


def test_an_error_in_a_condition_has_its_path_in_the_document() -> None:
    assert refused(when={"did": {"event": "x", "within": "7y"}}).field == "when.did.within"
    ladder = [{"value": "hot", "when": {"did": {"evnt": "x"}}}]
    assert refused(value="enum", when=None, ladder=ladder).field.startswith("ladder[0].when.did")


def test_the_values_of_a_ladder_are_its_options() -> None:
    tag = read(value="enum", when=None, ladder=[{"value": "hot", "when": VIEWED}, {"value": "mild", "when": VIEWED}])
    assert tag.options == ("hot", "mild")


def test_a_ladder_has_each_value_once() -> None:
    twice = [{"value": "hot", "when": VIEWED}, {"value": "hot", "when": VIEWED}]
    assert "twice" in str(refused(value="enum", when=None, ladder=twice))


def test_declared_options_hold_all_values_of_the_ladder() -> None:
    error = refused(value="enum", when=None, options=["mild"], ladder=[{"value": "hot", "when": VIEWED}])
    assert error.field == "options"


def test_an_enumeration_has_options() -> None:
    assert "needs options" in str(refused(value="enum", source="imported", when=None))


def test_what_is_imported_has_no_rules() -> None:
    assert refused(source="imported").field == "when"


def test_a_statistic_is_one_measure() -> None:
    bought = {"did": {"event": "order_completed", "sum": {"of": "amount"}, "within": "30d"}}
    assert read(value="number", source="statistic", when=bought).rungs[0].value is None
    assert refused(value="number", source="statistic", when={"all": [bought]}).field == "when"


def test_what_is_measured_within_hours_would_change_at_any_moment() -> None:
    bought = {"did": {"event": "order_completed", "sum": {"of": "amount"}, "within": "30h"}}
    assert "count in days" in str(refused(value="number", source="statistic", when=bought))


def test_a_ranking_names_what_it_ranks() -> None:
    assert "per" in str(refused(value="text", source="ranking"))
    per = {"did": {"event": "product_viewed", "per": "category", "within": "30d"}}
    assert read(value="text", source="ranking", when=per).rungs


def test_a_conclusion_says_how_sure_it_is_and_nothing_else_does() -> None:
    assert read(source="inferred", confidence=0.8).confidence == 0.8
    assert "confidence" in str(refused(source="inferred"))
    assert "confidence" in str(refused(confidence=0.8))
    assert refused(source="inferred", confidence=1.5).field == "confidence"


def test_a_completion_has_a_value_that_the_tag_can_have() -> None:
    wrong = [{"value": "yes", "when": VIEWED, "confidence": 0.5}]
    assert refused(completion=wrong).field == "completion[0].value"
