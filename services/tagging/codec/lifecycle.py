"""The lifecycle, its stages and what led to them, on the wire."""

from collections.abc import Mapping

from portrait.tagging.v1 import lifecycle_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2 as service

from libs.conditions.windows import write_day
from libs.rpc.times import timestamp
from services.tagging.codec.definitions import STATES
from services.tagging.codec.explanations import leaf_on_wire
from services.tagging.domain.explanation import MoveReason, StageExplanation
from services.tagging.domain.holding import Held
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.names import STAGE
from services.tagging.domain.published import Published


def lifecycle_on_wire(lifecycle: Published, *, document: bool = True) -> pb.LifecycleDefinition:
    """A lifecycle as it was published, and what its document says."""
    said, *_ = definitions_in(lifecycle)
    assert isinstance(said, LifecycleDefinition)
    return pb.LifecycleDefinition(
        key=said.key,
        version=lifecycle.version,
        document=lifecycle.document if document else "",
        etag=lifecycle.etag,
        state=STATES[lifecycle.state],
        published_at=timestamp(lifecycle.published_at or None),
        published_by=lifecycle.published_by,
        titles=said.titles,
        owner=said.owner,
        description=said.description,
        stages=(pb.Stage(key=one.key, titles=one.titles) for one in said.stages),
        initial=said.initial,
    )


def stage_on_wire(held: Mapping[str, Held]) -> pb.HeldStage | None:
    """The stage among what somebody holds."""
    return _held(held[STAGE]) if STAGE in held else None


def stage_explained(told: StageExplanation) -> service.ExplainStageResponse:
    """How somebody came to their stage."""
    return service.ExplainStageResponse(
        person_id=told.person.hex(),
        held=_held(told.held) if told.held else None,
        found=told.found,
        moves=map(_move, told.moves),
        ahead=map(_move, told.ahead),
        summary=told.summary,
    )


def _held(one: Held) -> pb.HeldStage:
    return pb.HeldStage(
        stage=str(one.value),
        since=timestamp(one.since),
        expires_at=timestamp(one.expires_at),
        definition_version=one.version,
        event_id=one.event_id,
    )


def _move(reason: MoveReason) -> service.StageMove:
    entered = reason.entered
    return service.StageMove(
        day=write_day(entered.day),
        at=timestamp(reason.at),
        by_time=entered.phase == "begun" and entered.move is not None,
        former=entered.former or "",
        stage=entered.stage,
        move="" if entered.move is None else f"moves[{entered.move}]",
        leaves=map(leaf_on_wire, reason.leaves),
    )
