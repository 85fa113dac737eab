"""What the log of tags tells of who holds what, as membership folds it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros
from services.tagging.codec.changes import ASSIGNED, ENTERED, LEFT, REMOVED, SCORE_MOVED, STAGE_ENTERED, TIER_CHANGED
from services.tagging.codec.values import value_of
from services.tagging.domain.names import STAGE, TIER
from services.tagging.domain.score import score_name
from services.tagging.membership.terms import Told


class _Heard(NamedTuple):
    """A reference, what somebody holds of it now, and what they held before; None for nothing.

    `since` is when that came about, where it is not when it was told.
    """

    reference: str
    now: Scalar | None
    former: Scalar | None
    since: Micros | None = None


def told_in(event: log_pb.Event, position: int) -> Told | None:
    """What an event tells; None if it is not about what a person holds, or says nothing any more."""
    hear = _HEARD.get(event.type)
    if hear is None or not event.payload:
        return None
    heard = hear(event.payload)
    since = event.occurred_at_micros if heard.since is None else heard.since
    return Told(position, event.key, heard.reference, heard.now, heard.former, since)


def _assigned(payload: bytes) -> _Heard:
    said = pb.TagAssigned.FromString(payload)
    return _Heard(f"tag:{said.tag}", value_of(said.value), value_of(said.former))


def _removed(payload: bytes) -> _Heard:
    said = pb.TagRemoved.FromString(payload)
    return _Heard(f"tag:{said.tag}", None, value_of(said.former))


def _entered(payload: bytes) -> _Heard:
    return _Heard(f"segment:{pb.SegmentEntered.FromString(payload).segment}", True, None)


def _left(payload: bytes) -> _Heard:
    return _Heard(f"segment:{pb.SegmentLeft.FromString(payload).segment}", None, True)


def _tier(payload: bytes) -> _Heard:
    said = pb.TierChanged.FromString(payload)
    return _Heard(TIER, said.tier or None, said.former or None)


def _stage(payload: bytes) -> _Heard:
    said = pb.StageEntered.FromString(payload)
    return _Heard(STAGE, said.stage or None, said.former or None, said.since_micros)


def _score(payload: bytes) -> _Heard:
    said = pb.ScoreMoved.FromString(payload)
    return _Heard(score_name(said.tag), said.level or None, said.former or None)


_HEARD: Final[Mapping[str, Callable[[bytes], _Heard]]] = {
    ASSIGNED: _assigned,
    REMOVED: _removed,
    ENTERED: _entered,
    LEFT: _left,
    TIER_CHANGED: _tier,
    STAGE_ENTERED: _stage,
    SCORE_MOVED: _score,
}
