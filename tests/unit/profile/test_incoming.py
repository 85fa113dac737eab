import json
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from libs.people.identifiers import Refused
from libs.people.said import claims, unverified_pairs
from services.profile.domain.incoming import (
    Accepted,
    Intake,
    event_id_of,
    no_usable_identifier,
)
from services.profile.domain.interaction import Incoming
from services.profile.domain.rejection import Reason, Rejected
from services.profile.domain.schema import PropertySchema, Schema
from services.profile.domain.schema_history import SchemaHistory
from services.profile.domain.timestamps import read_time

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
ARRIVAL = 1_772_334_000_000_000  # 2026-03-01T11:00:00+08:00
FRESH = bytes.fromhex("0195000000007000800000000000000a")
INTAKE = Intake(SchemaHistory().current, SHANGHAI, None, lambda: FRESH)


def document(**fields: Any) -> bytes:
    whole = {"type": "track", "event": "package_viewed", "identifiers": {"phone": "13800138000"}} | fields
    return json.dumps(whole, ensure_ascii=False).encode()


def accepted(outcome: Accepted | Rejected) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome


def rejected(outcome: Accepted | Rejected) -> Rejected:
    assert isinstance(outcome, Rejected), outcome
    return outcome


def test_the_payload_is_the_document_as_sent() -> None:
    sent = document(message_id="m1", properties={"price": 6800, "note": "上海"})
    outcome = accepted(INTAKE.read(sent, ARRIVAL))
    assert outcome.payload == sent
    assert outcome.digest != accepted(INTAKE.read(document(message_id="m1"), ARRIVAL)).digest


def test_message_ids_are_told_apart_as_text() -> None:
    uuid = "01931c1e-7b1c-7c1e-8a1b-0123456789ab"
    assert event_id_of(uuid) == UUID(uuid).bytes
    texts = [uuid, uuid.upper(), uuid.replace("-", ""), f"{{{uuid}}}", f" {uuid}", f"{uuid}\n", "basket:1", "r\x001"]
    assert len({event_id_of(text) for text in texts}) == len(texts)


def test_message_ids_keep_their_event_ids_in_every_release() -> None:
    assert event_id_of("basket:31198").hex() == "46e5dbc1ad1f1ef3f5d4955ecc2c1647"


def test_an_interaction_without_id_counts_once_when_its_request_is_repeated() -> None:
    first, again = (accepted(INTAKE.read(document(), ARRIVAL, "import-7", 3)) for _ in range(2))
    others = [accepted(INTAKE.read(document(), ARRIVAL, *place)) for place in (("import-7", 4), ("import-73", 3))]
    assert first.event_id == again.event_id
    assert first.event_id not in {other.event_id for other in others}
    assert event_id_of(first.message_id) == first.event_id


def test_an_interaction_without_any_id_gets_a_fresh_one() -> None:
    outcome = accepted(INTAKE.read(document(), ARRIVAL))
    assert (outcome.event_id, outcome.message_id) == (FRESH, str(UUID(bytes=FRESH)))


def test_an_event_from_the_year_2099_is_taken_to_have_happened_on_arrival() -> None:
    # pitfall 31: else it would win every race of last writers, and move every window
    outcome = accepted(INTAKE.read(document(occurred_at="2099-01-01T00:00:00Z"), ARRIVAL))
    assert (outcome.occurred_at, outcome.sent_at) == (ARRIVAL, read_time("2099-01-01T00:00:00Z", SHANGHAI))


def test_a_tenant_on_event_time_is_bound_by_its_ceiling_alone() -> None:
    ceiling = read_time("2030-01-01T00:00:00Z", SHANGHAI)
    intake = Intake(SchemaHistory().current, NEW_YORK, ceiling, lambda: FRESH)
    within = accepted(intake.read(document(occurred_at="2029-12-31T00:00:00Z"), ARRIVAL))
    assert (within.occurred_at, within.sent_at) == (read_time("2029-12-31T00:00:00Z", SHANGHAI), None)
    beyond = rejected(intake.read(document(occurred_at="2030-01-01T00:00:00.000001Z"), ARRIVAL))
    assert (beyond.reason, beyond.field) == (Reason.BEYOND_CEILING, "occurred_at")
    assert rejected(intake.read(document(), ARRIVAL)).reason == Reason.MISSING_FIELD


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2026-03-08T01:59:59", "2026-03-08T06:59:59Z"),
        ("2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),  # skipped by the zone
        ("2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),  # repeated by the zone: the first
        ("2028-02-29T12:00:00", "2028-02-29T17:00:00Z"),
    ],
)
def test_a_time_without_offset_is_one_of_the_tenants_zone(local: str, instant: str) -> None:
    assert read_time(local, NEW_YORK) == read_time(instant, SHANGHAI)


@pytest.mark.parametrize("field", ["properties", "traits", "context"])
def test_more_than_a_thousand_properties_are_refused(field: str) -> None:
    accepted(INTAKE.read(document(**{field: {f"{n:x}": 1 for n in range(1000)}}), ARRIVAL))
    refused = rejected(INTAKE.read(document(**{field: {f"{n:x}": 1 for n in range(10_000)}}), ARRIVAL))
    assert (refused.reason, refused.field) == (Reason.TOO_MANY_PROPERTIES, field)
    assert "1,000" in refused.message


