"""The tags that stand as documents beside a scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.tagging.domain.definition import TagDefinition, read_definition

EXAMPLES: Final = Path(__file__).parents[1]


def documents(scenario: str) -> list[Path]:
    """The documents in `examples/<scenario>/tags`."""
    return sorted((EXAMPLES / scenario / "tags").glob("*.yaml"))


def definitions(scenario: str) -> Mapping[str, TagDefinition]:
    """What they define, by key."""
    read = (read_definition(one.read_text(encoding="utf-8"), 1) for one in documents(scenario))
    return {definition.key: definition for definition in read}
