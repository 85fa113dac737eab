"""What is said by hand or by a file, as the log of tags holds it."""

from typing import Final

from portrait.tagging.v1 import events_pb2 as events

from services.tagging.codec.values import value_on_wire
from services.tagging.domain.by_hand import Told
from services.tagging.domain.names import key_of, kind_of

TAG_SET: Final = "tag_set"
TAG_CLEARED: Final = "tag_cleared"
SEGMENT_LISTED: Final = "segment_listed"
SEGMENT_UNLISTED: Final = "segment_unlisted"


def said_type(told: Told) -> str:
    """The type of the event that says so."""
    if kind_of(told.tag) == "segment":
        return SEGMENT_LISTED if told.value else SEGMENT_UNLISTED
    return TAG_CLEARED if told.value is None else TAG_SET


def said_payload(told: Told, reason: str) -> bytes:
    """What that event carries."""
    if kind_of(told.tag) == "segment":
        listed = events.SegmentListed if told.value else events.SegmentUnlisted
        return listed(segment=key_of(told.tag), by=told.by, import_id=told.import_id).SerializeToString()
    if told.value is None:
        return events.TagCleared(tag=told.tag, by=told.by, reason=reason).SerializeToString()
    return events.TagSet(
        tag=told.tag,
        value=value_on_wire(told.value),
        of=told.of,
        expires_at_micros=told.expires_at or 0,
        by=told.by,
        reason=reason,
        import_id=told.import_id,
    ).SerializeToString()
