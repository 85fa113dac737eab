"""`log.v1.Log` and `ops.v1.Projections`, for any service that owns a log."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from libs.eventlog.event import Batch, partition_of
from libs.eventlog.log import Log
from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.pages import next_page, page_cursor
from libs.rpc.server import Service
from libs.runtime.errors import InvalidArgument
from portrait.log.v1 import event_pb2 as event_pb
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1 import log_service_pb2_grpc as log_rpc
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc

PAGE: Final = 50

Context = grpc.aio.ServicerContext[Any, Any]
Consumed = Callable[[], Awaitable[dict[str, dict[int, int]]]]

_DEAD_LETTERS = """
    SELECT projection, partition, position, key, cause, parked_at, event FROM dead_letters
    WHERE tenant = $1 AND ($2 = '' OR projection = $2)
      AND (parked_at, projection, partition, position) < ($3, $4, $5::smallint, $6)
    ORDER BY parked_at DESC, projection DESC, partition DESC, position DESC LIMIT $7"""

_COUNT_DEAD_LETTERS = "SELECT count(*) FROM dead_letters WHERE projection = $1"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a projection fares: `lag_events` in events, `lag_seconds` the age of the oldest of them."""

    name: str
    version: int
    kind: "ops_pb.ProjectionKind.ValueType"
    log: str
    lag_events: int
    lag_seconds: float


class LogService(log_rpc.LogServicer):
    """Streams the log. The platform sees whole partitions; a tenant sees its own events, with their positions."""

    def __init__(self, log: Log, consumed: Consumed) -> None:
        self._log = log
        self._consumed = consumed

    async def ReadLog(  # noqa: N802
        self, request: log_pb.ReadLogRequest, context: Context
    ) -> AsyncIterator[log_pb.ReadLogResponse]:
        if request.partition >= self._log.partitions:
            raise InvalidArgument("partition", f"the log has {self._log.partitions} partitions")
        caller = current_caller()
        after, left = max(request.from_position, 1) - 1, request.limit or (await self._log.heads())[request.partition]
        end = (await self._log.heads())[request.partition]
        while after < end and left > 0:
            for batch in await self._log.read({request.partition: after}):
                run = _first(batch, min(left, end - after))
                after, left = run.last_position, left - len(run.events)
                wire = event_pb.EventBatch.FromString(run.to_wire(self._log.name))
                if not caller.platform:
                    _keep_only(caller.tenant, wire)
                if wire.events:
                    yield log_pb.ReadLogResponse(batch=wire)

    async def ReadKey(  # noqa: N802
        self, request: log_pb.ReadKeyRequest, context: Context
    ) -> AsyncIterator[log_pb.ReadKeyResponse]:
        after = max(request.from_position, 1) - 1
        recorded = await self._log.read_key(calling_tenant(), request.key, after=after)
        for start in range(0, len(recorded), PAGE):
            run = recorded[start : start + PAGE]
            yield log_pb.ReadKeyResponse(
                batch=event_pb.EventBatch(
                    log=self._log.name,
                    partition=partition_of(request.key, self._log.partitions),
                    first_position=run[0].position,
                    recorded_at_micros=[one.recorded_at for one in run],
                    events=[one.event for one in run],
                    positions=[one.position for one in run],
                )
            )

    async def GetHeads(  # noqa: N802
        self, request: log_pb.GetHeadsRequest, context: Context
    ) -> log_pb.GetHeadsResponse:
        consumed = await self._consumed()
        return log_pb.GetHeadsResponse(
            log=self._log.name,
            heads=_positions(await self._log.heads()),
            consumed=[
                log_pb.ConsumedLog(log=log, positions=_positions(positions)) for log, positions in consumed.items()
            ],
        )


class ProjectionsService(ops_rpc.ProjectionsServicer):
    """Shows how projections fare and what they could not fold."""

    def __init__(self, pool: asyncpg.Pool, standings: Callable[[], Awaitable[Sequence[Standing]]]) -> None:
        self._pool = pool
        self._standings = standings

    async def ListProjections(  # noqa: N802
        self, request: ops_pb.ListProjectionsRequest, context: Context
    ) -> ops_pb.ListProjectionsResponse:
        response = ops_pb.ListProjectionsResponse()
        for one in await self._standings():
            response.projections.add(
                name=one.name,
                version=one.version,
                kind=one.kind,
                log=one.log,
                lag_events=one.lag_events,
                lag_seconds=one.lag_seconds,
                dead_letters=await self._pool.fetchval(_COUNT_DEAD_LETTERS, one.name),
            )
        return response

    async def ListDeadLetters(  # noqa: N802
        self, request: ops_pb.ListDeadLettersRequest, context: Context
    ) -> ops_pb.ListDeadLettersResponse:
        limit = request.page_size or PAGE
        behind = page_cursor(request, tuple[int, str, int, int]) or (2**62, "", 0, 0)
        rows = await self._pool.fetch(_DEAD_LETTERS, calling_tenant(), request.projection, *behind, limit + 1)
        response = ops_pb.ListDeadLettersResponse()
        for row in rows[:limit]:
            parked_at = Timestamp()
            parked_at.FromMicroseconds(row["parked_at"])
            response.dead_letters.add(
                projection=row["projection"],
                key=row["key"],
                position=event_pb.Position(partition=row["partition"], position=row["position"]),
                cause=row["cause"],
                parked_at=parked_at,
                event=event_pb.Event.FromString(row["event"]),
            )
        if len(rows) > limit:
            last = rows[limit - 1]
            cursor = (last["parked_at"], last["projection"], last["partition"], last["position"])
            response.next_page_token = next_page(request, cursor)
        return response


async def consumes_nothing() -> dict[str, dict[int, int]]:
    """What a service has consumed that consumes no other log."""
    return {}


def log_services(
    log: Log,
    pool: asyncpg.Pool,
    standings: Callable[[], Awaitable[Sequence[Standing]]],
    consumed: Consumed = consumes_nothing,
) -> list[Service]:
    """The one line of wiring that serves a log and its projections."""
    return [
        Service(
            log_pb.DESCRIPTOR.services_by_name["Log"], log_rpc.add_LogServicer_to_server, LogService(log, consumed)
        ),
        Service(
            ops_pb.DESCRIPTOR.services_by_name["Projections"],
            ops_rpc.add_ProjectionsServicer_to_server,
            ProjectionsService(pool, standings),
        ),
    ]


def _first(batch: Batch, events: int) -> Batch:
    return Batch(batch.partition, batch.first_position, batch.recorded_at[:events], batch.events[:events])


def _keep_only(tenant: str | None, batch: event_pb.EventBatch) -> None:
    """Leave one tenant's events, and say where they stand."""
    own = [index for index, event in enumerate(batch.events) if event.tenant == tenant]
    kept = event_pb.EventBatch(
        log=batch.log,
        partition=batch.partition,
        first_position=batch.first_position + own[0] if own else 0,
        recorded_at_micros=[batch.recorded_at_micros[index] for index in own],
        events=[batch.events[index] for index in own],
        positions=[batch.first_position + index for index in own],
    )
    batch.CopyFrom(kept)


def _positions(positions: dict[int, int]) -> list[event_pb.Position]:
    return [event_pb.Position(partition=partition, position=position) for partition, position in positions.items()]
