"""Segments on the wire."""

from collections.abc import Mapping

from portrait.tagging.v1 import segment_pb2 as pb
from portrait.tagging.v1 import segments_service_pb2 as service

from libs.rpc.times import timestamp
from services.tagging.codec.definitions import STATES
from services.tagging.codec.explanations import by_hand_on_wire, reason_on_wire
from services.tagging.codec.values import origin_on_wire
from services.tagging.domain.explanation import Explanation
from services.tagging.domain.holding import Held
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.names import EVERYONE, key_of, kind_of
from services.tagging.domain.published import Published
from services.tagging.domain.segment import SegmentDefinition


def segment_on_wire(segment: Published, *, document: bool = True) -> pb.SegmentDefinition:
    """A segment as it was published, and what its document says."""
    said, *_ = definitions_in(segment)
    assert isinstance(said, SegmentDefinition)
    return pb.SegmentDefinition(
        key=said.key,
        version=segment.version,
        document=segment.document if document else "",
        etag=segment.etag,
        state=STATES[segment.state],
        published_at=timestamp(segment.published_at or None),
        published_by=segment.published_by,
        titles=said.titles,
        owner=said.owner,
        description=said.description,
        is_list=said.is_list,
    )


def memberships_on_wire(held: Mapping[str, Held]) -> list[pb.HeldSegment]:
    """The segments among what somebody holds, by key; but for the one in which everybody is."""
    return [
        _membership(name, one) for name, one in sorted(held.items()) if kind_of(name) == "segment" and name != EVERYONE
    ]


def membership_explained(told: Explanation, name: str) -> service.ExplainMembershipResponse:
    """Why somebody is in a segment or is not."""
    return service.ExplainMembershipResponse(
        person_id=told.person.hex(),
        held=_membership(name, told.held) if told.held else None,
        found=told.found is not None,
        reasons=map(reason_on_wire, told.reasons),
        by_hand=by_hand_on_wire(told.by_hand) if told.by_hand else None,
        summary=told.summary,
    )


def _membership(name: str, held: Held) -> pb.HeldSegment:
    return pb.HeldSegment(
        segment=key_of(name),
        since=timestamp(held.since),
        expires_at=timestamp(held.expires_at),
        origin=origin_on_wire(held.origin),
        definition_version=held.version,
        event_id=held.event_id,
    )
