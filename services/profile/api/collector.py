"""`profile.v1.Collector`."""

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import collector_service_pb2_grpc as collector_rpc

from libs.rpc.caller import calling_tenant
from libs.runtime.errors import InvalidArgument, TooLarge
from services.profile.api.results import answered
from services.profile.codec import interactions
from services.profile.domain.incoming import event_id_of
from services.profile.handlers import Batch, Collecting, Retracting

BATCH_INTERACTIONS: Final = 2_500
NAME_BYTES: Final = 128

Context = grpc.aio.ServicerContext[Any, Any]

HAND_VALIDATED: Final = frozenset(
    {"/portrait.profile.v1.Collector/Collect", "/portrait.profile.v1.Collector/CollectStream"}
)
"""Methods that are too hot for protovalidate; a contract test holds their checks equal to the rules in the protos."""


class CollectorService(collector_rpc.CollectorServicer):
    """`profile.v1.Collector`."""

    def __init__(self, collecting: Collecting, retracting: Retracting) -> None:
        self._collecting = collecting
        self._retracting = retracting

    async def Collect(self, request: collector_pb.CollectRequest, context: Context) -> collector_pb.CollectResponse:
        batch = _batch(request)
        collected = await self._collecting.collect(batch, validate_only=request.validate_only)
        return answered(collector_pb.CollectResponse(), collected)

    async def CollectStream(
        self, request_iterator: AsyncIterator[collector_pb.CollectStreamRequest], context: Context
    ) -> AsyncIterator[collector_pb.CollectStreamResponse]:
        async for request in request_iterator:
            yield collector_pb.CollectStreamResponse(batch=await self.Collect(request.batch, context))

    async def Retract(self, request: collector_pb.RetractRequest, context: Context) -> collector_pb.RetractResponse:
        tenant = calling_tenant()
        if request.WhichOneof("target") == "import_id":
            retracted, remaining = await self._retracting.import_(tenant, request.import_id)
            return collector_pb.RetractResponse(retracted=retracted, remaining=remaining)
        event_id = event_id_of(request.message_id)
        return collector_pb.RetractResponse(
            retracted=await self._retracting.message(tenant, event_id, request.message_id)
        )


def _batch(request: collector_pb.CollectRequest) -> Batch:
    """The request's documents, within the limits of a batch."""
    documents: list[bytes] = list(request.documents)
    if request.interactions:
        documents = [interactions.document_of(interaction) for interaction in request.interactions] + documents
    if len(documents) > BATCH_INTERACTIONS:
        raise TooLarge("interactions of one request", len(documents), BATCH_INTERACTIONS)
    for field in ("import_id", "request_id"):
        value: str = getattr(request, field)
        if len(value.encode()) > NAME_BYTES:
            raise InvalidArgument(field, f"is longer than {NAME_BYTES} bytes", "TOO_LONG")
        if "\0" in value:
            raise InvalidArgument(field, "holds a NUL character", "INVALID_TEXT")
    if request.mode not in log_pb.Mode.values():
        raise InvalidArgument("mode", f"{request.mode} is not a value that this release knows")
    mode = request.mode or log_pb.MODE_LIVE
    return Batch(calling_tenant(), documents, mode, request.import_id, request.request_id)
