"""Suggestions on the wire."""

from collections.abc import Iterator, Mapping
from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb

from libs.people.spans import WHOLE
from libs.rpc.times import timestamp
from services.identity.codec.persons import person_on_wire
from services.identity.domain.evidence import Key
from services.identity.domain.person import Person
from services.identity.linking.kept import State, Suggested

_STATES: Final[Mapping["pb.SuggestionState.ValueType", State]] = {
    pb.SUGGESTION_STATE_UNSPECIFIED: "open",
    pb.SUGGESTION_STATE_OPEN: "open",
    pb.SUGGESTION_STATE_ACCEPTED: "accepted",
    pb.SUGGESTION_STATE_REJECTED: "rejected",
    pb.SUGGESTION_STATE_SETTLED: "settled",
}
_ON_WIRE: Final = {state: wire for wire, state in _STATES.items()}


def state_of(wire: "pb.SuggestionState.ValueType") -> State:
    """Which suggestions are asked for."""
    return _STATES[wire]


def suggestion_on_wire(kept: Suggested, one: Person, other: Person) -> pb.Suggestion:
    """A suggestion with the two people as they are now, and a warning where they are others than they were."""
    told = kept.suggestion
    since = [*_since(told.one, kept.keys[0], one), *_since(told.other, kept.keys[1], other)]
    return pb.Suggestion(
        suggestion_id=kept.id.hex(),
        one=person_on_wire(one),
        other=person_on_wire(other),
        score=told.score,
        arguments=(
            pb.Argument(subject=each.subject, finding=each.finding, weight=each.weight) for each in told.arguments
        ),
        warnings=[*told.warnings, *since],
        state=_ON_WIRE[kept.state],
        suggested_at=timestamp(kept.suggested_at),
    )


def _since(founder: Key, keys: tuple[Key, ...], now: Person) -> Iterator[str]:
    """What became of a person since the suggestion was made."""
    if now.id != founder:
        yield f"{founder.hex()} has since become one with others, as {now.id.hex()}"
    gone = set(keys) - {member.identifier.key for member in now.members if member.span == WHOLE}
    if gone:
        yield f"{founder.hex()} has since come apart: {len(gone)} of its identifiers are not with it any more"
