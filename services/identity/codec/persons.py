"""People and what is known of them, on the wire."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2

from libs.people.spans import WHOLE, AtTimes, Cut, Span, begins_at, is_session
from libs.rpc.times import timestamp
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key
from services.identity.domain.person import Member, Person, Whose
from services.identity.domain.reasons import Edge, Explained, HistoryInParts

_STANDINGS: Final[Mapping[str | None, "person_pb2.Standing.ValueType"]] = {
    None: person_pb2.STANDING_UNSPECIFIED,
    "shared": person_pb2.STANDING_SHARED,
    "blocked": person_pb2.STANDING_BLOCKED,
}
_BASES: Final[Mapping[str | None, "person_pb2.EdgeBasis.ValueType"]] = {
    None: person_pb2.EDGE_BASIS_UNSPECIFIED,
    "seen": person_pb2.EDGE_BASIS_SEEN,
    "verified": person_pb2.EDGE_BASIS_VERIFIED,
    "linked": person_pb2.EDGE_BASIS_LINKED,
    "logged_in": person_pb2.EDGE_BASIS_LOGGED_IN,
    "beside": person_pb2.EDGE_BASIS_BESIDE,
}
_OUTCOMES: Final[Mapping[str, "person_pb2.EdgeOutcome.ValueType"]] = {
    "JOINED": person_pb2.EDGE_OUTCOME_JOINED,
    "FORBIDDEN": person_pb2.EDGE_OUTCOME_FORBIDDEN,
    "TOO_MANY": person_pb2.EDGE_OUTCOME_LIMIT,
    "SHARED": person_pb2.EDGE_OUTCOME_SHARED,
    "BLOCKED": person_pb2.EDGE_OUTCOME_BLOCKED,
    "UNLINKED": person_pb2.EDGE_OUTCOME_UNLINKED,
    "UNKNOWN_TYPE": person_pb2.EDGE_OUTCOME_UNKNOWN_TYPE,
}


def tell_whose(wire: pb.Resolution, key: Key, whose: Whose) -> None:
    """Fill an empty answer where it stands, for there may be a thousand."""
    wire.key = key.hex()
    wire.person_id = whose.person.hex()
    if whose.known:
        wire.known = True
    if whose.mark is not None:
        wire.standing = _STANDINGS[whose.mark]
    if whose.cut:
        wire.cut = True


def person_on_wire(person: Person) -> person_pb2.Person:
    """A person."""
    return person_pb2.Person(
        person_id=person.id.hex(),
        identifiers=map(identifier_on_wire, person.members),
        former_ids=(one.hex() for one in person.former_ids),
    )


def identifier_on_wire(member: Member) -> person_pb2.KnownIdentifier:
    """An identifier, or the part of one that is somebody's."""
    one = member.identifier
    return person_pb2.KnownIdentifier(
        type=one.type,
        value=one.value,
        key=one.key.hex(),
        verified=member.verified,
        first_seen_at=timestamp(one.recorded_at),
        span=span_on_wire(member.span, member.cut),
        standing=_STANDINGS[member.mark],
    )


def span_on_wire(span: Span, cut: Cut | None = None) -> person_pb2.Span | None:
    """Which part a span is; None where it is all of an identifier, or what of it is no other part.

    Without the cut that a time belongs to, nobody can tell when its part ends.
    """
    start = begins_at(span)
    if isinstance(cut, AtTimes) or start is not None:
        return person_pb2.Span(interval=_interval(start, cut.times if isinstance(cut, AtTimes) else ()))
    if span == WHOLE:
        return None
    return person_pb2.Span(session=span.hex()) if is_session(span) else person_pb2.Span(beside=span.hex())


def _interval(start: Micros | None, times: tuple[Micros, ...]) -> person_pb2.Interval:
    begun = 0 if start is None else bisect_right(times, start)
    until = times[begun] if begun < len(times) else None
    return person_pb2.Interval(**{"from": timestamp(start)}, until=timestamp(until))  # `from` is a word of Python


def explained_on_wire(explained: Explained) -> pb.ExplainPersonResponse:
    """An explanation."""
    return pb.ExplainPersonResponse(
        same=explained.same,
        people=map(person_on_wire, explained.people),
        chain=map(edge_on_wire, explained.chain),
        refused=map(edge_on_wire, explained.refused),
        cuts=map(cut_on_wire, explained.cuts),
        summary=explained.summary,
    )


def edge_on_wire(edge: Edge) -> person_pb2.Edge:
    """Two identifiers that were seen together or decided about."""
    together = edge.together
    first, last = (together.first, together.last) if together else (None, None)
    sights = (first, last, *together.proofs[0], *together.proofs[1]) if together else ()
    return person_pb2.Edge(
        one=identifier_on_wire(edge.one),
        other=identifier_on_wire(edge.other),
        sources=sorted({sight.source for sight in sights if sight and sight.source}),
        verified=edge.one.verified or edge.other.verified,
        first_seen_at=timestamp(first.recorded_at if first else edge.at),
        last_seen_at=timestamp(last.occurred_at if last else edge.at),
        count=together.count if together else 0,
        event_ids=edge.event_ids,
        outcome=_OUTCOMES[edge.outcome],
        reason=edge.reason,
        basis=_BASES[edge.basis],
    )


def cut_on_wire(history: HistoryInParts) -> pb.Cut:
    """How an identifier's history is cut, and whose its parts are."""
    return pb.Cut(
        identifier=identifier_on_wire(Member(history.identifier, mark=history.mark)),
        parts=(
            pb.SpanOwner(span=span_on_wire(span, history.cut), person_id=person.hex()) for span, person in history.parts
        ),
        reason=history.reason,
    )
