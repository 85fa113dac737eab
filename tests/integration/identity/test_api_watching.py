"""Changes of who is who as they happen, over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from portrait.identity.v1 import identities_service_pb2 as pb

from tests.support.identity import seen
from tests.support.identity_service import Asked, at, positions
from tests.support.identity_tables import PARTITIONS
from tests.support.profile import refused_stream


async def take(answers: AsyncIterator[Any], count: int) -> list[Any]:
    return [await asyncio.wait_for(anext(answers), 60) for _ in range(count)]


async def watched(asked: Asked, *behind: Any) -> tuple[Any, AsyncIterator[Any], list[Any]]:
    """A call, its answers, and where it begins."""
    call = asked.stub.WatchChanges(pb.WatchChangesRequest(behind=behind))
    answers = aiter(call)
    return call, answers, await take(answers, PARTITIONS)


async def test_a_watch_tells_where_it_begins_and_then_every_change(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("m1", "p1"))
    call, answers, begun = await watched(asked)
    assert sorted(one.position.partition for one in begun) == list(range(PARTITIONS))
    assert {one.WhichOneof("change") for one in begun} == {None}
    await asked.stub.Link(asked.pair(pb.LinkRequest, "u1", "m1"))
    changes = await take(answers, 3)
    assert sorted(one.WhichOneof("change") for one in changes) == ["merged", "moved", "moved"]
    (merged,) = (one.merged for one in changes if one.WhichOneof("change") == "merged")
    assert merged.after == asked.id("u1")
    assert len({one.causation_id for one in changes}) == 1
    call.cancel()


async def test_a_watch_continues_behind_the_positions_given(asked: Asked) -> None:
    call, answers, begun = await watched(asked)
    await asked.saw(seen("u1", "d1"))
    (first,) = await take(answers, 1)
    call.cancel()
    await asked.stub.Unlink(asked.pair(pb.UnlinkRequest, "u1", "d1"))
    behind = {one.partition: one for one in (*positions(begun), first.position)}
    call, answers, _ = await watched(asked, *behind.values())
    changes = await take(answers, 2)
    assert sorted(one.WhichOneof("change") for one in changes) == ["moved", "split"]
    (moved,) = (one.moved for one in changes if one.WhichOneof("change") == "moved")
    assert moved.version == 2
    assert moved.to_person == moved.key
    call.cancel()
    call, answers, _ = await watched(asked, *positions(begun))
    assert first in await take(answers, 3)
    call.cancel()


async def test_a_cut_tells_why(asked: Asked) -> None:
    call, answers, _ = await watched(asked)
    await asked.saw(*(seen(f"u{n}", "d1") for n in range(5)))
    cut = next(one.cut for one in await take(answers, 1) if one.WhichOneof("change") == "cut")
    assert cut.reason.endswith("each of its sessions is for itself")
    assert cut.identifier.type == "device_id"
    assert cut.version == 1
    call.cancel()


async def test_another_tenants_changes_are_not_told(asked: Asked) -> None:
    """Pitfall 30."""
    call = asked.stranger.WatchChanges(pb.WatchChangesRequest())
    answers = aiter(call)
    await take(answers, PARTITIONS)
    await asked.saw(seen("u1", "d1"))
    await asked.stranger.Link(asked.pair(pb.LinkRequest, "u5", "e5"))
    assert (await take(answers, 1))[0].moved.key.hex() not in {asked.id("u1"), asked.id("d1")}
    call.cancel()


async def test_positions_that_the_log_does_not_have_are_refused(asked: Asked) -> None:
    error = await refused_stream(asked.stub.WatchChanges(pb.WatchChangesRequest(behind=[at(PARTITIONS, 1)])))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["behind[0].partition"])
    error = await refused_stream(asked.stub.WatchChanges(pb.WatchChangesRequest(behind=[at(0, 1 << 40)])))
    assert list(error.violations) == ["behind[0].position"]
