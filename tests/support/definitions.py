"""Definitions of one kind, read from documents."""

from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.tag import TagDefinition


def read_tag(document: str, version: int = 1) -> TagDefinition:
    """The tag that a document says."""
    tag, *_ = read_definitions(document, version, "tag")
    assert isinstance(tag, TagDefinition)
    return tag
