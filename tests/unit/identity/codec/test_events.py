"""The identity log can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.event import Envelope, Recorded
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession
from services.identity.codec.events import change_of, decision_of, id_of, key_of, payload_of, type_of
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

KEYS = st.binary(min_size=16, max_size=16)
TIMES = st.integers(-(2**62), 2**62)
VERSIONS = st.integers(1, 2**60)
SPANS = st.one_of(st.just(WHOLE), st.binary(min_size=8, max_size=8), st.binary(min_size=12, max_size=12), KEYS)
CUTS = st.one_of(
    st.none(), st.just(BySession()), st.just(ByIdentifier()), st.lists(TIMES).map(lambda times: AtTimes(tuple(times)))
)
PEOPLE = st.lists(KEYS, min_size=2, max_size=4).map(tuple)
CHANGES = st.one_of(
    st.builds(IdentifierMoved, KEYS, SPANS, KEYS, KEYS, VERSIONS, KEYS),
    st.builds(AnchorCut, KEYS, CUTS, VERSIONS, KEYS),
    st.builds(PersonsMerged, KEYS, PEOPLE, KEYS),
    st.builds(PersonsSplit, KEYS, PEOPLE, KEYS),
)
PHONE, USER = Of(b"p" * 16, "phone"), Of(b"u" * 16, "user_id")
VALUES = {PHONE.key: "+8613800138000", USER.key: "u1"}
DECISIONS = [
    *(kind(b"e" * 16, 7, "ann", "why", a=PHONE, b=USER) for kind in (Linked, Unlinked, LinkLeft, Forbidden, Allowed)),
    *(kind(b"e" * 16, 7, "ann", "why", identifier=PHONE) for kind in (Blocked, Unblocked)),
]


def recorded(said: IdentityDecision | IdentityChange, cause: bytes = b"") -> Recorded:
    seal = Envelope("demo", type_of(said), causation_id=cause).seal()
    event = seal.event(b"e" * 16, key_of(said), 7, payload_of(said, VALUES))
    return Recorded(1, 9, log_pb.Event.FromString(event.data))


@given(CHANGES)
def test_a_change_comes_back(change: IdentityChange) -> None:
    assert change_of(recorded(change, change.cause).event) == change


@pytest.mark.parametrize("decision", DECISIONS, ids=type_of)
def test_a_decision_comes_back_with_the_values_it_is_about(decision: IdentityDecision) -> None:
    back, values = decision_of(recorded(decision))
    assert back == decision
    assert values.items() <= VALUES.items()


@given(CHANGES, CHANGES)
def test_two_changes_have_two_ids(one: IdentityChange, other: IdentityChange) -> None:
    assert (id_of(one, b"") == id_of(other, b"")) == (one == other or _same_place(one, other))


def _same_place(one: IdentityChange, other: IdentityChange) -> bool:
    match one, other:
        case (IdentifierMoved(), IdentifierMoved()):
            return (one.identifier, one.span, one.version, one.cause) == (
                other.identifier,
                other.span,
                other.version,
                other.cause,
            )
        case (AnchorCut(), AnchorCut()):
            return (one.anchor, one.version, one.cause) == (other.anchor, other.version, other.cause)
        case _:
            return False
