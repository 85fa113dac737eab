"""Another service's log over gRPC: where a consumer reads what the broker did not bring."""

from collections.abc import AsyncIterator
from typing import Final

import grpc
from portrait.log.v1 import log_service_pb2 as pb
from portrait.log.v1 import log_service_pb2_grpc as rpc

from libs.eventlog.event import Batch
from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM
from libs.runtime.errors import Unavailable

_HEADS_SECONDS: Final = 5.0
_READ_SECONDS: Final = 300.0


class GrpcLogSource:
    """Reads the log of the service at the other end of a channel; raises `Unavailable` while it does not answer."""

    def __init__(self, channel: grpc.aio.Channel, log: str) -> None:
        self._stub = rpc.LogStub(channel)
        self._log = log

    async def heads(self) -> dict[int, int]:
        """See `LogSource.heads`."""
        try:
            heads = await self._stub.GetHeads(
                pb.GetHeadsRequest(), metadata=metadata_for(PLATFORM), timeout=_HEADS_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise self._unavailable(error) from error
        return {head.partition: head.position for head in heads.heads}

    async def read(self, partition: int, after: int) -> AsyncIterator[Batch]:
        """See `LogSource.read`."""
        request = pb.ReadLogRequest(partition=partition, from_position=after + 1)
        call = self._stub.ReadLog(request, metadata=metadata_for(PLATFORM), timeout=_READ_SECONDS)
        try:
            async for response in call:
                batch = response.batch
                yield Batch(
                    batch.partition,
                    batch.first_position,
                    list(batch.recorded_at_micros),
                    [event.SerializeToString() for event in batch.events],
                )
        except grpc.aio.AioRpcError as error:
            raise self._unavailable(error) from error
        finally:
            call.cancel()

    def _unavailable(self, error: grpc.aio.AioRpcError) -> Unavailable:
        return Unavailable(f"{self._log}_log", f"{error.code().name}: {error.details()}")
