"""The lifecycle in the guide is one, and its tests hold."""

import re
from pathlib import Path

from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.stage_trial import run_stage_examples

GUIDE = (Path(__file__).parents[3] / "docs/guides/lifecycle.md").read_text(encoding="utf-8")


def test_the_lifecycle_of_the_guide_can_be_published() -> None:
    (document,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (definition,) = read_definitions(document, 1, "lifecycle")
    assert isinstance(definition, LifecycleDefinition)
    assert definition.examples
    assert definition.doubtful() == []
    run_stage_examples(definition, "Asia/Shanghai")
