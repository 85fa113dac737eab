"""`tagging.v1.Segments` where it answers who is a member of what, and `google.longrunning.Operations`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from google.longrunning import operations_pb2_grpc
from google.longrunning import operations_proto_pb2 as running
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.tagging.v1 import membership_pb2 as pb
from portrait.tagging.v1 import segments_service_pb2 as published
from portrait.tagging.v1 import segments_service_pb2_grpc as rpc
from portrait.tagging.v1 import tags_service_pb2 as tags
from pyarrow import csv, parquet

from libs.runtime.clock import SECOND
from services.tagging.operations.running import Progress
from services.tagging.queries import estimating
from services.tagging.store.marks import MarkRows
from services.tagging.store.operations import Operation
from tests.support.documents import document, segment
from tests.support.interactions import NOON
from tests.support.profile import Speaking
from tests.support.tagging_service import ANN, Tagged, tagged_of

USERS = ("a", "b", "c", "d", "e", "f")
BUYERS = {"a", "b", "c"}
FREQUENT = {"a", "b"}


class Town:
    """Six people of whom three bought, two of them twice, and the service on behalf of their tenant."""

    def __init__(self, tagged: Tagged) -> None:
        self.tagged = tagged
        self.segments: Any = Speaking(rpc.SegmentsStub(tagged.channel), tagged.tenant.id, ANN)
        self.operations: Any = Speaking(operations_pb2_grpc.OperationsStub(tagged.channel), tagged.tenant.id, ANN)

    async def settle(self) -> None:
        await self.tagged.publish(document("buyer", "{did: {event: bought}}"))
        await self.tagged.publish(document("frequent", "{did: {event: bought, times: {at_least: 2}}}"))
        for user in USERS:
            await self.tagged.did(user, "viewed")
        for user in (*sorted(BUYERS), *sorted(FREQUENT)):
            await self.tagged.did(user, "bought", price=5)
        await self.tagged.settle()

    def ids(self, *users: str) -> set[str]:
        return {self.tagged.key(user).hex() for user in users}

    async def count(self, text: str, **more: Any) -> pb.CountSegmentResponse:
        asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(document=text), **more)
        found: pb.CountSegmentResponse = await self.segments.CountSegment(asked)
        return found

    async def done(self, name: str) -> running.Operation:
        while await self.tagged.operations.turn():
            pass
        found: running.Operation = await self.operations.GetOperation(running.GetOperationRequest(name=name))
        return found

    async def export(self, text: str, **more: Any) -> tuple[pb.SegmentExport, str]:
        asked = pb.ExportSegmentRequest(crowd=pb.CrowdReference(document=text), **more)
        name = (await self.segments.ExportSegment(asked)).operation
        found, written = await self.done(name), pb.SegmentExport()
        assert found.done
        assert found.response.Unpack(written), found
        return written, name


@pytest.fixture
async def town(tagging_pool: asyncpg.Pool, tmp_path: Path) -> AsyncIterator[Town]:
    async with tagged_of(tagging_pool, tmp_path) as tagged:
        found = Town(tagged)
        await found.settle()
        yield found


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


async def test_a_name_that_nobody_knows_is_told_with_the_nearest_one(town: Town) -> None:
    held = await town.count("{all: [{tag: buyerr}, {not: {tag: frequent}}]}")
    assert (held.size.people, list(held.warnings)) == (
        0,
        ["all[0].tag: no tag 'buyerr' is known, did you mean 'buyer'?"],
    )
    estimated = await town.count("{any: [{score: {buyer: {at_least: 0.5}}}, {tag: buyer}]}")
    assert list(estimated.warnings) == ["any[0].score.buyer: no score 'buyer' is known"]
    assert list((await town.count("{tag: buyer}")).warnings) == []
    asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(segment="everyone"))
    assert list((await town.segments.CountSegment(asked)).warnings) == []


async def test_a_size_says_what_is_being_filled_and_answered_when_it_is_asked_for(town: Town) -> None:
    tagged = town.tagged
    await tagged.stub.PublishTag(tags.PublishTagRequest(document=document("seen", "{did: {event: viewed}}")))
    await town.segments.PublishSegment(published.PublishSegmentRequest(document=segment("viewers", "{tag: seen}")))
    await tagged.catalogues.refresh()
    filling = await town.count("{any: [{tag: seen}, {tag: buyer}]}")
    assert (filling.size.people, list(filling.warnings)) == (
        len(BUYERS),
        ["tag:seen is being filled from history, and nobody has it yet"],
    )
    asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(segment="viewers"))
    told = "crowd: segment 'viewers' is being filled from history, and has no members yet"
    assert await refused(town.segments.CountSegment(asked)) == (grpc.StatusCode.FAILED_PRECONDITION, told)
    await tagged.settle()
    assert list((await town.segments.CountSegment(asked)).warnings) == []
    async with tagged.pool.acquire() as connection:
        await MarkRows(connection, tagged.tenant.id).begin(["seen"])
    (answering,) = (await town.segments.CountSegment(asked)).warnings
    assert answering == "people are being answered for what went live: more will have it when that is done"


async def test_a_size_says_that_nothing_is_live(town: Town) -> None:
    for key in ("buyer", "frequent"):
        await town.tagged.stub.RetireTag(tags.RetireTagRequest(tag=key))
    await town.tagged.settle()
    asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(segment="everyone"))
    assert list((await town.segments.CountSegment(asked)).warnings) == [
        "nothing is live yet, and so nobody was told of"
    ]


async def test_a_size_is_exact_where_tags_are_asked_for_and_a_page_token_is_good_for_one_question(town: Town) -> None:
    size = (await town.count("{tag: buyer}")).size
    assert (size.people, size.low, size.high, size.exactness) == (3, 3, 3, pb.EXACTNESS_EXACT)
    asked = pb.ListMembersRequest(crowd=pb.CrowdReference(document="{tag: buyer}"), page_size=2)
    first = await town.segments.ListMembers(asked)
    asked.page_token = first.next_page_token
    second = await town.segments.ListMembers(asked)
    assert (len(first.person_ids), len(second.person_ids), second.next_page_token) == (2, 1, "")
    assert {*first.person_ids, *second.person_ids} == town.ids(*BUYERS)
    asked.crowd.document = "{tag: frequent}"
    assert (await refused(town.segments.ListMembers(asked)))[0] == grpc.StatusCode.INVALID_ARGUMENT


async def test_crowds_are_compared_with_one_another(town: Town) -> None:
    crowds = [pb.CrowdReference(document=one) for one in ("{tag: buyer}", "{tag: frequent}")]
    found = await town.segments.CompareSegments(pb.CompareSegmentsRequest(crowds=crowds))
    assert [size.people for size in found.sizes] == [3, 2]
    assert (found.overlaps[0].both, found.overlaps[0].jaccard, found.overlaps[0].lift) == (2, 2 / 3, 2 * 3 / 6)


async def test_everyone_is_the_population_once_there_is_a_segment(town: Town) -> None:
    await town.segments.PublishSegment(published.PublishSegmentRequest(document=segment("lovers", "{tag: frequent}")))
    await town.tagged.settle()
    asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(segment="lovers"))
    size = (await town.segments.CountSegment(asked)).size
    assert (size.people, size.population) == (2, 6)
    assert (await town.count("{not: {segment: lovers}}")).size.people == 4
    assert (await town.count("{segment: everyone}")).size.people == 6


async def test_a_segment_that_nobody_published_is_not_found(town: Town) -> None:
    asked = pb.CountSegmentRequest(crowd=pb.CrowdReference(segment="nobody"))
    assert (await refused(town.segments.CountSegment(asked)))[0] == grpc.StatusCode.NOT_FOUND
    asked.crowd.segment = "buyer"
    told = (await refused(town.segments.CountSegment(asked)))[1]
    assert told == "live segment 'buyer' does not exist, did you mean '{tag: buyer}'?"


async def test_what_is_asked_of_events_is_estimated_at_once_and_counted_as_an_operation(town: Town) -> None:
    kept = await town.count("{did: {event: bought, times: {at_least: 2}}}", count_everybody=True)
    assert (kept.size.people, kept.size.population) == (2, 6)
    found, counted = await town.done(kept.operation), pb.CrowdSize()
    assert found.response.Unpack(counted)
    assert (counted.people, counted.population, counted.exactness) == (2, 6, pb.EXACTNESS_EXACT)


async def test_an_edited_rule_is_counted_exactly_as_of_now_once_everybody_was_read(town: Town) -> None:
    first = (await town.count("{did: {event: bought, times: {at_least: 2}}}")).size
    assert not first.HasField("as_of")
    await town.tagged.tallying.turn()
    await town.tagged.did("c", "bought", price=5)
    edited = "{all: [{tag: buyer}, {did: {event: bought, times: {at_least: 2}, within: 7d}}]}"
    assert (await town.count(edited)).size.exactness == pb.EXACTNESS_EXACT, "of six people all are drawn"
    await town.tagged.tallying.turn()
    found = await town.count(edited, count_everybody=True)
    assert (found.size.people, found.size.population, found.operation) == (3, 6, "")
    assert found.size.as_of.ToMicroseconds() == NOON


async def test_what_nobody_keeps_is_exact_while_all_histories_are_read_and_else_not_counted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{did: {event: viewed, times: 1}}"
    assert (await town.count(text)).size.people == 6
    exactly = await town.count(text, count_everybody=True)
    assert (exactly.size.people, exactly.size.exactness, exactly.operation) == (6, pb.EXACTNESS_EXACT, "")
    monkeypatch.setattr(estimating, "DRAWN", 5)
    assert (await town.count(text)).size.exactness == pb.EXACTNESS_ESTIMATED
    code, told = await refused(town.count(text, count_everybody=True))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "publish it" in told


async def test_members_of_what_is_not_held_are_refused_with_the_field(town: Town) -> None:
    asked = pb.ListMembersRequest(crowd=pb.CrowdReference(document="{did: {event: bought}}"))
    code, told = await refused(town.segments.ListMembers(asked))
    assert (code, told.startswith("crowd: ")) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    code, told = await refused(town.count("{tagg: x}"))
    assert (code, told.startswith("crowd.document")) == (grpc.StatusCode.INVALID_ARGUMENT, True)


@pytest.mark.parametrize("text", ["{tag: buyer}", "{did: {event: bought}}"])
async def test_everybody_is_in_the_file(town: Town, text: str, tmp_path: Path) -> None:
    parquets, name = await town.export(text)
    rows = parquet.read_table(tmp_path / parquets.path).to_pylist()
    assert {row["person_id"] for row in rows} == town.ids(*BUYERS)
    assert {row["since"] is not None for row in rows} == {text == "{tag: buyer}"}
    csvs, _ = await town.export(text, format=pb.EXPORT_FORMAT_CSV)
    assert set(csv.read_csv(tmp_path / csvs.path)["person_id"].to_pylist()) == town.ids(*BUYERS)
    assert sorted(one.name for one in (tmp_path / town.tagged.tenant.id).iterdir()) == sorted(
        [Path(parquets.path).name, Path(csvs.path).name]
    )
    listed = await town.operations.ListOperations(running.ListOperationsRequest())
    assert name in {one.name for one in listed.operations}


async def test_a_file_as_of_a_past_moment_holds_whoever_was_a_member_then(town: Town, tmp_path: Path) -> None:
    then = town.tagged.clock.now()
    town.tagged.clock.set(then + 60 * SECOND)
    await town.tagged.did("f", "bought")
    await town.tagged.settle()
    past, _ = await town.export("{tag: buyer}", as_of=Timestamp(seconds=then // SECOND))
    now, _ = await town.export("{tag: buyer}")
    assert set(parquet.read_table(tmp_path / past.path)["person_id"].to_pylist()) == town.ids(*BUYERS)
    assert set(parquet.read_table(tmp_path / now.path)["person_id"].to_pylist()) == town.ids(*BUYERS, "f")


async def test_a_repeated_export_is_one_operation_and_another_tenant_s_is_not_found(town: Town) -> None:
    asked = pb.ExportSegmentRequest(crowd=pb.CrowdReference(document="{tag: buyer}"), request_id="once")
    names = [(await town.segments.ExportSegment(asked)).operation for _ in range(2)]
    assert names[0] == names[1]
    asked.crowd.document = "{tag: frequent}"
    assert (await refused(town.segments.ExportSegment(asked)))[0] == grpc.StatusCode.ALREADY_EXISTS
    async with tagged_of(town.tagged.pool) as other:
        stub: Any = Speaking(operations_pb2_grpc.OperationsStub(other.channel), other.tenant.id, ANN)
        get = stub.GetOperation(running.GetOperationRequest(name=names[0]))
        assert (await refused(get))[0] == grpc.StatusCode.NOT_FOUND
    await town.done(names[0])


async def test_an_operation_goes_on_with_another_replica_and_ends_when_it_is_cancelled(town: Town) -> None:
    begun, operations = asyncio.Event(), town.tagged.operations

    async def endless(_: Operation, progress: Progress) -> pb.CrowdSize:
        progress.looked_at = 5
        begun.set()
        await asyncio.sleep(3600)
        return pb.CrowdSize()

    whole = dict(operations.works)
    operations.works = {**whole, "count": endless}
    text = "{did: {event: bought, times: {at_least: 2}}}"
    name = (await town.count(text, count_everybody=True)).operation
    task = asyncio.create_task(operations.turn())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    operations.works = whole
    found = await town.done(name)
    assert found.done
    progress = pb.OperationProgress()
    assert found.metadata.Unpack(progress)
    assert (progress.attempts, progress.kind, progress.looked_at) == (2, "count", 6)

    operations.works = {**whole, "count": endless}
    begun.clear()
    name = (await town.count(text, count_everybody=True)).operation
    task = asyncio.create_task(operations.turn())
    await begun.wait()
    await town.operations.CancelOperation(running.CancelOperationRequest(name=name))
    await task
    found = await town.operations.GetOperation(running.GetOperationRequest(name=name))
    assert (found.done, found.error.message) == (True, "it was cancelled")
    assert town.tagged.clock.now() == NOON


async def test_what_fails_is_told_as_failed(town: Town) -> None:
    async def broken(_: Operation, progress: Progress) -> pb.CrowdSize:
        raise RuntimeError("secret")

    town.tagged.operations.works = {"count": broken}
    text = "{did: {event: bought, times: {at_least: 2}}}"
    found = await town.done((await town.count(text, count_everybody=True)).operation)
    assert (found.done, "secret" in found.error.message, found.error.code) == (True, False, 13)
