"""Plans and explanations on the wire."""

from collections.abc import Iterable

from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.times import timestamp
from services.tagging.codec.values import origin_on_wire, value_on_wire
from services.tagging.domain.by_hand import Known
from services.tagging.domain.explanation import Explanation, Leaf, Reason
from services.tagging.domain.holding import Held
from services.tagging.domain.plan import TagPlan

MOST_EVENTS = 50
"""Ids that are told of a leaf at most; the newest stand last."""


def held_on_wire(tag: str, held: Held) -> tags.HeldTag:
    """A tag that somebody holds."""
    return tags.HeldTag(
        tag=tag,
        value=value_on_wire(held.value),
        of=held.of,
        since=timestamp(held.since),
        expires_at=timestamp(held.expires_at),
        origin=origin_on_wire(held.origin),
        confidence=held.confidence,
        definition_version=held.version,
        event_id=held.event_id,
    )


def plan_on_wire(plan: TagPlan, warnings: Iterable[str] = (), changes: Iterable[str] = ()) -> pb.TagPlan:
    """What a definition would change; `changes` are those in its document."""
    return pb.TagPlan(
        population=plan.population,
        looked_at=plan.looked_at,
        gained=plan.gained,
        lost=plan.lost,
        changed=plan.changed,
        holding=plan.holding,
        sample=(
            pb.TagChange(
                person_id=one.person.hex(),
                before=value_on_wire(one.before),
                after=value_on_wire(one.after),
                of=one.of,
            )
            for one in plan.sample
        ),
        reads_history=plan.reads_history,
        warnings=warnings,
        changes=changes,
    )


def explanation_on_wire(told: Explanation, tag: str) -> pb.ExplainTagResponse:
    """Why somebody has a tag or does not."""
    return pb.ExplainTagResponse(
        person_id=told.person.hex(),
        held=held_on_wire(tag, told.held) if told.held else None,
        found=value_on_wire(told.found),
        reasons=map(_reason, told.reasons),
        by_hand=_by_hand(told.by_hand) if told.by_hand else None,
        summary=told.summary,
    )


def _reason(reason: Reason) -> pb.ReasonForTag:
    return pb.ReasonForTag(
        about=reason.about,
        holds=reason.holds,
        changes_at=timestamp(reason.changes_at),
        leaves=map(_leaf, reason.leaves),
        gives=value_on_wire(reason.gives),
        decides=reason.decides,
    )


def _leaf(leaf: Leaf) -> pb.ExplainedLeaf:
    return pb.ExplainedLeaf(
        path=leaf.path,
        asks=leaf.asks,
        holds=leaf.holds,
        value=leaf.value,
        event_ids=leaf.events[-MOST_EVENTS:],
        flips=leaf.flips,
        changes_at=timestamp(leaf.changes_at),
    )


def _by_hand(known: Known) -> pb.SetByHand:
    said = known.said
    return pb.SetByHand(
        value=value_on_wire(said.value),
        set_at=timestamp(said.set_at),
        expires_at=timestamp(said.expires_at),
        by=known.by,
        event_id=said.event_id,
        imported=said.imported,
    )
