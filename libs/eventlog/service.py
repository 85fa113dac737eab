"""`log.v1.Log` and `ops.v1.Projections`, for any service that owns a log."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import asyncpg
import grpc
from portrait.log.v1 import event_pb2 as event_pb
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1 import log_service_pb2_grpc as log_rpc
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc

from libs.eventlog.consumer import Consumer
from libs.eventlog.dead_letter_calls import DeadLetterCalls
from libs.eventlog.event import Batch, Recorded, partition_of
from libs.eventlog.living import LivingProjection
from libs.eventlog.living_consumer import LivingConsumer
from libs.eventlog.log import Log
from libs.eventlog.mending import Mender
from libs.eventlog.rebuild_service import STATES, Rebuildable, RebuildMethods
from libs.eventlog.versions import Version
from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.server import Service
from libs.rpc.times import timestamp
from libs.runtime.clock import Micros
from libs.runtime.errors import InvalidArgument

PAGE: Final = 50
LAST_POSITION: Final = 2**63 - 1

Context = grpc.aio.ServicerContext[Any, Any]
Consumed = Callable[[], Awaitable[dict[str, dict[int, int]]]]
Clocks = Callable[[], Awaitable[Mapping[str, Micros]]]
"""What time it is for each tenant."""

_COUNT_DEAD_LETTERS = "SELECT count(*) FROM dead_letters WHERE projection = $1 AND kind <> 'dropped'"


class Kept(NamedTuple):
    """A version of a projection, and how many events it lacks: of a lazy one, of the keys due for compaction."""

    version: Version
    lag_events: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a projection fares: `lag_events` in events, `lag_seconds` the age of the oldest of them."""

    name: str
    version: int
    kind: "ops_pb.ProjectionKind.ValueType"
    log: str
    lag_events: int
    lag_seconds: float
    versions: Sequence[Kept] = ()


async def standing_of(living: LivingProjection[Any], log: str) -> Standing:
    """How a lazy projection fares, with all its versions."""
    compactors = {one.version.number: one.compactor for one in living.living}
    active = living.active
    kept = [
        Kept(one, compactors[one.number].lag_events if one.number in compactors else 0)
        for one in await living.versions.load()
    ]
    return Standing(
        living.declared.name,
        active.version.number,
        ops_pb.PROJECTION_KIND_LAZY,
        log,
        active.compactor.lag_events,
        active.compactor.lag_seconds,
        kept,
    )


def standing_of_one(consumer: Consumer[Any]) -> Standing:
    """How a consumer fares that exists in one version; of the partitions that are this replica's."""
    lag = consumer.lag
    return Standing(consumer.name, 1, ops_pb.PROJECTION_KIND_CONSUMER, consumer.log, lag.events, lag.seconds)


async def standing_of_consumer(living: LivingConsumer) -> Standing:
    """How a consumer's projection fares, with all its versions; of the partitions that are this replica's."""
    lag = living.active.live.lag
    kept = [Kept(one, await living.lag_of(one)) for one in await living.versions.load()]
    kind = ops_pb.PROJECTION_KIND_CONSUMER
    number = living.active.version.number
    return Standing(living.declared.name, number, kind, living.declared.log, lag.events, lag.seconds, kept)


async def knows_no_clock() -> dict[str, Micros]:
    """What a service knows of tenants' clocks that collects nothing."""
    return {}


class LogService(log_rpc.LogServicer):
    """Streams the log. The platform sees whole partitions; a tenant sees its own events, with their positions."""

    def __init__(self, log: Log, consumed: Consumed, clocks: Clocks = knows_no_clock) -> None:
        self._log = log
        self._consumed = consumed
        self._clocks = clocks

    async def ReadLog(self, request: log_pb.ReadLogRequest, context: Context) -> AsyncIterator[log_pb.ReadLogResponse]:
        if request.partition >= self._log.partitions:
            raise InvalidArgument("partition", f"the log has {self._log.partitions} partitions")
        caller = current_caller()
        after, left = max(request.from_position, 1) - 1, request.limit or (await self._log.heads())[request.partition]
        end = (await self._log.heads())[request.partition]
        while after < end and left > 0:
            for batch in await self._log.read({request.partition: after}):
                run = _first(batch, end - after)
                after = run.last_position
                visible = self._whole(run, left) if caller.platform else self._own(run, left)
                if visible.events:
                    left -= len(visible.events)
                    yield log_pb.ReadLogResponse(batch=visible)

    def _whole(self, batch: Batch, limit: int) -> event_pb.EventBatch:
        return event_pb.EventBatch.FromString(_first(batch, limit).to_wire(self._log.name))

    def _own(self, batch: Batch, limit: int) -> event_pb.EventBatch:
        """The calling tenant's events of a batch, and where each of them stands."""
        tenant = calling_tenant()
        own = [recorded for recorded in batch.recorded() if recorded.event.tenant == tenant][:limit]
        return self._of(batch.partition, own)

    def _of(self, partition: int, recorded: Sequence[Recorded]) -> event_pb.EventBatch:
        return event_pb.EventBatch(
            log=self._log.name,
            partition=partition,
            first_position=recorded[0].position if recorded else 0,
            recorded_at_micros=[one.recorded_at for one in recorded],
            events=[one.event for one in recorded],
            positions=[one.position for one in recorded],
        )

    async def ReadKey(self, request: log_pb.ReadKeyRequest, context: Context) -> AsyncIterator[log_pb.ReadKeyResponse]:
        after = min(max(request.from_position, 1) - 1, LAST_POSITION)
        recorded = await self._log.read_key(calling_tenant(), request.key, after=after)
        partition = partition_of(request.key, self._log.partitions)
        for start in range(0, len(recorded), PAGE):
            yield log_pb.ReadKeyResponse(batch=self._of(partition, recorded[start : start + PAGE]))

    async def GetHeads(self, request: log_pb.GetHeadsRequest, context: Context) -> log_pb.GetHeadsResponse:
        clocks = await self._clocks()  # before the heads: see the field
        own = clocks if current_caller().platform else {calling_tenant(): clocks.get(calling_tenant())}
        consumed = await self._consumed()
        return log_pb.GetHeadsResponse(
            log=self._log.name,
            heads=_positions(await self._log.heads()),
            consumed=[
                log_pb.ConsumedLog(log=log, positions=_positions(positions)) for log, positions in consumed.items()
            ],
            clocks=[log_pb.TenantClock(tenant=one, now_micros=now) for one, now in own.items() if now is not None],
        )


