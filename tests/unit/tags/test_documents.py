"""Every tag that the examples bring is well formed and has tests of its own, which it passes."""

import re
from pathlib import Path

import pytest

from examples.tags.documents import EXAMPLES, definitions, documents, lifecycle
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.references import evaluation_order
from libs.runtime.tenants import Tenants
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.names import Kind
from services.tagging.domain.score import ByEvidence
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.domain.stage_trial import run_stage_examples
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.trial import run_examples, run_levels
from tests.support.definitions import read_tag

SCENARIOS = ["shop", "grocery", "clinic"]
DOCUMENTS = [
    pytest.param(scenario, document, id=f"{scenario}-{document.stem}")
    for scenario in SCENARIOS
    for document in (*documents(scenario), *sorted((EXAMPLES / scenario / "portrait").glob("*.yaml")))
]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(("scenario", "document"), DOCUMENTS)
def test_a_tag_does_what_its_own_tests_expect(scenario: str, document: Path) -> None:
    definition = read_tag(document.read_text(encoding="utf-8"), 1)
    run_examples(definition, Tenants.demo().get(scenario).zone)


def test_the_score_of_a_tag_is_at_the_levels_that_the_tags_own_tests_expect() -> None:
    scored = [
        (scenario, tag, score)
        for scenario in SCENARIOS
        for document in documents(scenario)
        for tag, *scores in [read_definitions(document.read_text(encoding="utf-8"), 1, "tag")]
        for score in scores
        if isinstance(tag, TagDefinition) and isinstance(score, ScoreDefinition) and isinstance(score.score, ByEvidence)
    ]
    assert {scenario for scenario, *_ in scored} == {"shop", "clinic"}
    for scenario, tag, score in scored:
        run_levels(score, tag.examples, Tenants.demo().get(scenario).zone)
        tried = {example.level for example in tag.examples} - {None}
        assert tried == {"", *(level.name for level in score.score.levels)}, "each level and none is shown"


@pytest.mark.parametrize(("scenario", "document"), DOCUMENTS)
def test_a_tag_is_tried_on_those_who_have_it_and_on_those_who_do_not(scenario: str, document: Path) -> None:
    definition = read_tag(document.read_text(encoding="utf-8"), 1)
    if definition.rungs:
        expected = [example.expected for example in definition.examples]
        assert None in expected
        assert {rung.value for rung in definition.rungs} - {None} <= set(expected)


@pytest.mark.parametrize(("scenario", "document"), DOCUMENTS)
def test_a_tag_says_what_it_is_called_in_both_languages_and_stands_in_the_file_of_its_name(
    scenario: str, document: Path
) -> None:
    definition = read_tag(document.read_text(encoding="utf-8"), 1)
    assert document.stem == definition.key
    assert definition.titles.keys() == {"en", "zh"}
    assert CHINESE.search(definition.titles["zh"])
    assert not CHINESE.search(definition.titles["en"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_tags_of_a_scenario_can_all_be_published_together(scenario: str) -> None:
    tags = definitions(scenario)
    assert evaluation_order({f"tag:{key}": tag.everything() for key, tag in tags.items()})
    conditions = {name: one for tag in tags.values() for name, one in tag.conditions().items()}
    assert Plan(conditions, Tenants.demo().get(scenario).zone).combine([Features()]) is not None


@pytest.mark.parametrize("scenario", ["grocery", "clinic"])
def test_a_lifecycle_does_what_its_own_tests_expect_and_every_stage_can_be_come_to(scenario: str) -> None:
    definition = lifecycle(scenario)
    run_stage_examples(definition, Tenants.demo().get(scenario).zone)
    assert None in {example.expected for example in definition.examples}
    assert definition.doubtful() == []
    for titles in (definition.titles, *(stage.titles for stage in definition.stages)):
        assert titles.keys() == {"en", "zh"}
        assert CHINESE.search(titles["zh"])
        assert not CHINESE.search(titles["en"])


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        *(("segment", document) for document in sorted((EXAMPLES / "grocery" / "segments").glob("*.yaml"))),
        ("tiers", EXAMPLES / "grocery" / "tiers.yaml"),
    ],
)
def test_a_segment_does_what_its_own_tests_expect(kind: Kind, document: Path) -> None:
    (definition,) = read_definitions(document.read_text(encoding="utf-8"), 1, kind)
    assert isinstance(definition, Laddered)
    assert {bool(example.expected) for example in definition.examples} == {True, False}
    run_examples(definition, Tenants.demo().get("grocery").zone)


def test_the_intents_of_all_categories_climb_the_same_ladder() -> None:
    def general(category: str) -> str:
        text = next(one for one in documents("shop") if one.stem == f"intent_{category}").read_text(encoding="utf-8")
        return re.sub(r"^title:.*$", "", text.replace(category, "…"), flags=re.MULTILINE)

    assert len({general(category) for category in ("laptops", "phones", "cameras", "headphones")}) == 1
