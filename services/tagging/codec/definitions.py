"""Definitions on the wire, and the events that publish and retire them."""

from collections.abc import Mapping
from typing import Final

from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as pb

from libs.rpc.times import timestamp
from services.tagging.domain.definition import read_definition
from services.tagging.domain.published import PublishedTag, State
from services.tagging.domain.values import ValueType

TAG_PUBLISHED: Final = "tag_published"
TAG_RETIRED: Final = "tag_retired"

_STATES: Final[Mapping[State, pb.DefinitionState.ValueType]] = {
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


def definition_on_wire(tag: PublishedTag, *, document: bool = True) -> pb.TagDefinition:
    """A definition as it was published, and what its document says."""
    said = read_definition(tag.document, tag.version)
    return pb.TagDefinition(
        key=tag.tag,
        version=tag.version,
        document=tag.document if document else "",
        etag=tag.etag,
        state=_STATES[tag.state],
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


def published_payload(tag: PublishedTag) -> bytes:
    """What "tag_published" carries."""
    wire = events.TagPublished(tag=tag.tag, version=tag.version, document=tag.document, by=tag.published_by)
    return wire.SerializeToString()


def retired_payload(tag: PublishedTag, by: str, reason: str) -> bytes:
    """What "tag_retired" carries."""
    return events.TagRetired(tag=tag.tag, version=tag.version, by=by, reason=reason).SerializeToString()
