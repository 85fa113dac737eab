"""The definitions in the guide to segments are definitions, and their tests hold."""

import re
from pathlib import Path

import pytest

from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.trial import run_examples

GUIDE = (Path(__file__).parents[3] / "docs/guides/define-a-segment.md").read_text(encoding="utf-8")
DEFINITIONS: list[str] = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_there_is_a_segment_a_list_and_tiers() -> None:
    assert [one.split(":", 1)[0] for one in DEFINITIONS] == ["segment", "segment", "tiers"]


@pytest.mark.parametrize("document", DEFINITIONS, ids=lambda one: one.split("\n", 1)[0])
def test_a_definition_of_the_guide_can_be_published(document: str) -> None:
    (definition,) = read_definitions(document, 1)
    assert isinstance(definition, Laddered)
    assert definition.examples or not definition.rungs
    run_examples(definition, "Asia/Shanghai")
