"""What the identity log holds, to and from protobuf."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Self, assert_never

from portrait.identity.v1 import events_pb2 as pb
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.event import Envelope, NewEvent, Recorded
from libs.people.identity_events import CUT, MOVED, cut_in
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession
from libs.runtime.clock import Micros
from services.identity.domain.changes import AnchorCut, IdentifierMoved, IdentityChange, PersonsMerged, PersonsSplit
from services.identity.domain.decisions import (
    Allowed,
    Blocked,
    Forbidden,
    IdentityDecision,
    Linked,
    LinkLeft,
    Of,
    Unblocked,
    Unlinked,
)
from services.identity.domain.evidence import Key, pair

RULES_PUBLISHED: Final = "rules_published"
MERGED: Final = "persons_merged"
SPLIT: Final = "persons_split"

_PAIRS: Final[Mapping[str, type[Linked | Unlinked | LinkLeft | Forbidden | Allowed]]] = {
    "linked": Linked,
    "unlinked": Unlinked,
    "link_left": LinkLeft,
    "forbidden": Forbidden,
    "allowed": Allowed,
}
_BLOCKS: Final[Mapping[str, type[Blocked | Unblocked]]] = {"blocked": Blocked, "unblocked": Unblocked}
_NAMES: Final[Mapping[type[IdentityDecision], str]] = {kind: name for name, kind in (*_PAIRS.items(), *_BLOCKS.items())}
DECISIONS: Final = frozenset({*_PAIRS, *_BLOCKS})
CHANGES: Final = frozenset({MOVED, CUT, MERGED, SPLIT})


def type_of(said: IdentityDecision | IdentityChange) -> str:
    """The type of the event that says so."""
    match said:
        case IdentifierMoved():
            return MOVED
        case AnchorCut():
            return CUT
        case PersonsMerged():
            return MERGED
        case PersonsSplit():
            return SPLIT
        case _:
            return _NAMES[type(said)]


def key_of(said: IdentityDecision | IdentityChange) -> Key:
    """The identifier that the event is filed under."""
    match said:
        case IdentifierMoved(identifier=key) | AnchorCut(anchor=key) | PersonsMerged(into=key):
            return key
        case PersonsSplit(person=key):
            return key
        case Blocked(identifier=one) | Unblocked(identifier=one):
            return one.key
        case _:
            return pair(said.a.key, said.b.key)[0]


def payload_of(said: IdentityDecision | IdentityChange, values: Mapping[Key, str]) -> bytes:
    """What an event carries; `values` are the normal forms of the identifiers that a decision is about."""
    return _message(said, values).SerializeToString()


def id_of(said: IdentityChange, generation: bytes) -> bytes:
    """The id of a change's event, from its cause and its place.

    A person may be merged twice by one cause (which is undone in between), so `generation` tells changes apart that
    have no version.
    """
    match said:
        case IdentifierMoved():
            place = b"%b %b %d" % (said.identifier, said.span, said.version)
        case AnchorCut():
            place = b"%b %d" % (said.anchor, said.version)
        case PersonsMerged():
            place = b"%b %b %b" % (said.into, b"".join(said.merged), generation)
        case PersonsSplit():
            place = b"%b %b %b" % (said.person, b"".join(said.into), generation)
        case _:
            assert_never(said)
    return blake2b(said.cause + place, digest_size=16, person=type_of(said).encode()).digest()


class Causing(NamedTuple):
    """What an event hands on to those that follow from it."""

    id: bytes
    occurred_at: Micros
    mode: "log_pb.Mode.ValueType" = log_pb.MODE_LIVE
    correlation_id: bytes = b""
    traceparent: bytes = b""

    @classmethod
    def of(cls, event: log_pb.Event) -> Self:
        """Of an event as recorded."""
        return cls(event.id, event.occurred_at_micros, event.mode, event.correlation_id, event.traceparent)


def following(tenant: str, told: Sequence[IdentityChange], causes: Mapping[bytes, Causing]) -> list[NewEvent]:
    """The events of changes that were found together, in their order; `causes` by event id."""
    versions = (b"%b %d" % (key_of(one), one.version) for one in told if isinstance(one, IdentifierMoved | AnchorCut))
    generation = blake2b(b" ".join(versions), digest_size=16).digest()
    return [_following(tenant, one, causes[one.cause], generation) for one in told]


def _following(tenant: str, said: IdentityChange, cause: Causing, generation: bytes) -> NewEvent:
    envelope = Envelope(
        tenant,
        type_of(said),
        mode=cause.mode,
        causation_id=cause.id,
        correlation_id=cause.correlation_id,
        traceparent=cause.traceparent,
    )
    return envelope.seal().event(id_of(said, generation), key_of(said), cause.occurred_at, payload_of(said, {}))


def decision_of(recorded: Recorded) -> tuple[IdentityDecision, dict[Key, str]]:
    """A decision as recorded, and the values of the identifiers that it is about; the type must be a decision's.

    A decision counts from the moment it was taken, which is the event's own time: under the resolver's lock that never
    runs backwards within a tenant.
    """
    event = recorded.event
    if event.type in _PAIRS:
        two = pb.PairDecided.FromString(event.payload)
        values = {two.a.key: two.a.value, two.b.key: two.b.value}
        a, b = Of(two.a.key, two.a.type), Of(two.b.key, two.b.type)
        return _PAIRS[event.type](event.id, event.occurred_at_micros, two.by, two.note, a=a, b=b), values
    one = pb.IdentifierDecided.FromString(event.payload)
    about = Of(one.identifier.key, one.identifier.type)
    decision = _BLOCKS[event.type](event.id, event.occurred_at_micros, one.by, one.note, identifier=about)
    return decision, {about.key: one.identifier.value}


def change_of(event: log_pb.Event) -> IdentityChange:
    """A change as recorded; the event's type must be one of `CHANGES`."""
    cause, data = event.causation_id, event.payload
    match event.type:
        case "identifier_moved":
            moved = pb.Moved.FromString(data)
            return IdentifierMoved(event.key, moved.span, moved.from_person, moved.to_person, moved.version, cause)
        case "anchor_cut":
            cut = pb.AnchorCut.FromString(data)
            return AnchorCut(event.key, cut_in(cut), cut.version, cause)
        case "persons_merged":
            merged = pb.Merged.FromString(data)
            return PersonsMerged(merged.into, tuple(merged.merged), cause)
        case _:
            split = pb.Split.FromString(data)
            return PersonsSplit(split.person, tuple(split.into), cause)


