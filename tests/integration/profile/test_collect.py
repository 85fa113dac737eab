"""`Collector.Collect`: every interaction of a batch has an outcome of its own."""

import asyncio
from typing import Any

from google.protobuf.json_format import MessageToDict
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1 import interaction_pb2

from libs.rpc.server import MAX_MESSAGE_BYTES
from tests.support.profile import (
    DUPLICATE,
    QUARANTINED,
    RECORDED,
    Client,
    document,
    fresh,
    identified,
    moment,
    refused,
    tracked,
    typed,
)


async def test_typed_interactions_and_documents_are_answered_in_the_order_of_the_request(demo: Client) -> None:
    user = fresh()
    first = typed(user)
    request = pb.CollectRequest(
        interactions=[first, typed(""), typed(user)],
        documents=[b"{", document(tracked(user)), document({**tracked(user), "message_id": first.message_id})],
    )
    results = (await demo.collector.Collect(request)).results
    assert [one.outcome for one in results] == [RECORDED, QUARANTINED, RECORDED, QUARANTINED, RECORDED, DUPLICATE]
    assert results[5].position == results[0].position
    assert [results[1].rejection.reason, results[3].rejection.reason] == ["NO_USABLE_IDENTIFIER", "MALFORMED_JSON"]
    assert (await demo.portrait(user)).interactions == 3


async def test_a_typed_interaction_says_the_same_as_its_document(demo: Client) -> None:
    user = fresh()
    consent = interaction_pb2.Consent(
        purpose="marketing", channel="sms", state=interaction_pb2.CONSENT_STATE_GRANTED, basis="law"
    )
    consent.expires_at.CopyFrom(moment("2030-01-01T00:00:00Z"))
    said = typed(
        user,
        "order_completed",
        occurred_at=moment("2026-03-01T02:00:00.123456Z"),
        properties=b'{"order_id": "o1", "revenue": 68.5, "currency": "CNY"}',
        traits='{"city": "上海"}'.encode(),
        context=b'{"session_id": "s1"}',
        consents=[consent],
    )
    await demo.collector.Collect(pb.CollectRequest(interactions=[said]))
    portrait = await demo.portrait(user)
    assert portrait.traits["city"].value.string_value == "上海"
    assert portrait.spending["CNY"].total.minor == 6850
    (standing,) = portrait.consents
    assert (standing.state, standing.basis) == (consent.state, "law")
    assert standing.expires_at == consent.expires_at
    (entry,) = await demo.timeline(user)
    assert entry.occurred_at == said.occurred_at
    assert MessageToDict(entry.properties) == {"order_id": "o1", "revenue": 68.5, "currency": "CNY"}


async def test_whoever_only_validates_hears_the_verdicts_and_changes_nothing(demo: Client) -> None:
    user = fresh()
    good, bad = await demo.collect(tracked(user), tracked("null"), validate_only=True)
    assert good == pb.CollectResult(outcome=RECORDED)
    assert (bad.outcome, bad.rejection.reason, bad.rejection.quarantine_id) == (QUARANTINED, "NO_USABLE_IDENTIFIER", "")
    assert (await refused(demo.portrait(user))).code == "NOT_FOUND"


async def test_a_repeated_message_counts_once_and_has_the_place_of_the_first(demo: Client) -> None:
    user = fresh()
    said = tracked(user)
    (first,) = await demo.recorded(said)
    (again,) = await demo.collect(said)
    assert (again.outcome, again.position, again.content_differs) == (DUPLICATE, first, False)
    assert (await demo.portrait(user)).interactions == 1


async def test_a_repeated_message_in_one_batch_counts_once(demo: Client) -> None:
    said = tracked(fresh())
    first, again = await demo.collect(said, said)
    assert (first.outcome, again.outcome) == (RECORDED, DUPLICATE)
    assert first.position == again.position


async def test_the_first_of_two_that_share_an_id_stands_and_the_difference_is_told(demo: Client) -> None:
    user = fresh()
    said = tracked(user, properties={"product_id": "first"})
    await demo.recorded(said)
    (again,) = await demo.collect({**said, "properties": {"product_id": "second"}})
    assert (again.outcome, again.content_differs) == (DUPLICATE, True)
    (entry,) = await demo.timeline(user)
    assert entry.properties["product_id"] == "first"


async def test_a_repeated_request_counts_interactions_without_an_id_once(demo: Client) -> None:
    user, request = fresh(), fresh("request")
    said = [{**tracked(user, event), "message_id": ""} for event in ("a", "a", "b")]
    places = await demo.recorded(*said, request_id=request)
    again = await demo.collect(*said, request_id=request)
    assert [one.outcome for one in again] == [DUPLICATE] * 3
    assert [one.position for one in again] == list(places)
    await demo.recorded(*said, request_id=fresh("request"))
    assert (await demo.portrait(user)).interactions == 6


