"""What the log of tags told of a person, as what they held by it."""

from typing import NamedTuple

from msgspec.structs import replace
from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.conditions.comparisons import Scalar
from services.tagging.codec.changes import ASSIGNED, ENTERED, LEFT, REMOVED, STAGE_ENTERED, TIER_CHANGED
from services.tagging.codec.values import origin_of, value_of
from services.tagging.domain.holding import Held
from services.tagging.domain.names import STAGE, TIER


class Told(NamedTuple):
    """What somebody holds by a definition from an event on; None for nothing more."""

    name: str
    now: Held | None


def told_by(event: log_pb.Event) -> Told | None:  # noqa: PLR0911  one for each type
    """What an event tells of its person; None where it tells of none."""
    match event.type:
        case type_ if type_ == ASSIGNED:
            assigned = pb.TagAssigned.FromString(event.payload)
            value = value_of(assigned.value)
            assert value is not None
            return Told(assigned.tag, _held(event, assigned, value, assigned.of, assigned.confidence))
        case type_ if type_ == REMOVED:
            return Told(pb.TagRemoved.FromString(event.payload).tag, None)
        case type_ if type_ == ENTERED:
            entered = pb.SegmentEntered.FromString(event.payload)
            return Told(f"segment:{entered.segment}", _held(event, entered, value=True))
        case type_ if type_ == LEFT:
            return Told(f"segment:{pb.SegmentLeft.FromString(event.payload).segment}", None)
        case type_ if type_ == TIER_CHANGED:
            changed = pb.TierChanged.FromString(event.payload)
            return Told(TIER, _held(event, changed, changed.tier) if changed.tier else None)
        case type_ if type_ == STAGE_ENTERED:
            moved = pb.StageEntered.FromString(event.payload)
            held = replace(_held(event, moved, moved.stage), since=moved.since_micros)
            return Told(STAGE, held if moved.stage else None)
        case _:
            return None


def _held(
    event: log_pb.Event,
    said: pb.TagAssigned | pb.SegmentEntered | pb.TierChanged | pb.StageEntered,
    value: Scalar,
    of: str = "",
    confidence: float = 1.0,
) -> Held:
    return Held(
        value,
        of,
        event.occurred_at_micros,
        event.id,
        said.definition_version,
        "rule" if isinstance(said, pb.TierChanged | pb.StageEntered) else origin_of(said.origin),
        confidence,
        said.expires_at_micros or None,
    )
