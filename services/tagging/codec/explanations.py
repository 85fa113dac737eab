"""Plans and explanations on the wire."""

from collections.abc import Iterable, Sequence

from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.conditions.check import MOST_TOLD, Finding, told
from libs.conditions.numbers import SCALE
from libs.rpc.times import timestamp
from services.tagging.codec.values import origin_on_wire, value_on_wire
from services.tagging.domain.by_hand import Known
from services.tagging.domain.explanation import Contributed, Explanation, Leaf, Reason
from services.tagging.domain.holding import Held
from services.tagging.domain.plan import TagPlan
from services.tagging.domain.score import Scored

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


def plan_on_wire(
    plan: TagPlan, findings: Sequence[Finding], changes: Iterable[str], more: Iterable[str] = ()
) -> pb.TagPlan:
    """What a definition would change; `findings` and `changes` are those in its document, `more` is doubtful beside."""
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
        warnings=[*told(findings), *more],
        changes=changes,
        unknown=(
            pb.UnknownName(warning=index, kind=one.kind, name=one.unknown)
            for index, one in enumerate(findings[:MOST_TOLD])
            if one.kind
        ),
    )


def explanation_on_wire(told: Explanation, tag: str) -> pb.ExplainTagResponse:
    """Why somebody has a tag or does not."""
    return pb.ExplainTagResponse(
        person_id=told.person.hex(),
        held=held_on_wire(tag, told.held) if told.held else None,
        found=value_on_wire(told.found),
        reasons=map(reason_on_wire, told.reasons),
        by_hand=by_hand_on_wire(told.by_hand) if told.by_hand else None,
        summary=told.summary,
        score=score_on_wire(tag, told.score.scored, told.score.version) if told.score else None,
        contributions=map(_contribution, told.score.contributions) if told.score else (),
    )


def score_on_wire(tag: str, scored: Scored, version: int) -> tags.PersonScore:
    """A score of somebody."""
    value = None if scored.value is None else scored.value / SCALE
    return tags.PersonScore(tag=tag, value=value, level=scored.level, pieces=scored.pieces, definition_version=version)


def _contribution(one: Contributed) -> tags.ScoreContribution:
    return tags.ScoreContribution(
        about=one.about, asks=one.asks, pieces=one.pieces, points=one.points, event_ids=one.events[-MOST_EVENTS:]
    )


def reason_on_wire(reason: Reason) -> pb.ReasonForTag:
    """One condition of a definition, explained."""
    return pb.ReasonForTag(
        about=reason.about,
        holds=reason.holds,
        changes_at=timestamp(reason.changes_at),
        leaves=map(leaf_on_wire, reason.leaves),
        gives=value_on_wire(reason.gives),
        decides=reason.decides,
    )


def leaf_on_wire(leaf: Leaf) -> pb.ExplainedLeaf:
    """One part of a condition."""
    return pb.ExplainedLeaf(
        path=leaf.path,
        asks=leaf.asks,
        holds=leaf.holds,
        value=leaf.value,
        event_ids=leaf.events[-MOST_EVENTS:],
        flips=leaf.flips,
        changes_at=timestamp(leaf.changes_at),
    )


def by_hand_on_wire(known: Known) -> pb.SetByHand:
    """What was said by hand, and by whom."""
    said = known.said
    return pb.SetByHand(
        value=value_on_wire(said.value),
        set_at=timestamp(said.set_at),
        expires_at=timestamp(said.expires_at),
        by=known.by,
        event_id=said.event_id,
        imported=said.imported,
    )
