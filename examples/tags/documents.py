"""The tags, and the lifecycles, that stand as documents beside a scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.tag import TagDefinition

EXAMPLES: Final = Path(__file__).parents[1]


def documents(scenario: str) -> list[Path]:
    """The documents in `examples/<scenario>/tags`."""
    return sorted((EXAMPLES / scenario / "tags").glob("*.yaml"))


def definitions(scenario: str) -> Mapping[str, TagDefinition]:
    """The tags that they define, by key."""
    read = (one for each in documents(scenario) for one in read_definitions(each.read_text(encoding="utf-8"), 1, "tag"))
    return {one.key: one for one in read if isinstance(one, TagDefinition)}


def lifecycle(scenario: str) -> LifecycleDefinition:
    """The lifecycle in `examples/<scenario>/lifecycle.yaml`."""
    document = (EXAMPLES / scenario / "lifecycle.yaml").read_text(encoding="utf-8")
    (definition,) = read_definitions(document, 1, "lifecycle")
    assert isinstance(definition, LifecycleDefinition)
    return definition