@pytest.mark.parametrize(
    ("field", "entries"),
    [
        ("identifiers", {f"t{n}": "v" for n in range(65)}),
        ("identifiers", {"openid": [f"v{n}" for n in range(40)], "cookie": [f"v{n}" for n in range(25)]}),
        ("identifiers", [{"type": "openid", "value": f"v{n}"} for n in range(65)]),
        ("consents", {f"c{n}": True for n in range(65)}),
        ("consents", [{"purpose": "p", "channel": f"c{n}", "state": "granted"} for n in range(65)]),
    ],
)
def test_more_than_64_entries_are_refused(field: str, entries: Any) -> None:
    refused = rejected(INTAKE.read(document(**{field: entries}), ARRIVAL))
    assert (refused.reason, refused.field) == (Reason.TOO_MANY_ENTRIES, field)


def test_128_kilobytes_are_taken_and_a_byte_more_is_refused() -> None:
    room = 128 * 1024 - len(document(properties={"text": ""}))
    accepted(INTAKE.read(document(properties={"text": "x" * room}), ARRIVAL))
    refused = rejected(INTAKE.read(document(properties={"text": "x" * (room + 1)}), ARRIVAL))
    assert (refused.reason, refused.field) == (Reason.TOO_LARGE, "")
    assert "131,072" in refused.message
    assert rejected(INTAKE.read(b"x" * 10_000_000, ARRIVAL)).reason == Reason.TOO_LARGE


@pytest.mark.parametrize("field", ["properties", "a_field_nobody_reads"])
def test_nesting_is_counted_wherever_it_stands(field: str) -> None:
    def nested(levels: int) -> bytes:
        within: Any = {}
        for level in range(levels):
            within = [within] if level % 2 else {"]}": within}
        return document(**{field: {"flat": [[], {}] * 20, "deep": within}})

    accepted(INTAKE.read(nested(29), ARRIVAL))  # and the document, the field, the innermost object: 32
    assert rejected(INTAKE.read(nested(30), ARRIVAL)).reason == Reason.TOO_DEEP


@pytest.mark.parametrize("start", [b"[", b'{"properties":{"a":', b'{"type":1,"remark":['])
def test_a_document_without_a_bottom_is_refused(start: bytes) -> None:
    for end in (b"", b"]" * 60_000, b"}" * 60_000):
        body = start + b"[" * 60_000 + end
        assert rejected(INTAKE.read(body, ARRIVAL)).reason in {Reason.TOO_DEEP, Reason.MALFORMED_JSON}


def test_many_byte_order_marks_are_no_json() -> None:
    assert rejected(INTAKE.read(b"\xef\xbb\xbf" * 40_000 + document(), ARRIVAL)).reason == Reason.MALFORMED_JSON


def test_a_published_schema_is_held_against_properties_and_traits() -> None:
    history, _, _ = SchemaHistory().publish(
        Schema("package_viewed", properties=(PropertySchema("price", "number", "price", required=True),)), ARRIVAL
    )
    history, _, _ = history.publish(Schema("traits", "traits", properties=(PropertySchema("age", "integer"),)), ARRIVAL)
    intake = Intake(history.current, SHANGHAI, None, lambda: FRESH)
    accepted(intake.read(document(event="Package Viewed", properties={"price": 1.5}, traits={"age": 30}), ARRIVAL))
    accepted(intake.read(document(event="something_else"), ARRIVAL))
    faults = [
        rejected(intake.read(body, ARRIVAL))
        for body in (
            document(event="Package-Viewed"),
            document(properties={"price": "68"}),
            document(properties={"price": 1}, traits={"age": 1.5}),
        )
    ]
    assert [(fault.reason, fault.field) for fault in faults] == [
        (Reason.MISSING_FIELD, "properties.price"),
        (Reason.WRONG_TYPE, "properties.price"),
        (Reason.WRONG_TYPE, "traits.age"),
    ]


def said(identifiers: Any) -> Incoming:
    return accepted(INTAKE.read(document(identifiers=identifiers), ARRIVAL)).said


def test_pairs_and_claims_say_the_same_unless_something_is_verified() -> None:
    short = said({"openid": ["a", 7], "phone": None, "cookie": "c"})
    long = said([{"type": "openid", "value": "a"}])
    proven = said([{"type": "openid", "value": "a", "verified": True}])
    assert unverified_pairs(short.identifiers) == [(claim.type, claim.value) for claim in claims(short.identifiers)]
    assert unverified_pairs(short.identifiers) == [("openid", "a"), ("openid", 7), ("cookie", "c")]
    assert unverified_pairs(long.identifiers) == [("openid", "a")]
    assert unverified_pairs(proven.identifiers) is None
    assert claims(proven.identifiers)[0].verified


def test_naming_nobody_says_what_was_refused_without_the_values() -> None:
    rejection = no_usable_identifier([Refused("phone", "13800000000", "NO_INFORMATION")])
    assert rejection.reason == Reason.NO_USABLE_IDENTIFIER
    assert rejection.message == "no identifier is usable: phone is NO_INFORMATION"
    assert "none was sent" in no_usable_identifier([]).message


def test_a_field_can_always_be_shown() -> None:
    rejection = Rejected(Reason.WRONG_TYPE, "properties." + "a\0" * 1000, "")
    assert rejection.field.isprintable()
    assert len(rejection.field) == 300
