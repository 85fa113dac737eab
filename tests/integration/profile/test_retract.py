"""`Collector.Retract`: as if it had never been sent."""

from portrait.profile.v1 import collector_service_pb2 as pb

from tests.support.profile import RECORDED, Client, fresh, identified, refused, tracked


async def retract(client: Client, **target: str) -> tuple[int, int]:
    answer = await client.collector.Retract(pb.RetractRequest(**target))
    return answer.retracted, answer.remaining


async def test_a_retracted_message_leaves_no_trace_in_the_portrait(demo: Client) -> None:
    user = fresh()
    first = identified(user, {"city": "上海"}, occurred_at="2026-03-01T10:00:00Z")
    wrong = identified(user, {"city": "北京", "age": 7}, occurred_at="2026-03-02T10:00:00Z")
    await demo.recorded(first)
    before = await demo.portrait(user)
    await demo.recorded(wrong)
    assert await retract(demo, message_id=wrong["message_id"]) == (1, 0)
    after = await demo.portrait(user)
    assert after.contains[0].position > before.contains[0].position
    after.ClearField("contains")
    before.ClearField("contains")
    assert after == before
    assert [entry.message_id for entry in await demo.timeline(user)] == [first["message_id"]]


async def test_what_was_compacted_already_can_still_be_retracted(demo: Client) -> None:
    user = fresh()
    said = [tracked(user) for _ in range(40)]
    for one in said:
        await demo.recorded(one)
    assert await retract(demo, message_id=said[3]["message_id"]) == (1, 0)
    assert (await demo.portrait(user)).interactions == 39
    await demo.recorded(tracked(user))
    assert (await demo.portrait(user)).interactions == 40


async def test_a_message_that_is_not_there_can_not_be_retracted(demo: Client) -> None:
    said = tracked(fresh())
    why = await refused(retract(demo, message_id=said["message_id"]))
    assert (why.code, why.reason) == ("NOT_FOUND", "NOT_FOUND")
    await demo.recorded(said)
    await retract(demo, message_id=said["message_id"])
    assert (await refused(retract(demo, message_id=said["message_id"]))).code == "NOT_FOUND"


async def test_a_retracted_message_may_be_sent_and_retracted_again(demo: Client) -> None:
    user = fresh()
    said = tracked(user)
    for _ in range(3):
        (again,) = await demo.collect(said)
        assert again.outcome == RECORDED
        assert (await demo.portrait(user)).interactions == 1
        assert await retract(demo, message_id=said["message_id"]) == (1, 0)
        assert (await refused(demo.portrait(user))).code == "NOT_FOUND"


async def test_a_message_sent_without_an_id_is_retracted_by_the_one_that_it_was_given(demo: Client) -> None:
    user = fresh()
    await demo.recorded({**tracked(user), "message_id": ""}, tracked(user))
    given = {entry.message_id for entry in await demo.timeline(user)}
    assert len(given) == 2
    for message_id in given:
        assert await retract(demo, message_id=message_id) == (1, 0)
    assert await demo.timeline(user) == []


async def test_an_import_is_retracted_a_thousand_at_a_time_until_none_remain(demo: Client) -> None:
    users, import_id = [fresh() for _ in range(7)], fresh("import")
    kept = [tracked(user) for user in users]
    await demo.recorded(*kept)
    said = [tracked(user) for user in users for _ in range(300)]
    await demo.recorded(*said, import_id=import_id)
    assert [await retract(demo, import_id=import_id) for _ in range(4)] == [
        (1_000, 1_100),
        (1_000, 100),
        (100, 0),
        (0, 0),
    ]
    for user in users:
        assert (await demo.portrait(user)).interactions == 1
    again = await demo.collect(*said, import_id=import_id)
    assert {one.outcome for one in again} == {RECORDED}


async def test_whoever_names_nothing_to_retract_is_refused(demo: Client) -> None:
    why = await refused(retract(demo))
    assert (why.code, why.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    why = await refused(retract(demo, message_id="x" * 129))
    assert why.violations.keys() == {"message_id"}
