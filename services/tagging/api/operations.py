"""Operations as Google's API has them: how far one is, what came of it, and stopping it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.longrunning import operations_pb2_grpc as rpc
from google.longrunning import operations_proto_pb2 as pb
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc import status_pb2
from portrait.tagging.v1 import membership_pb2 as membership

from libs.rpc.caller import calling_tenant
from libs.rpc.pages import Id, next_page, page_cursor
from libs.rpc.times import timestamp
from libs.runtime.errors import InvalidArgument
from services.tagging.operations.running import Operations, name_of
from services.tagging.store.operations import Operation

Context = grpc.aio.ServicerContext[Any, Any]

PAGE: Final = 100
LARGEST_PAGE: Final = 1_000
WAIT_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1

_RESULTS: Final[Mapping[str, type[Message]]] = {"count": membership.CrowdSize, "export": membership.SegmentExport}


class OperationMethods(rpc.OperationsServicer):  # type: ignore[misc]  # it has no types
    """`google.longrunning.Operations`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def GetOperation(self, request: pb.GetOperationRequest, context: Context) -> pb.Operation:
        return _on_wire(await self._operations.get(calling_tenant(), request.name))

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Context) -> pb.ListOperationsResponse:
        if request.page_size < 0:
            raise InvalidArgument("page_size", "must be greater than or equal to 0")
        limit = min(request.page_size or PAGE, LARGEST_PAGE)
        (behind,) = page_cursor(request, tuple[Id]) or (bytes(16),)
        found = await self._operations.behind(calling_tenant(), behind, limit + 1)
        response = pb.ListOperationsResponse(operations=map(_on_wire, found[:limit]))
        if len(found) > limit:
            response.next_page_token = next_page(request, (found[limit - 1].id,))
        return response

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: Context) -> Empty:
        await self._operations.cancel(calling_tenant(), request.name)
        return Empty()

    async def DeleteOperation(self, request: pb.DeleteOperationRequest, context: Context) -> Empty:
        await self._operations.delete(calling_tenant(), request.name)
        return Empty()

    async def WaitOperation(self, request: pb.WaitOperationRequest, context: Context) -> pb.Operation:
        """Waits until it has come to an end, or for so long; 20 seconds at the most."""
        tenant, seconds = calling_tenant(), request.timeout.seconds + request.timeout.nanos / 1e9 or WAIT_SECONDS
        until = asyncio.get_running_loop().time() + min(seconds, WAIT_SECONDS)
        while True:
            found = await self._operations.get(tenant, request.name)
            if found.state != "running" or asyncio.get_running_loop().time() >= until:
                return _on_wire(found)
            await asyncio.sleep(POLL_SECONDS)


def _on_wire(one: Operation) -> pb.Operation:
    told = membership.OperationProgress(
        kind=one.kind, created_at=timestamp(one.created_at), looked_at=one.looked_at, attempts=one.attempts
    )
    wire = pb.Operation(name=name_of(one.id), metadata=_packed(told), done=one.state != "running")
    if one.state == "done":
        wire.response.CopyFrom(_packed(_RESULTS[one.kind].FromString(one.result)))
    elif wire.done:
        wire.error.CopyFrom(status_pb2.Status.FromString(one.result))
    return wire


def _packed(message: Message) -> AnyMessage:
    found = AnyMessage()
    found.Pack(message)
    return found
