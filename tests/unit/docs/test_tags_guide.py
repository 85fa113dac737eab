"""The definitions in the guide are definitions, and their tests hold."""

import re
from pathlib import Path

import pytest

from services.tagging.domain.taxonomy import CATEGORIES
from services.tagging.domain.trial import run_examples
from tests.support.definitions import read_tag

GUIDE = (Path(__file__).parents[3] / "docs/guides/write-a-tag.md").read_text(encoding="utf-8")
DEFINITIONS: list[str] = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_there_are_definitions() -> None:
    assert len(DEFINITIONS) == 3


@pytest.mark.parametrize("document", DEFINITIONS, ids=lambda one: one.split("\n", 1)[0])
def test_a_definition_of_the_guide_can_be_published(document: str) -> None:
    definition = read_tag(document, 1)
    assert definition.examples
    run_examples(definition, "Asia/Shanghai")


def test_the_guide_knows_the_whole_taxonomy() -> None:
    assert all(f"`{category}`" in GUIDE for category in CATEGORIES)
