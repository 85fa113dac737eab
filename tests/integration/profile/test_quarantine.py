"""`Quarantine`: nothing is lost, and what is mended is recorded."""

from collections.abc import Sequence
from typing import Any

import pytest
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import quarantine_service_pb2 as pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.rpc.pages import next_page
from tests.support.profile import (
    DUPLICATE,
    QUARANTINED,
    RECORDED,
    Client,
    document,
    fresh,
    refused,
    tracked,
)


async def set_aside(client: Client, *documents: Any, **request: Any) -> list[str]:
    """The ids of documents that are in quarantine now."""
    results = await client.collect(*documents, **request)
    assert [one.outcome for one in results] == [QUARANTINED] * len(documents)
    return [one.rejection.quarantine_id for one in results]


async def waiting(client: Client, reason: str = "", page_size: int = 1_000) -> list[Any]:
    """Everything in quarantine, read page by page."""
    found: list[Any] = []
    token = ""
    while True:
        request = pb.ListQuarantinedRequest(reason=reason, page_size=page_size, page_token=token)
        answer = await client.quarantine.ListQuarantined(request)
        found += answer.interactions
        token = answer.next_page_token
        if not token:
            assert answer.total >= len(found)
            return found


async def one(client: Client, id_: str) -> Any:
    (found,) = (each for each in await waiting(client) if each.quarantine_id == id_)
    return found


async def reprocess(client: Client, *items: tuple[str, bytes]) -> Sequence[Any]:
    wire = [pb.ReprocessItem(quarantine_id=id_, document=mended) for id_, mended in items]
    answer = await client.quarantine.Reprocess(pb.ReprocessRequest(items=wire))
    results: Sequence[Any] = answer.results
    return results


async def discard(client: Client, *ids: str, reason: str = "spam") -> int:
    answer = await client.quarantine.Discard(pb.DiscardRequest(quarantine_ids=ids, reason=reason))
    return int(answer.discarded)


async def test_what_can_not_be_recorded_waits_as_it_came(demo: Client) -> None:
    said = tracked(fresh(), identifiers={"phone": "138****8000"})
    import_id = fresh("import")
    (id_,) = await set_aside(demo, said, import_id=import_id)
    found = await one(demo, id_)
    assert (found.document, found.truncated) == (document(said), False)
    assert (found.import_id, found.attempts) == (import_id, 0)
    assert (found.rejection.reason, found.rejection.field) == ("NO_USABLE_IDENTIFIER", "identifiers")
    assert "phone is MASKED" in found.rejection.message
    assert "8000" not in found.rejection.message


async def test_the_same_document_waits_once(demo: Client) -> None:
    said = document(tracked("null"))
    assert await set_aside(demo, said, said) == await set_aside(demo, said) * 2
    assert len([each for each in await waiting(demo) if each.document == said]) == 1


async def test_pages_hold_everything_once_newest_first(demo: Client) -> None:
    ids: list[str] = []
    for _ in range(4):
        ids += await set_aside(demo, *(tracked("null") for _ in range(3)))
    found = await waiting(demo, page_size=5)
    arrived = [each.arrived_at.ToMicroseconds() for each in found]
    assert arrived == sorted(arrived, reverse=True)
    listed = [each.quarantine_id for each in found]
    assert len(listed) == len(set(listed))
    assert set(ids) <= set(listed)


async def test_a_reason_narrows_the_list_and_its_token_is_good_for_it_only(demo: Client) -> None:
    (malformed, mad) = await set_aside(demo, b"{" + fresh().encode(), b"[" + fresh().encode())
    (nobody,) = await set_aside(demo, tracked("null"))
    listed = {each.quarantine_id for each in await waiting(demo, "MALFORMED_JSON")}
    assert {malformed, mad} <= listed
    assert nobody not in listed
    first = await demo.quarantine.ListQuarantined(pb.ListQuarantinedRequest(reason="MALFORMED_JSON", page_size=1))
    request = pb.ListQuarantinedRequest(reason="TOO_LARGE", page_token=first.next_page_token)
    assert (await refused(demo.quarantine.ListQuarantined(request))).violations.keys() == {"page_token"}


