"""Definitions of tags on the wire."""

from collections.abc import Mapping
from typing import Final

from portrait.tagging.v1 import tag_pb2 as pb

from libs.rpc.times import timestamp
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.published import Published, State
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.values import ValueType

STATES: Final[Mapping[State, pb.DefinitionState.ValueType]] = {
    "filling": pb.DEFINITION_STATE_FILLING,
    "live": pb.DEFINITION_STATE_LIVE,
    "former": pb.DEFINITION_STATE_FORMER,
    "retiring": pb.DEFINITION_STATE_RETIRING,
    "retired": pb.DEFINITION_STATE_RETIRED,
}
VALUE_TYPES: Final[Mapping[ValueType, pb.ValueType.ValueType]] = {
    "flag": pb.VALUE_TYPE_FLAG,
    "enum": pb.VALUE_TYPE_ENUM,
    "number": pb.VALUE_TYPE_NUMBER,
    "text": pb.VALUE_TYPE_TEXT,
}


def definition_on_wire(tag: Published, *, document: bool = True) -> pb.TagDefinition:
    """A definition as it was published, and what its document says."""
    said = _said(tag)
    return pb.TagDefinition(
        key=tag.name,
        version=tag.version,
        document=tag.document if document else "",
        etag=tag.etag,
        state=STATES[tag.state],
        published_at=timestamp(tag.published_at or None),
        published_by=tag.published_by,
        titles=said.titles,
        category=said.category,
        owner=said.owner,
        description=said.description,
        value_type=VALUE_TYPES[said.value_type],
        source=said.source,
        options=said.options,
    )


def category_of(tag: Published) -> str:
    """The category that a tag's document says."""
    return _said(tag).category


def _said(tag: Published) -> TagDefinition:
    said, *_ = definitions_in(tag)
    assert isinstance(said, TagDefinition)
    return said
