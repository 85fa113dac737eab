"""The events that publish and retire definitions, of each kind its own."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import Message
from portrait.tagging.v1 import events_pb2 as pb

from services.tagging.domain.cuts import CutMade
from services.tagging.domain.names import Kind, key_of, kind_of
from services.tagging.domain.published import Published

TAG_PUBLISHED: Final = "tag_published"
TAG_RETIRED: Final = "tag_retired"
CUT_MADE: Final = "cut_made"

PUBLISHED: Final[Mapping[Kind, str]] = {
    "tag": TAG_PUBLISHED,
    "segment": "segment_published",
    "tiers": "tiers_published",
    "lifecycle": "lifecycle_published",
}
"""The type of the event that publishes a definition."""

RETIRED: Final[Mapping[Kind, str]] = {
    "tag": TAG_RETIRED,
    "segment": "segment_retired",
    "tiers": "tiers_retired",
    "lifecycle": "lifecycle_retired",
}
"""The type of the event that retires one."""


def published_payload(one: Published) -> bytes:
    """What the event carries that publishes a definition."""
    key, version, document, by = key_of(one.name), one.version, one.document, one.published_by
    message: Message
    match kind_of(one.name):
        case "tag":
            message = pb.TagPublished(tag=key, version=version, document=document, by=by)
        case "segment":
            message = pb.SegmentPublished(segment=key, version=version, document=document, by=by)
        case "tiers":
            message = pb.TiersPublished(version=version, document=document, by=by)
        case "lifecycle":
            message = pb.LifecyclePublished(version=version, document=document, by=by)
        case "score":
            raise AssertionError("a score is published with its tag")
    return message.SerializeToString()


def retired_payload(one: Published, by: str, reason: str) -> bytes:
    """What the event carries that retires one."""
    key, version = key_of(one.name), one.version
    message: Message
    match kind_of(one.name):
        case "tag":
            message = pb.TagRetired(tag=key, version=version, by=by, reason=reason)
        case "segment":
            message = pb.SegmentRetired(segment=key, version=version, by=by, reason=reason)
        case "tiers":
            message = pb.TiersRetired(version=version, by=by, reason=reason)
        case "lifecycle":
            message = pb.LifecycleRetired(version=version, by=by, reason=reason)
        case "score":
            raise AssertionError("a score is retired with its tag")
    return message.SerializeToString()


def cut_payload(cut: CutMade, parts: int) -> bytes:
    """What "cut_made" carries."""
    return pb.CutMade(
        tag=cut.tag,
        day=cut.day,
        thresholds=cut.thresholds,
        population=cut.population,
        version=cut.version,
        parts=parts,
    ).SerializeToString()
