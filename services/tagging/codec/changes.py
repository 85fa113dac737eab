"""What is told of people, as the log of tags holds it."""

from collections.abc import Sequence
from typing import Final

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.eventlog.event import Envelope, NewEvent
from libs.runtime.clock import Micros
from services.tagging.codec.values import against_on_wire, origin_on_wire, value_on_wire
from services.tagging.domain.holding import Change

LOG: Final = "tags"
ASSIGNED: Final = "tag_assigned"
REMOVED: Final = "tag_removed"


def told(tenant: str, person: bytes, revision: int, changes: Sequence[Change], now: Micros) -> list[NewEvent]:
    """The events that tell of the changes of one revision of a person."""
    return [_event(tenant, person, revision, change, now) for change in changes]


def _event(tenant: str, person: bytes, revision: int, change: Change, now: Micros) -> NewEvent:
    type_ = REMOVED if change.now is None else ASSIGNED
    payload = _removed(change, revision) if change.now is None else _assigned(change, revision)
    mode = log_pb.MODE_HISTORICAL if change.historical else log_pb.MODE_LIVE
    seal = Envelope(tenant, type_, mode=mode, causation_id=change.cause).seal()
    return seal.event(change.event_id, person, now, payload)


def _assigned(change: Change, revision: int) -> bytes:
    assert change.now is not None
    return pb.TagAssigned(
        tag=change.tag,
        value=value_on_wire(change.now.value),
        of=change.now.of,
        former=value_on_wire(change.former.value) if change.former else None,
        expires_at_micros=change.now.expires_at or 0,
        origin=origin_on_wire(change.now.origin),
        confidence=change.now.confidence,
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
    ).SerializeToString()


def _removed(change: Change, revision: int) -> bytes:
    return pb.TagRemoved(
        tag=change.tag,
        former=value_on_wire(change.former.value) if change.former else None,
        reason=against_on_wire(change.against),
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
        became=change.became,
    ).SerializeToString()