async def test_without_any_id_every_interaction_is_a_new_one(demo: Client) -> None:
    user = fresh()
    said = {**tracked(user), "message_id": ""}
    await demo.recorded(said, said)
    await demo.recorded(said)
    assert (await demo.portrait(user)).interactions == 3


async def test_concurrent_repeats_are_recorded_once(demo: Client) -> None:
    user = fresh()
    said = [tracked(user) for _ in range(20)]
    answers = await asyncio.gather(*(demo.collect(*said) for _ in range(8)))
    outcomes = [[answer[index].outcome for answer in answers] for index in range(20)]
    assert all(one.count(RECORDED) == 1 and one.count(DUPLICATE) == 7 for one in outcomes)
    assert (await demo.portrait(user)).interactions == 20


async def test_two_thousand_five_hundred_interactions_are_a_batch_and_one_more_is_too_many(demo: Client) -> None:
    user = fresh()
    said = [tracked(user) for _ in range(2_501)]
    why = await refused(demo.collect(*said))
    assert (why.code, why.reason, why.metadata["limit"]) == ("INVALID_ARGUMENT", "TOO_LARGE", "2500")
    await demo.recorded(*said[:2_500])
    assert (await demo.portrait(user)).interactions == 2_500


async def test_a_request_of_more_than_four_megabytes_hears_the_limit(demo: Client) -> None:
    why = await refused(demo.collect(*(tracked(fresh(), properties={"x": "y" * 100_000}) for _ in range(50))))
    assert why.code == "RESOURCE_EXHAUSTED"
    assert str(MAX_MESSAGE_BYTES) in why.message


async def test_names_of_imports_and_requests_have_limits(demo: Client) -> None:
    why = await refused(demo.collect(tracked(fresh()), import_id="é" * 65))
    assert (why.code, why.reason) == ("INVALID_ARGUMENT", "TOO_LONG")
    assert why.violations.keys() == {"import_id"}
    why = await refused(demo.collect(tracked(fresh()), request_id="a\0"))
    assert why.violations.keys() == {"request_id"}


async def test_a_mode_that_nobody_knows_is_refused(demo: Client) -> None:
    why = await refused(demo.collect(tracked(fresh()), mode=7))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "mode")


async def test_values_that_nobody_knows_spoil_their_own_interaction_only(demo: Client) -> None:
    user = fresh()
    consent = interaction_pb2.Consent(purpose="marketing", channel="sms", state=99)  # type: ignore[arg-type]
    request = pb.CollectRequest(interactions=[typed(user, type=99), typed(user, consents=[consent]), typed(user)])
    of_type, of_consent, good = (await demo.collector.Collect(request)).results
    assert (of_type.rejection.reason, of_type.rejection.field) == ("UNKNOWN_TYPE", "type")
    assert (of_consent.rejection.reason, of_consent.rejection.field) == ("WRONG_TYPE", "consents[0].state")
    assert good.outcome == RECORDED


async def test_an_empty_batch_has_an_empty_answer(demo: Client) -> None:
    assert await demo.collect() == []


async def test_a_portrait_contains_everything_that_was_acknowledged(demo: Client) -> None:
    user = fresh()
    for count in range(1, 41):
        (position,) = await demo.recorded(tracked(user))
        portrait = await demo.portrait(user)
        assert portrait.interactions == count
        assert list(portrait.contains) == [position]


async def test_history_that_is_imported_late_does_not_overwrite_what_is_newer(demo: Client) -> None:
    # pitfall 19
    """As if the import had come first: the portrait does not show the order of arrival."""
    late, early = fresh(), fresh()
    new: dict[str, Any] = {"traits": {"city": "上海", "age": 30}, "occurred_at": "2026-03-01T10:00:00Z"}
    old: dict[str, Any] = {"traits": {"city": "北京", "name": "Wei"}, "occurred_at": "2020-03-01T10:00:00Z"}
    historical = {"mode": log_pb.MODE_HISTORICAL, "import_id": fresh("import")}
    await demo.recorded(identified(late, **new))
    await demo.recorded(identified(late, **old), **historical)
    await demo.recorded(identified(early, **old), **historical)
    await demo.recorded(identified(early, **new))
    for user in (late, early):
        portrait = await demo.portrait(user)
        said = {name: MessageToDict(trait.value) for name, trait in portrait.traits.items()}
        assert said == {"city": "上海", "age": 30, "name": "Wei"}
        assert portrait.traits["city"].occurred_at == moment("2026-03-01T10:00:00Z")
        assert portrait.first_seen_at == moment("2020-03-01T10:00:00Z")
        assert portrait.last_seen_at == moment("2026-03-01T10:00:00Z")