def _message(
    said: IdentityDecision | IdentityChange, values: Mapping[Key, str]
) -> pb.Moved | pb.AnchorCut | pb.Merged | pb.Split | pb.PairDecided | pb.IdentifierDecided:
    match said:
        case IdentifierMoved():
            return pb.Moved(
                span=said.span if said.span != WHOLE else b"",
                from_person=said.from_person,
                to_person=said.to_person,
                version=said.version,
            )
        case AnchorCut():
            return _cut(said)
        case PersonsMerged():
            return pb.Merged(into=said.into, merged=said.merged)
        case PersonsSplit():
            return pb.Split(person=said.person, into=said.into)
        case Blocked() | Unblocked():
            return pb.IdentifierDecided(identifier=_subject(said.identifier, values), by=said.by, note=said.note)
        case _:
            a, b = _subject(said.a, values), _subject(said.b, values)
            return pb.PairDecided(a=a, b=b, by=said.by, note=said.note)


def _subject(of: Of, values: Mapping[Key, str]) -> pb.Subject:
    return pb.Subject(key=of.key, type=of.type, value=values.get(of.key, ""))


def _cut(said: AnchorCut) -> pb.AnchorCut:
    message = pb.AnchorCut(version=said.version)
    match said.cut:
        case BySession():
            message.by_session.SetInParent()
        case ByIdentifier():
            message.by_identifier.SetInParent()
        case AtTimes(times):
            message.at_times.times_micros.extend(times)
        case None:
            pass
        case _:
            assert_never(said.cut)
    return message
