"""Whatever comes in, the answer is accepted or rejected; and what is accepted can be folded."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.people.said import claims, unverified_pairs
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.incoming import Accepted, event_id_of
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait, record
from services.profile.domain.rejection import Reason, Rejected
from services.profile.domain.snapshot import decode, encode, fingerprint
from tests.unit.profile.test_incoming import ARRIVAL, INTAKE

CALENDAR = Calendar("Asia/Shanghai", "CNY")

numbers = st.integers() | st.floats() | st.sampled_from([2**53, 2**64, -(2**63) - 1, 10**300, 1e308, -0.0, 1e-320])
texts = st.text(max_size=20) | st.sampled_from(
    ["", "\0", "\ud800", "\udfff", "19.90", "NaN", "2026-03-01", "CNY", "JPY"]
)
names = texts | st.sampled_from(
    ["product_id", "price", "quantity", "currency", "revenue", "products", "category", "sms"]
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(names, anything, max_size=5)
identifiers = st.dictionaries(names, texts | st.integers() | st.none() | st.lists(texts, max_size=3), max_size=4)
consent = st.fixed_dictionaries(
    {"purpose": st.just("marketing") | texts, "channel": names, "state": st.sampled_from(["granted", "denied", "x"])},
    optional={"address": texts, "basis": texts, "expires_at": texts},
)
events = st.sampled_from(["order_completed", "Order Refunded", "package_viewed", "message_clicked"]) | texts
likely = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"])},
    optional={
        "message_id": texts,
        "event": events,
        "occurred_at": texts | st.datetimes().map(lambda moment: moment.isoformat()),
        "source": texts,
        "identifiers": identifiers,
        "properties": objects,
        "traits": objects,
        "context": objects,
        "consents": st.dictionaries(names, st.booleans(), max_size=3) | st.lists(consent, max_size=3),
    },
)
spoilt = st.builds(lambda whole, name, value: whole | {name: value}, likely, names, anything)
documents = (anything | likely | spoilt).flatmap(
    lambda value: st.booleans().map(
        lambda ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    )
)


def judge(document: bytes) -> None:
    outcome = INTAKE.read(document, ARRIVAL)
    if isinstance(outcome, Rejected):
        assert outcome.reason in Reason
        assert outcome.message
        assert outcome.field.isprintable()
    else:
        fold(outcome)


def fold(accepted: Accepted) -> None:
    assert accepted.occurred_at <= (accepted.sent_at or accepted.occurred_at)
    assert event_id_of(accepted.message_id) == accepted.event_id
    assert unverified_pairs(accepted.said.identifiers) in (
        None,
        [(claim.type, claim.value) for claim in claims(accepted.said.identifiers)],
    )
    accepted.payload.decode()
    said = read_interaction(accepted.payload)
    portrait = Portrait()
    reading = INTAKE.schemas.reading(event_name(said))
    record(portrait, Fact(accepted.event_id, accepted.occurred_at, said), reading, CALENDAR)
    assert fingerprint(decode(encode(portrait))) == fingerprint(portrait)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_judged(document: bytes) -> None:
    judge(document)


@settings(max_examples=400, deadline=None)
@given(documents)
def test_arbitrary_json_is_judged(document: bytes) -> None:
    judge(document)


@settings(deadline=None)
@given(likely, st.data())
def test_a_document_with_a_few_bytes_changed_is_judged(whole: dict[str, Any], data: st.DataObject) -> None:
    document = bytearray(json.dumps(whole).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    judge(bytes(document))
