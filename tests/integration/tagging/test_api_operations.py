"""`google.longrunning.Operations`: how many there may be, whose turn it is, and how one ends that can't be done."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from google.longrunning import operations_pb2_grpc
from google.longrunning import operations_proto_pb2 as running
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.tagging.v1 import membership_pb2 as pb
from portrait.tagging.v1 import segments_service_pb2_grpc as rpc

from libs.rpc.pages import next_page
from services.tagging.operations.running import Progress
from services.tagging.store.operations import MOST_UNFINISHED, Operation
from tests.support.documents import document
from tests.support.profile import Speaking, refused
from tests.support.tagging_service import ANN, Tagged, tagged_of


class Exports:
    """Exports of whoever bought, on behalf of a tenant."""

    def __init__(self, tagged: Tagged) -> None:
        self.tagged = tagged
        self.segments: Any = Speaking(rpc.SegmentsStub(tagged.channel), tagged.tenant.id, ANN)
        self.operations: Any = Speaking(operations_pb2_grpc.OperationsStub(tagged.channel), tagged.tenant.id, ANN)

    async def begin(self, request_id: str = "", **more: Any) -> str:
        crowd = pb.CrowdReference(document="{tag: buyer}")
        name: str = (
            await self.segments.ExportSegment(pb.ExportSegmentRequest(crowd=crowd, request_id=request_id, **more))
        ).operation
        return name

    async def get(self, name: str) -> running.Operation:
        found: running.Operation = await self.operations.GetOperation(running.GetOperationRequest(name=name))
        return found


@pytest.fixture
async def exports(tagging_pool: asyncpg.Pool, tmp_path: Path) -> AsyncIterator[Exports]:
    async with tagged_of(tagging_pool, tmp_path) as tagged:
        await tagged.publish(document("buyer", "{did: {event: bought}}"))
        await tagged.did("a", "bought", price=5)
        await tagged.settle()
        yield Exports(tagged)
        while await tagged.operations.turn():
            pass


async def told_by(exports: Exports, name: str) -> tuple[running.Operation, pb.OperationProgress]:
    while await exports.tagged.operations.turn():
        pass
    found, progress = await exports.get(name), pb.OperationProgress()
    assert found.metadata.Unpack(progress)
    return found, progress


async def test_an_export_whose_folder_can_t_be_had_ends_at_once_and_says_why(exports: Exports, tmp_path: Path) -> None:
    (tmp_path / exports.tagged.tenant.id).write_text("in the way")
    found, progress = await told_by(exports, await exports.begin())
    assert (found.done, found.error.code, progress.attempts) == (True, 9, 1)
    assert "File exists" in found.error.message
    assert str(tmp_path) not in found.error.message


async def test_an_export_whose_file_can_t_be_named_ends_at_once_and_leaves_nothing(
    exports: Exports, tmp_path: Path
) -> None:
    name = await exports.begin()
    folder = tmp_path / exports.tagged.tenant.id
    target = folder / f"{name.removeprefix('operations/')}.parquet"
    target.mkdir(parents=True)
    found, progress = await told_by(exports, name)
    assert (found.error.code, progress.attempts) == (9, 1)
    assert found.error.message == f"{folder.name}/{target.name} in the folder for exports: Is a directory"
    assert list(folder.iterdir()) == [target]


async def test_a_tenant_has_so_many_unfinished_operations_and_no_more(exports: Exports) -> None:
    names = await asyncio.gather(*(exports.begin(f"r{at}") for at in range(MOST_UNFINISHED)))
    why = await refused(exports.begin())
    assert (why.code, why.reason, why.metadata["limit"]) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL", "20")
    assert await exports.begin("r3") == names[3], "what is repeated is not begun"
    await exports.tagged.operations.turn()
    await exports.begin()


async def test_of_many_that_begin_at_once_no_more_are_taken(exports: Exports) -> None:
    answers = await asyncio.gather(*(exports.begin() for _ in range(3 * MOST_UNFINISHED)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in answers) == MOST_UNFINISHED


async def test_tenants_are_served_in_turn(exports: Exports, tagging_pool: asyncpg.Pool, tmp_path: Path) -> None:
    served: list[str] = []

    async def noted(one: Operation, _: Progress) -> pb.SegmentExport:
        served.append(one.tenant)
        return pb.SegmentExport()

    async with tagged_of(tagging_pool, tmp_path) as other:
        await other.publish(document("buyer", "{did: {event: bought}}"))
        mine, theirs = exports.tagged.tenant.id, other.tenant.id
        for _ in range(4):
            await exports.begin()
        for _ in range(2):
            await Exports(other).begin()
        operations = exports.tagged.operations
        operations.works = {"export": noted}
        while await operations.turn():
            pass
    assert served[:4] in ([mine, theirs] * 2, [theirs, mine] * 2)
    assert served[4:] == [mine] * 2


@pytest.mark.parametrize(
    "id_", ["g" * 32, " " * 32, "\0" * 32, "\uff11" * 32, "a" * 31 + " ", "aa " * 10 + "aa", "A" * 32]
)
async def test_what_is_no_name_of_an_operation_is_not_found(exports: Exports, id_: str) -> None:
    for method, request in (
        ("GetOperation", running.GetOperationRequest),
        ("CancelOperation", running.CancelOperationRequest),
        ("DeleteOperation", running.DeleteOperationRequest),
        ("WaitOperation", running.WaitOperationRequest),
    ):
        why = await refused(getattr(exports.operations, method)(request(name=f"operations/{id_}")))
        assert why.code == "NOT_FOUND"


async def test_an_operation_has_one_name(exports: Exports) -> None:
    name = await exports.begin()
    for other in (f"{name[:-2]} {name[-2:]}", name.upper(), name.removeprefix("operations/")):
        assert (await refused(exports.get(other))).code == "NOT_FOUND"


async def test_a_list_of_operations_goes_on_behind_its_page(exports: Exports) -> None:
    names = [await exports.begin() for _ in range(3)]
    asked = running.ListOperationsRequest(page_size=2)
    first = await exports.operations.ListOperations(asked)
    asked.page_token = first.next_page_token
    second = await exports.operations.ListOperations(asked)
    assert sorted(names) == [one.name for one in (*first.operations, *second.operations)]


async def test_pages_of_operations_that_can_t_be_are_refused(exports: Exports) -> None:
    why = await refused(exports.operations.ListOperations(running.ListOperationsRequest(page_size=-5)))
    assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", ["page_size"])
    for cursor in (b"ab", [b"ab"], [bytes(17)], 5):
        token = next_page(running.ListOperationsRequest(), cursor)
        why = await refused(exports.operations.ListOperations(running.ListOperationsRequest(page_token=token)))
        assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", ["page_token"])


async def test_whoever_waits_for_as_long_as_never_hears_of_the_end(exports: Exports) -> None:
    name = await exports.begin()
    await exports.tagged.operations.turn()
    for seconds in (2**62, -(2**62)):
        wait = running.WaitOperationRequest(name=name, timeout=Duration(seconds=seconds))
        assert (await exports.operations.WaitOperation(wait)).done


async def test_whoever_waits_for_less_than_no_time_hears_how_it_stands(exports: Exports) -> None:
    wait = running.WaitOperationRequest(name=await exports.begin(), timeout=Duration(seconds=-(2**62)))
    assert not (await exports.operations.WaitOperation(wait)).done


@pytest.mark.parametrize("seconds", [253_402_300_799, -(2**62)])
async def test_an_export_as_of_what_is_no_time_is_not_begun(exports: Exports, seconds: int) -> None:
    request = pb.ExportSegmentRequest(
        crowd=pb.CrowdReference(document="{tag: buyer}"), as_of=Timestamp(seconds=seconds)
    )
    why = await refused(exports.segments.ExportSegment(request))
    assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", ["as_of"])
    assert not (await exports.operations.ListOperations(running.ListOperationsRequest())).operations
