"""`Collector.CollectStream`: batches as they come, answered in order, no faster than they can be recorded."""

import asyncio
from typing import Any

from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as pb

from libs.devstack.stack import Stack
from tests.support.profile import QUARANTINED, RECORDED, Client, appends_held, document, fresh, refused, tracked
from tests.support.transport import eventually


def request(*said: dict[str, Any]) -> pb.CollectStreamRequest:
    return pb.CollectStreamRequest(batch=pb.CollectRequest(documents=[document(one) for one in said]))


async def test_batches_are_answered_in_their_order(demo: Client) -> None:
    user = fresh()
    sizes = [3, 1, 200, 2, 50, 7]
    stream = demo.collector.CollectStream()
    for size in sizes:
        await stream.write(request(*(tracked(user) for _ in range(size))))
    await stream.done_writing()
    answers = [answer.batch.results async for answer in stream]
    assert [len(one) for one in answers] == sizes
    assert all(one.outcome == RECORDED for answer in answers for one in answer)
    positions = [one.position.position for answer in answers for one in answer]
    assert positions == sorted(positions)
    assert (await demo.portrait(user)).interactions == sum(sizes)


async def test_a_bad_interaction_does_not_end_the_stream(demo: Client) -> None:
    stream = demo.collector.CollectStream()
    outcomes = []
    for said in (tracked(fresh()), tracked("null"), tracked(fresh())):
        await stream.write(request(said))
        (result,) = (await stream.read()).batch.results
        outcomes.append(result.outcome)
    await stream.done_writing()
    assert outcomes == [RECORDED, QUARANTINED, RECORDED]


async def test_a_batch_beyond_the_limits_ends_the_stream_and_says_why(demo: Client) -> None:
    stream = demo.collector.CollectStream()
    await stream.write(request(*(tracked("anybody") for _ in range(2_501))))
    why = await refused(stream.read())
    assert (why.code, why.reason, why.metadata["limit"]) == ("INVALID_ARGUMENT", "TOO_LARGE", "2500")


async def test_a_sender_is_held_back_while_nothing_can_be_recorded(demo: Client, stack: Stack) -> None:
    """Only so much is on the way as fits the transport's buffers; the sender never waits for an answer."""
    user, batches, written = fresh(), 200, 0
    stream = demo.collector.CollectStream()

    async def send() -> None:
        nonlocal written
        for _ in range(batches):
            await stream.write(request(tracked(user, properties={"x": "y" * 100_000})))
            written += 1
        await stream.done_writing()

    async def stands_still() -> bool:
        before = written
        await asyncio.sleep(1)
        return written == before > 0

    async with appends_held(stack):
        sending = asyncio.create_task(send())
        await eventually(stands_still)
        assert written < batches
    results = [one async for answer in stream for one in answer.batch.results]
    await sending
    assert [one.outcome for one in results] == [RECORDED] * batches


async def test_what_was_answered_before_the_sender_went_is_in_the_log(demo: Client) -> None:
    user, answered = fresh(), []
    stream = demo.collector.CollectStream()
    for _ in range(30):
        await stream.write(request(*(tracked(user) for _ in range(20))))
    for _ in range(8):
        answered += [one.position.position for one in (await stream.read()).batch.results]
    stream.cancel()
    portrait = await demo.portrait(user)
    log = demo.log.ReadKey(log_pb.ReadKeyRequest(key=bytes.fromhex(portrait.person_id)))
    kept = [position async for part in log for position in part.batch.positions]
    assert len(answered) == 160
    assert set(answered) <= set(kept)
    assert len(kept) % 20 == 0, "a batch is recorded whole or not at all"