@pytest.mark.parametrize("cursor", [(1, b"ab"), (1, bytes(17)), (2**63, bytes(16))])
async def test_a_forged_token_is_refused(demo: Client, cursor: tuple[int, bytes]) -> None:
    request = pb.ListQuarantinedRequest(page_token=next_page(pb.ListQuarantinedRequest(), cursor))
    assert (await refused(demo.quarantine.ListQuarantined(request))).violations.keys() == {"page_token"}


async def test_what_is_too_large_is_kept_whole_shown_in_part_and_can_be_mended(demo: Client) -> None:
    user = fresh()
    said = tracked(user, properties={"x": "y" * 200_000})
    (id_,) = await set_aside(demo, said)
    found = await one(demo, id_)
    assert (found.rejection.reason, found.truncated, len(found.document)) == ("TOO_LARGE", True, 64 * 1024)
    assert "131,072" in found.rejection.message
    (still,) = await reprocess(demo, (id_, b""))
    assert (still.outcome, still.rejection.quarantine_id) == (QUARANTINED, id_)
    (mended,) = await reprocess(demo, (id_, document({**said, "properties": {"x": "y"}})))
    assert mended.outcome == RECORDED
    assert (await demo.portrait(user)).interactions == 1


async def test_a_page_of_large_documents_is_cut_short_rather_than_refused(demo: Client) -> None:
    large = [tracked(fresh(), properties={"x": "y" * 140_000}) for _ in range(40)]
    ids = [*await set_aside(demo, *large[:20]), *await set_aside(demo, *large[20:])]
    assert set(ids) <= {each.quarantine_id for each in await waiting(demo, "TOO_LARGE")}
    await discard(demo, *ids)


async def test_what_is_mended_is_recorded_and_no_longer_waits(demo: Client) -> None:
    user = fresh()
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said)
    (result,) = await reprocess(demo, (id_, document({**said, "identifiers": {"user_id": user}})))
    assert result.outcome == RECORDED
    portrait = await demo.portrait(user, at_least=result.position)
    assert portrait.interactions == 1
    assert id_ not in {each.quarantine_id for each in await waiting(demo)}


async def test_what_was_reprocessed_is_answered_with_its_place_however_often_it_is_asked_for(demo: Client) -> None:
    user = fresh()
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said)
    mended = document({**said, "identifiers": {"user_id": user}})
    (first,) = await reprocess(demo, (id_, mended))
    for repeated in (mended, b"", document({**said, "message_id": fresh(), "identifiers": {"user_id": user}})):
        (again,) = await reprocess(demo, (id_, repeated))
        assert (again.outcome, again.position) == (DUPLICATE, first.position)
    assert (await demo.portrait(user)).interactions == 1


async def test_what_is_still_bad_keeps_its_id_and_counts_the_attempts(demo: Client) -> None:
    user = fresh()
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said)
    for attempt in (1, 2):
        mended = document({**said, "identifiers": {"user_id": "null"}, "source": f"mended {attempt}"})
        (result,) = await reprocess(demo, (id_, mended))
        assert (result.outcome, result.rejection.quarantine_id) == (QUARANTINED, id_)
        found = await one(demo, id_)
        assert (found.document, found.attempts) == (mended, attempt)
    assert (await reprocess(demo, (id_, document({**said, "identifiers": {"user_id": user}}))))[0].outcome == RECORDED


async def test_a_retry_of_the_producer_does_not_undo_what_was_mended_so_far(demo: Client) -> None:
    said = tracked(fresh(), identifiers={})
    (id_,) = await set_aside(demo, said)
    half = document({**said, "identifiers": {"user_id": "null"}})
    await reprocess(demo, (id_, half))
    assert await set_aside(demo, said) == [id_]
    found = await one(demo, id_)
    assert (found.document, found.attempts) == (half, 1)
    assert "PLACEHOLDER" in found.rejection.message