class ProjectionsService(RebuildMethods):
    """Shows how projections fare and what they could not fold, mends that, and rebuilds them."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        standings: Callable[[], Awaitable[Sequence[Standing]]],
        menders: Iterable[Mender],
        rebuildable: Sequence[Rebuildable],
    ) -> None:
        super().__init__(rebuildable)
        self._pool = pool
        self._standings = standings
        self._letters = DeadLetterCalls(pool, menders)

    async def ListProjections(
        self, request: ops_pb.ListProjectionsRequest, context: Context
    ) -> ops_pb.ListProjectionsResponse:
        response = ops_pb.ListProjectionsResponse()
        for one in await self._standings():
            shown = response.projections.add(
                name=one.name,
                version=one.version,
                kind=one.kind,
                log=one.log,
                lag_events=one.lag_events,
                lag_seconds=one.lag_seconds,
            )
            for version, lag_events in one.versions:
                kept = shown.versions.add(
                    version=version.number,
                    state=STATES[version.state],
                    created_at=timestamp(version.created_at),
                    lag_events=lag_events,
                    dead_letters=await self._count(version.name),
                    name=version.name,
                )
                if current_caller().platform:  # it names every tenant
                    kept.meaning.update(version.meaning)
                if version.number == one.version:
                    shown.dead_letters = kept.dead_letters
            if not one.versions:
                shown.dead_letters = await self._count(one.name)
        return response

    async def _count(self, projection: str) -> int:
        letters: int = await self._pool.fetchval(_COUNT_DEAD_LETTERS, projection)
        return letters

    async def ListDeadLetters(
        self, request: ops_pb.ListDeadLettersRequest, context: Context
    ) -> ops_pb.ListDeadLettersResponse:
        return await self._letters.list(request)

    async def RetryDeadLetter(
        self, request: ops_pb.RetryDeadLetterRequest, context: Context
    ) -> ops_pb.RetryDeadLetterResponse:
        return await self._letters.retry(request)

    async def DropDeadLetter(
        self, request: ops_pb.DropDeadLetterRequest, context: Context
    ) -> ops_pb.DropDeadLetterResponse:
        return await self._letters.drop(request)


async def consumes_nothing() -> dict[str, dict[int, int]]:
    """What a service has consumed that consumes no other log."""
    return {}


def log_services(
    log: Log,
    pool: asyncpg.Pool,
    standings: Callable[[], Awaitable[Sequence[Standing]]],
    consumed: Consumed = consumes_nothing,
    menders: Iterable[Mender] = (),
    rebuildable: Sequence[Rebuildable] = (),
    clocks: Clocks = knows_no_clock,
) -> list[Service]:
    """The one line of wiring that serves a log and its projections."""
    return [
        Service(
            log_pb.DESCRIPTOR.services_by_name["Log"],
            log_rpc.add_LogServicer_to_server,
            LogService(log, consumed, clocks),
        ),
        Service(
            ops_pb.DESCRIPTOR.services_by_name["Projections"],
            ops_rpc.add_ProjectionsServicer_to_server,
            ProjectionsService(pool, standings, menders, rebuildable),
        ),
    ]


def _first(batch: Batch, events: int) -> Batch:
    return Batch(batch.partition, batch.first_position, batch.recorded_at[:events], batch.events[:events])


def _positions(positions: dict[int, int]) -> list[event_pb.Position]:
    return [event_pb.Position(partition=partition, position=position) for partition, position in positions.items()]
