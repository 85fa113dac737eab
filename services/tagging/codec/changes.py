"""What is told of people, as the log of tags holds it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.conditions.numbers import SCALE
from libs.eventlog.event import Envelope, NewEvent, Seal
from libs.runtime.clock import Micros
from services.tagging.codec.values import against_on_wire, origin_on_wire, value_on_wire
from services.tagging.domain.holding import Change
from services.tagging.domain.names import Kind, key_of, kind_of

LOG: Final = "tags"
ASSIGNED: Final = "tag_assigned"
REMOVED: Final = "tag_removed"
ENTERED: Final = "segment_entered"
LEFT: Final = "segment_left"
TIER_CHANGED: Final = "tier_changed"
STAGE_ENTERED: Final = "stage_entered"
SCORE_MOVED: Final = "score_moved"


class _Telling(NamedTuple):
    """The events of one kind of definition: of whoever has something now, and of whoever has nothing any more."""

    having: str
    lacking: str
    payload: Callable[[Change, int], bytes]


def told(tenant: str, person: bytes, revision: int, changes: Sequence[Change], now: Micros) -> list[NewEvent]:
    """The events that tell of the changes of one revision of a person."""
    return [_event(tenant, person, revision, change, now) for change in changes]


def _event(tenant: str, person: bytes, revision: int, change: Change, now: Micros) -> NewEvent:
    telling = _TELLINGS[kind_of(change.name)]
    type_ = telling.lacking if change.now is None else telling.having
    mode = log_pb.MODE_HISTORICAL if change.historical else log_pb.MODE_LIVE
    payload = telling.payload(change, revision)
    return _seal(tenant, type_, mode).event(change.event_id, person, now, payload, cause=change.cause)


@cache
def _seal(tenant: str, type_: str, mode: log_pb.Mode.ValueType) -> Seal:
    return Envelope(tenant, type_, mode=mode).seal()


def _tag(change: Change, revision: int) -> bytes:
    former = value_on_wire(change.former.value) if change.former else None
    if change.now is None:
        return pb.TagRemoved(
            tag=change.name,
            former=former,
            reason=against_on_wire(change.against),
            definition_version=change.version,
            backfill=change.backfill,
            revision=revision,
            became=change.became,
        ).SerializeToString()
    return pb.TagAssigned(
        tag=change.name,
        value=value_on_wire(change.now.value),
        of=change.now.of,
        former=former,
        expires_at_micros=change.now.expires_at or 0,
        origin=origin_on_wire(change.now.origin),
        confidence=change.now.confidence,
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
    ).SerializeToString()


def _segment(change: Change, revision: int) -> bytes:
    if change.now is None:
        return pb.SegmentLeft(
            segment=key_of(change.name),
            reason=against_on_wire(change.against),
            definition_version=change.version,
            backfill=change.backfill,
            revision=revision,
            became=change.became,
        ).SerializeToString()
    return pb.SegmentEntered(
        segment=key_of(change.name),
        expires_at_micros=change.now.expires_at or 0,
        origin=origin_on_wire(change.now.origin),
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
    ).SerializeToString()


def _tier(change: Change, revision: int) -> bytes:
    return pb.TierChanged(
        tier=str(change.now.value) if change.now else "",
        former=str(change.former.value) if change.former else "",
        reason=pb.REMOVAL_REASON_UNSPECIFIED if change.now else against_on_wire(change.against),
        expires_at_micros=(change.now.expires_at if change.now else None) or 0,
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
        became=change.became,
    ).SerializeToString()


def _stage(change: Change, revision: int) -> bytes:
    return pb.StageEntered(
        stage=str(change.now.value) if change.now else "",
        former=str(change.former.value) if change.former else "",
        since_micros=change.now.since if change.now else 0,
        reason=pb.REMOVAL_REASON_UNSPECIFIED if change.now else against_on_wire(change.against),
        expires_at_micros=(change.now.expires_at if change.now else None) or 0,
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
        became=change.became,
    ).SerializeToString()


def _score(change: Change, revision: int) -> bytes:
    return pb.ScoreMoved(
        tag=key_of(change.name),
        value=None if change.points is None else change.points / SCALE,
        level=str(change.now.value) if change.now else "",
        former=str(change.former.value) if change.former else "",
        reason=pb.REMOVAL_REASON_UNSPECIFIED if change.now else against_on_wire(change.against),
        definition_version=change.version,
        backfill=change.backfill,
        revision=revision,
        became=change.became,
    ).SerializeToString()


_TELLINGS: Final[Mapping[Kind, _Telling]] = {
    "tag": _Telling(ASSIGNED, REMOVED, _tag),
    "segment": _Telling(ENTERED, LEFT, _segment),
    "lifecycle": _Telling(STAGE_ENTERED, STAGE_ENTERED, _stage),
    "tiers": _Telling(TIER_CHANGED, TIER_CHANGED, _tier),
    "score": _Telling(SCORE_MOVED, SCORE_MOVED, _score),
}
