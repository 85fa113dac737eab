"""Decisions, rules and changes on the wire."""

from collections.abc import Sequence
from typing import assert_never

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import rules_pb2
from portrait.log.v1.event_pb2 import Position

from libs.eventlog.event import Appended
from libs.people.spans import WHOLE
from libs.rpc.times import timestamp
from libs.runtime.clock import Micros
from services.identity.codec.persons import identifier_on_wire, person_on_wire, span_on_wire
from services.identity.domain.changes import AnchorCut, IdentifierMoved, IdentityChange, PersonsMerged, PersonsSplit
from services.identity.domain.person import Identifier, Member, Person
from services.identity.domain.plan import Plan


def decided_on_wire(place: Appended | None, event_id: bytes, people: Sequence[Person], note: str) -> pb.Decided:
    """What a decision led to; without a place nothing was recorded."""
    return pb.Decided(
        position=Position(partition=place.partition, position=place.position) if place else None,
        event_id=event_id if place else b"",
        people=map(person_on_wire, people),
        note=note,
    )


def rules_on_wire(version: int, document: str, etag: str, published_at: Micros | None) -> rules_pb2.Rules:
    """Rules as they stand, or would."""
    return rules_pb2.Rules(version=version, document=document, etag=etag, published_at=timestamp(published_at))


def plan_on_wire(plan: Plan, changes: Sequence[str]) -> rules_pb2.RulesPlan:
    """What rules would change; `changes` are those in the rules themselves."""
    return rules_pb2.RulesPlan(
        merged=plan.merged,
        split=plan.split,
        moved=plan.moved,
        shared_changed=plan.shared_changed,
        identifiers=plan.identifiers,
        sample=(
            rules_pb2.PersonChange(
                before=sorted(person.hex() for person in one.before),
                after=sorted(person.hex() for person in one.after),
                reason=one.reason,
            )
            for one in plan.sample
        ),
        changes=changes,
    )


def change_on_wire(
    position: Position, event_id: bytes, change: IdentityChange, identifier: Identifier, reason: str
) -> pb.WatchChangesResponse:
    """A change as it is watched; `identifier` and `reason` are those of a cut."""
    wire = pb.WatchChangesResponse(position=position, event_id=event_id, causation_id=change.cause)
    match change:
        case IdentifierMoved():
            wire.moved.CopyFrom(_moved(change))
        case AnchorCut():
            cut = pb.Cut(identifier=identifier_on_wire(Member(identifier)), reason=reason, version=change.version)
            wire.cut.CopyFrom(cut)
        case PersonsMerged():
            wire.merged.before.extend(sorted(one.hex() for one in change.merged))
            wire.merged.after = change.into.hex()
        case PersonsSplit():
            wire.split.before = change.person.hex()
            wire.split.after.extend(sorted(one.hex() for one in change.into))
        case _:
            assert_never(change)
    return wire


def _moved(change: IdentifierMoved) -> pb.IdentifierMoved:
    return pb.IdentifierMoved(
        key=change.identifier,
        span=span_on_wire(change.span) if change.span != WHOLE else None,
        from_person=change.from_person,
        to_person=change.to_person,
        version=change.version,
    )
