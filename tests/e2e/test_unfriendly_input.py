"""An unfriendly afternoon, first half: whatever is sent ends in a named error or in quarantine, and spoils nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import grpc
import pytest
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb

from libs.devstack.stack import Stack
from libs.rpc.server import MAX_MESSAGE_BYTES
from tests.support.profile import (
    DUPLICATE,
    QUARANTINED,
    RECORDED,
    Client,
    document,
    fresh,
    identified,
    measured,
    moment,
    person,
    refused,
    tracked,
)
from tests.support.transport import eventually


@pytest.fixture(autouse=True)
async def _nothing_unforeseen(stack: Stack) -> AsyncIterator[None]:
    """Whatever a test sends, no call fails for a reason that nobody thought of."""
    yield
    assert await measured(stack, "portrait_unmapped_errors_total") == 0


async def reason(client: Client, said: dict[str, Any] | bytes) -> tuple[str, str]:
    """Why a document is in quarantine; what comes with it is recorded."""
    companion = fresh()
    bad, good = await client.collect(said, tracked(companion))
    assert (bad.outcome, good.outcome) == (QUARANTINED, RECORDED)
    request = quarantine_pb.ListQuarantinedRequest(reason=bad.rejection.reason, page_size=1_000)
    listed = (await client.quarantine.ListQuarantined(request)).interactions
    assert bad.rejection.quarantine_id in {one.quarantine_id for one in listed}
    assert (await client.portrait(companion)).interactions == 1
    return bad.rejection.reason, bad.rejection.field


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b'{"type": "track"', b"track", b'{"a": 1}}', b"\0"])
async def test_malformed_json_is_quarantined(demo: Client, text: bytes) -> None:
    assert (await reason(demo, text))[0] in {"MALFORMED_JSON", "WRONG_TYPE"}


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        ({"type": "buy"}, ("UNKNOWN_TYPE", "type")),
        ({"type": 7}, ("WRONG_TYPE", "type")),
        ({"event": ["a"]}, ("WRONG_TYPE", "event")),
        ({"event": ""}, ("MISSING_FIELD", "event")),
        ({"properties": "none"}, ("WRONG_TYPE", "properties")),
        ({"identifiers": {"user_id": {"a": 1}}}, ("WRONG_TYPE", "identifiers.user_id")),
        ({"occurred_at": 1_700_000_000}, ("WRONG_TYPE", "occurred_at")),
        ({"message_id": 7}, ("WRONG_TYPE", "message_id")),
        ({"consents": [{"purpose": "marketing"}]}, ("MISSING_FIELD", "consents[0].channel")),
    ],
)
async def test_wrong_types_are_quarantined_with_their_place(
    demo: Client, rest: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert await reason(demo, tracked(fresh(), **rest)) == fault


@pytest.mark.parametrize(
    "identifiers",
    [{}, [], {"user_id": None}, {"user_id": ""}, {"user_id": "null"}, {"shoe_size": "42"}, {"phone": "1"}],
)
async def test_an_interaction_of_nobody_is_quarantined(demo: Client, identifiers: Any) -> None:
    assert await reason(demo, tracked("", identifiers=identifiers)) == ("NO_USABLE_IDENTIFIER", "identifiers")


async def test_ten_megabytes_are_refused_with_the_limit_named(demo: Client) -> None:
    said = document(tracked(fresh(), properties={"x": "y" * 10_000_000}))
    why = await refused(demo.collect(said))
    assert why.code == "RESOURCE_EXHAUSTED"
    assert str(MAX_MESSAGE_BYTES) in why.message
    stream = demo.collector.CollectStream()
    await stream.write(pb.CollectStreamRequest(batch=pb.CollectRequest(documents=[said])))
    assert (await refused(stream.read())).code == "RESOURCE_EXHAUSTED"


async def test_an_event_that_fits_a_request_but_not_the_limit_of_events_is_quarantined(demo: Client) -> None:
    assert await reason(demo, tracked(fresh(), properties={"x": "y" * 3_900_000})) == ("TOO_LARGE", "")


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
async def test_invalid_utf_8_is_quarantined(demo: Client, bad: bytes) -> None:
    said = document(tracked(fresh(), source="MARK")).replace(b"MARK", bad)
    assert (await reason(demo, said))[0] == "INVALID_UTF8"


async def test_half_a_character_is_quarantined(demo: Client) -> None:
    said = document(tracked(fresh(), properties={"x": "MARK"})).replace(b"MARK", rb"\ud83d")
    assert (await reason(demo, said))[0] == "INVALID_TEXT"


@pytest.mark.parametrize("data", [b"\x22\x02\xff\xfe", b"\xff\xff\xff", b"\x0a\x7f"])
async def test_bytes_that_are_no_protobuf_or_no_text_are_an_error_of_the_caller(demo: Client, data: bytes) -> None:
    call: Any = demo.channel.unary_unary("/portrait.profile.v1.Collector/Collect", request_serializer=None)
    why = await refused(call(data))
    assert (why.code, why.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


async def test_the_year_2099_wins_no_race_and_moves_no_window(demo: Client) -> None:
    user = fresh()
    today = datetime.now(UTC)
    await demo.recorded(
        identified(user, {"city": "上海"}, occurred_at="2099-06-01T00:00:00Z"),
        tracked(user, "visited", occurred_at="2099-06-01T00:00:00Z"),
        tracked(user, "visited", occurred_at=(today - timedelta(days=3)).isoformat()),
    )
    await demo.recorded(identified(user, {"city": "北京"}))
    portrait = await demo.portrait(user)
    assert portrait.traits["city"].value.string_value == "北京"
    assert portrait.last_seen_at.ToDatetime(UTC) < datetime.now(UTC) + timedelta(seconds=1)
    visited = portrait.activity["visited"]
    assert (visited.count, visited.last_7_days, visited.last_90_days) == (2, 2, 2)
    later = await demo.portrait(user, as_of=moment("2099-07-01T00:00:00Z"))
    assert later.activity["visited"].last_90_days == 0
    key = bytes.fromhex(portrait.person_id)
    events = [one async for part in demo.log.ReadKey(log_pb.ReadKeyRequest(key=key)) for one in part.batch.events]
    assert events[0].sent_at_micros == moment("2099-06-01T00:00:00Z").ToMicroseconds(), "what was claimed is kept"


@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "-0044-03-15T00:00:00Z"),
        *("yesterday", "", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "1772330400"),
    ],
)
async def test_the_year_1_and_what_is_no_time_are_quarantined(demo: Client, text: str) -> None:
    assert await reason(demo, tracked(fresh(), occurred_at=text)) == ("INVALID_TIME", "occurred_at")


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01T10:00:00 Mars/Phobos", "2026-03-01T10:00:00[Nowhere/City]", "2026-03-01T10:00:00XYZ"),
        *("2026-03-01T10:00:00+25:00", "2026-03-01T10:00:00 Asia/Shanghai"),
    ],
)
async def test_an_unknown_time_zone_is_quarantined(demo: Client, text: str) -> None:
    assert await reason(demo, tracked(fresh(), occurred_at=text)) == ("INVALID_TIME", "occurred_at")


async def test_of_two_payloads_under_one_id_the_first_stands(demo: Client) -> None:
    users = [fresh(), fresh()]
    first, second = (tracked(user, message_id=fresh("message")) for user in users)
    second["message_id"] = first["message_id"]
    (place,) = await demo.recorded(first)
    (result,) = await demo.collect(second)
    assert (result.outcome, result.position, result.content_differs) == (DUPLICATE, place, True)
    assert (await demo.portrait(users[0])).interactions == 1
    assert (await refused(demo.portrait(users[1]))).code == "NOT_FOUND"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"0x10", b"1_000", b"--1"])
async def test_amounts_that_are_no_numbers_are_quarantined(demo: Client, number: bytes) -> None:
    said = document(tracked(fresh(), "order_completed", properties={"revenue": "MARK"})).replace(b'"MARK"', number)
    assert (await reason(demo, said))[0] in {"MALFORMED_JSON", "NUMBER_OUT_OF_RANGE"}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1e999", "¥5", "", [], {}, True, 1e300])
async def test_amounts_that_can_not_be_read_count_no_money(demo: Client, text: Any) -> None:
    user = fresh()
    await demo.recorded(
        tracked(user, "order_completed", properties={"revenue": text, "currency": "CNY"}),
        tracked(user, "order_completed", properties={"revenue": "19.90", "currency": "CNY"}),
    )
    portrait = await demo.portrait(user)
    assert portrait.activity["order_completed"].count == 2
    assert (portrait.spending["CNY"].total.minor, portrait.spending["CNY"].largest.minor) == (1990, 1990)


async def test_ten_thousand_properties_are_quarantined(demo: Client) -> None:
    many = {str(number): 1 for number in range(10_000)}
    assert await reason(demo, tracked(fresh(), properties=many)) == ("TOO_MANY_PROPERTIES", "properties")
    assert await reason(demo, identified(fresh(), many)) == ("TOO_MANY_PROPERTIES", "traits")


async def test_what_is_nested_without_end_is_quarantined(demo: Client) -> None:
    said = document(tracked(fresh(), properties={"x": "MARK"})).replace(b'"MARK"', b"[" * 50_000 + b"]" * 50_000)
    assert (await reason(demo, said))[0] == "TOO_DEEP"


async def test_a_deadline_of_a_millisecond_is_exceeded_and_leaves_no_query_behind(demo: Client, stack: Stack) -> None:
    users = [fresh() for _ in range(20)]
    await demo.recorded(*(tracked(user) for user in users for _ in range(10)))
    get = profiles_pb.GetProfileRequest(person=person(users[0]))
    many = profiles_pb.BatchGetProfilesRequest(people=[person(user) for user in users])
    calls: tuple[Callable[[], Any], ...] = (
        lambda: demo.profiles.GetProfile(get, timeout=0.001),
        lambda: demo.profiles.BatchGetProfiles(many, timeout=0.001),
        lambda: demo.profiles.ListTimeline(profiles_pb.ListTimelineRequest(person=person(users[1])), timeout=0.001),
        lambda: demo.quarantine.ListQuarantined(quarantine_pb.ListQuarantinedRequest(), timeout=0.001),
        lambda: demo.collector.Collect(pb.CollectRequest(documents=[document(tracked("nobody"))]), timeout=0.001),
    )
    for _ in range(20):
        for outcome in await asyncio.gather(*(call() for call in calls), return_exceptions=True):
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, grpc.aio.AioRpcError)
                assert outcome.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    async with locked(stack, "portraits") as others:
        why = await refused(demo.profiles.GetProfile(get, timeout=0.3))
        assert why.code == "DEADLINE_EXCEEDED"

        async def nobody_waits() -> bool:
            return bool(await others() == 0)

        await eventually(nobody_waits)
    assert (await demo.portrait(users[0])).interactions == 10


@asynccontextmanager
async def locked(stack: Stack, table: str) -> AsyncIterator[Any]:
    """Nobody can read the table inside the block; yields a count of the queries that wait for somebody."""
    connection = await asyncpg.connect(stack.postgres.dsn("profile"))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'profile' AND wait_event_type = 'Lock' "
        "AND query LIKE '%wanted%'"
    )
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield lambda: connection.fetchval(waiting)
    finally:
        await connection.close()


async def test_callers_who_hang_up_leave_every_interaction_counted_once(demo: Client) -> None:
    user = fresh()
    batches = [[tracked(user) for _ in range(20)] for _ in range(25)]
    calls = []
    for batch in batches:
        call = demo.collector.Collect(pb.CollectRequest(documents=[document(one) for one in batch]))
        calls.append(call)
        await asyncio.sleep(0.001)
    for call in calls:
        call.cancel()
    await asyncio.sleep(0.1)
    for batch in batches:
        assert {one.outcome for one in await demo.collect(*batch)} <= {RECORDED, DUPLICATE}
    assert (await demo.portrait(user)).interactions == 500


async def test_a_caller_gone_in_the_middle_of_a_stream_finds_in_the_log_what_was_answered(demo: Client) -> None:
    user = fresh()
    said = [[tracked(user) for _ in range(10)] for _ in range(40)]
    stream = demo.collector.CollectStream()
    answered = 0
    for batch in said:
        request = pb.CollectRequest(documents=[document(one) for one in batch])
        await stream.write(pb.CollectStreamRequest(batch=request))
        if answered < 7:
            await stream.read()
            answered += 1
    stream.cancel()
    await asyncio.sleep(0.1)
    known = {entry.message_id for entry in await demo.timeline(user, page_size=1_000)}
    assert {one["message_id"] for batch in said[:answered] for one in batch} <= known
    for batch in said:
        await demo.collect(*batch)
    assert (await demo.portrait(user)).interactions == 400
