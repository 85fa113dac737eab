"""The scores in the guide can be published, and their tests hold."""

import re
from pathlib import Path

import pytest

from libs.runtime.strict_yaml import read_yaml
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.domain.trial import run_examples, run_levels

GUIDE = (Path(__file__).parents[3] / "docs/guides/score-a-tag.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
DOCUMENTS: list[str] = [document for block in BLOCKS for document in block.split("---\n")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: read_yaml(one)["tag"])
def test_a_document_of_the_guide_does_what_its_own_tests_expect(document: str) -> None:
    tag, *scores = read_definitions(document, 1)
    assert isinstance(tag, Laddered)
    assert tag.examples
    run_examples(tag, "Asia/Shanghai")
    for score in scores:
        assert isinstance(score, ScoreDefinition)
        run_levels(score, tag.examples, "Asia/Shanghai")


def test_the_guide_shows_both_forms() -> None:
    assert sum("half_life" in one for one in DOCUMENTS) == sum("rank:" in one for one in DOCUMENTS) == 1