async def test_a_document_that_was_given_up_and_comes_again_waits_as_it_came(demo: Client) -> None:
    said = tracked(fresh(), identifiers={})
    (id_,) = await set_aside(demo, said)
    await reprocess(demo, (id_, document({**said, "identifiers": {"user_id": "null"}})))
    assert await discard(demo, id_) == 1
    import_id = fresh("import")
    assert await set_aside(demo, said, import_id=import_id) == [id_]
    found = await one(demo, id_)
    assert (found.document, found.attempts, found.import_id) == (document(said), 0, import_id)
    assert found.rejection.message == "no identifier is usable: none was sent"


async def test_once_its_schema_allows_it_a_document_is_recorded_as_it_is(demo: Client) -> None:
    user, name = fresh(), fresh("event").replace("-", "_")
    strict = schemas_pb.Schema(
        name=name,
        kind=schemas_pb.SCHEMA_KIND_EVENT,
        unknown_properties=schemas_pb.UNKNOWN_PROPERTIES_QUARANTINE,
    )
    await demo.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=strict))
    (id_,) = await set_aside(demo, tracked(user, name, properties={"colour": "red"}))
    strict.properties.add(name="colour")
    await demo.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=strict))
    (result,) = await reprocess(demo, (id_, b""))
    assert result.outcome == RECORDED
    (entry,) = await demo.timeline(user)
    assert entry.properties["colour"] == "red"


async def test_a_document_without_an_id_is_recorded_once_however_often_it_is_mended(demo: Client) -> None:
    user = fresh()
    said = {**tracked(user, identifiers={}), "message_id": ""}
    mended = document({**said, "identifiers": {"user_id": user}})
    (id_,) = await set_aside(demo, said)
    assert (await reprocess(demo, (id_, mended)))[0].outcome == RECORDED
    assert await set_aside(demo, said) == [id_]
    assert (await reprocess(demo, (id_, mended)))[0].outcome == DUPLICATE
    assert (await demo.portrait(user)).interactions == 1


async def test_mended_documents_stay_with_their_import(demo: Client) -> None:
    user, import_id = fresh(), fresh("import")
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said, import_id=import_id)
    await reprocess(demo, (id_, document({**said, "identifiers": {"user_id": user}})))
    answer = await demo.collector.Retract(collector_pb.RetractRequest(import_id=import_id))
    assert answer.retracted == 1
    assert (await refused(demo.portrait(user))).code == "NOT_FOUND"


async def test_an_interaction_named_twice_is_tried_once(demo: Client) -> None:
    user = fresh()
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said)
    mended = document({**said, "identifiers": {"user_id": user}})
    why = await refused(reprocess(demo, (id_, mended), (id_, mended)))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "items[1].quarantine_id")
    assert (await reprocess(demo, (id_, mended)))[0].outcome == RECORDED


async def test_one_that_does_not_wait_stops_the_request_before_anything_is_tried(demo: Client) -> None:
    user = fresh()
    said = tracked(user, identifiers={})
    (id_,) = await set_aside(demo, said)
    mended = document({**said, "identifiers": {"user_id": user}})
    why = await refused(reprocess(demo, (id_, mended), ("0" * 32, b"")))
    assert (why.code, why.metadata["name"]) == ("NOT_FOUND", "0" * 32)
    assert (await one(demo, id_)).attempts == 0


async def test_what_is_given_up_waits_no_longer(demo: Client) -> None:
    ids = await set_aside(demo, tracked("null"), tracked("null"))
    assert await discard(demo, *ids, "0" * 32) == 2
    assert await discard(demo, *ids) == 0
    assert not set(ids) & {each.quarantine_id for each in await waiting(demo)}
    assert (await refused(reprocess(demo, (ids[0], b"")))).code == "NOT_FOUND"


async def test_giving_up_needs_a_reason_and_ids(demo: Client) -> None:
    assert (await refused(discard(demo, "0" * 32, reason=""))).violations.keys() == {"reason"}
    assert (await refused(discard(demo))).violations.keys() == {"quarantine_ids"}
    assert (await refused(discard(demo, "x"))).violations.keys() == {"quarantine_ids[0]"}
    assert (await refused(reprocess(demo))).violations.keys() == {"items"}
