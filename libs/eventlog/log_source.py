"""Another service's log over gRPC: where a consumer reads what the broker did not bring."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import grpc
from portrait.log.v1 import log_service_pb2 as pb
from portrait.log.v1 import log_service_pb2_grpc as rpc

from libs.eventlog.event import Batch, Recorded
from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM
from libs.runtime.clock import Micros
from libs.runtime.errors import Unavailable

_HEADS_SECONDS: Final = 5.0
_READ_SECONDS: Final = 300.0


class Standing(NamedTuple):
    """The heads of a service's log, and the positions that the service has consumed of others, by log.

    `clocks` say what time it was for each tenant just before, if the service knows.
    """

    heads: dict[int, int]
    consumed: dict[str, dict[int, int]]
    clocks: dict[str, Micros]


class GrpcLogSource:
    """Reads the log of the service at the other end of a channel; raises `Unavailable` while it does not answer."""

    def __init__(self, channel: grpc.aio.Channel, log: str) -> None:
        self._stub = rpc.LogStub(channel)
        self._log = log

    async def heads(self) -> dict[int, int]:
        """See `LogSource.heads`."""
        return (await self.standing()).heads

    async def standing(self) -> Standing:
        """How far the service at the other end is, all of one moment: the heads hold what came of what it consumed."""
        try:
            answer = await self._stub.GetHeads(
                pb.GetHeadsRequest(), metadata=metadata_for(PLATFORM), timeout=_HEADS_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise self._unavailable(error) from error
        consumed = {one.log: {at.partition: at.position for at in one.positions} for one in answer.consumed}
        clocks = {one.tenant: one.now_micros for one in answer.clocks}
        return Standing({head.partition: head.position for head in answer.heads}, consumed, clocks)

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

    async def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        """Every event of a tenant's key in order, page by page."""
        request = pb.ReadKeyRequest(key=key)
        call = self._stub.ReadKey(request, metadata=metadata_for(tenant), timeout=_READ_SECONDS)
        try:
            async for response in call:
                batch = response.batch
                yield list(map(Recorded, batch.positions, batch.recorded_at_micros, batch.events))
        except grpc.aio.AioRpcError as error:
            raise self._unavailable(error) from error
        finally:
            call.cancel()

    def _unavailable(self, error: grpc.aio.AioRpcError) -> Unavailable:
        return Unavailable(f"{self._log}_log", f"{error.code().name}: {error.details()}")
