"""The methods of `ops.v1.Projections` that make versions of projections and choose between them.

They concern every tenant's people at once, so they are the platform's alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from portrait.log.v1 import event_pb2 as event_pb
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1 import projections_service_pb2_grpc as rpc

from libs.eventlog.difference import Change, Difference
from libs.eventlog.living import LivingProjection
from libs.eventlog.living_consumer import LivingConsumer
from libs.eventlog.rebuild import Phase
from libs.eventlog.rebuilds import Rebuilds, Standing, check_start
from libs.eventlog.versions import VersionState, changes
from libs.rpc.caller import current_caller
from libs.rpc.pages import Id, Text, next_page, page_cursor
from libs.rpc.times import timestamp
from libs.runtime.errors import NotFound, PermissionDenied

PAGE: Final = 50
WORKERS: Final = 2

PHASES: Final[dict[Phase, "pb.RebuildPhase.ValueType"]] = {
    "build": pb.REBUILD_PHASE_BUILD,
    "compare": pb.REBUILD_PHASE_COMPARE,
    "done": pb.REBUILD_PHASE_DONE,
    "cancelled": pb.REBUILD_PHASE_CANCELLED,
}
STATES: Final[dict[VersionState, "pb.VersionState.ValueType"]] = {
    "building": pb.VERSION_STATE_BUILDING,
    "comparing": pb.VERSION_STATE_COMPARING,
    "ready": pb.VERSION_STATE_READY,
    "active": pb.VERSION_STATE_ACTIVE,
}

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Rebuildable:
    """A projection of the service, lazy or consuming, and its rebuilds."""

    living: LivingProjection[Any] | LivingConsumer
    rebuilds: Rebuilds


class RebuildMethods(rpc.ProjectionsServicer):
    """The part of the service that rebuilds and switches."""

    def __init__(self, rebuildable: Sequence[Rebuildable]) -> None:
        self._rebuildable = {one.living.declared.name: one for one in rebuildable}

    async def StartRebuild(self, request: pb.StartRebuildRequest, context: Context) -> pb.StartRebuildResponse:
        one = self._of(request)
        before = one.living.active.version.meaning
        meaning = await one.living.declared.today(before)
        changed = changes(before, meaning)
        if request.validate_only:
            check_start({version.number: version for version in await one.living.versions.load()})
            return pb.StartRebuildResponse(changes=changed)
        number = await one.rebuilds.start(meaning, request.workers or WORKERS, request.request_id)
        return pb.StartRebuildResponse(rebuild=_on_wire(await one.rebuilds.get(number)), changes=changed)

    async def GetRebuild(self, request: pb.GetRebuildRequest, context: Context) -> pb.GetRebuildResponse:
        return pb.GetRebuildResponse(rebuild=_on_wire(await self._of(request).rebuilds.get(request.version)))

    async def CancelRebuild(self, request: pb.CancelRebuildRequest, context: Context) -> pb.CancelRebuildResponse:
        one = self._of(request)
        await one.rebuilds.cancel(request.version)
        await one.living.refresh()
        return pb.CancelRebuildResponse(rebuild=_on_wire(await one.rebuilds.get(request.version)))

    async def DiffRebuild(self, request: pb.DiffRebuildRequest, context: Context) -> pb.DiffRebuildResponse:
        rebuilds, limit = self._of(request).rebuilds, request.page_size or PAGE
        behind = page_cursor(request, tuple[Text, Id])
        standing = await rebuilds.get(request.version)
        if request.compare_again:
            await rebuilds.compare_again(standing.version)
            standing = await rebuilds.get(standing.version)
        found = standing.found
        differences = await rebuilds.differences(standing.version, behind, limit + 1)
        response = pb.DiffRebuildResponse(
            rebuild=_on_wire(standing),
            keys=found.keys,
            differing=found.differing,
            fields=[
                pb.FieldDifference(field=field, keys=keys)
                for field, keys in sorted(found.fields.items(), key=lambda entry: (-entry[1], entry[0]))
            ],
            hash_before=found.hash_before,
            hash_after=found.hash_after,
            parked_before=found.parked_before,
            parked_after=found.parked_after,
            differences=map(_difference, differences[:limit]),
        )
        if len(differences) > limit:
            last = differences[limit - 1]
            response.next_page_token = next_page(request, (last.tenant, last.key))
        return response

    async def SwitchProjection(
        self, request: pb.SwitchProjectionRequest, context: Context
    ) -> pb.SwitchProjectionResponse:
        living = self._of(request).living
        switched = await living.versions.switch(request.version, request.request_id)
        await living.refresh()
        return pb.SwitchProjectionResponse(before=switched.before, after=switched.after)

    async def RetireProjection(
        self, request: pb.RetireProjectionRequest, context: Context
    ) -> pb.RetireProjectionResponse:
        living = self._of(request).living
        await living.versions.retire(request.version)
        await living.refresh()
        return pb.RetireProjectionResponse()

    def _of(self, request: Any) -> Rebuildable:
        if not current_caller().platform:
            raise PermissionDenied("versions of projections concern all tenants: this call is the platform's to make")
        if request.projection not in self._rebuildable:
            raise NotFound("projection with versions", request.projection)
        return self._rebuildable[request.projection]


def _on_wire(one: Standing) -> pb.Rebuild:
    wire = pb.Rebuild(
        projection=one.projection,
        version=one.version,
        against=one.against,
        phase=PHASES[one.phase],
        running=one.running,
        started_at=timestamp(one.started_at),
        ended_at=timestamp(one.ended_at),
        events=one.events,
        events_wanted=one.events_wanted,
        keys=one.keys,
        keys_compared=one.keys_compared,
        events_per_second=one.events_per_s,
        workers=one.workers,
        trouble=one.trouble,
    )
    if one.seconds_left is not None:
        wire.left.FromTimedelta(timedelta(seconds=one.seconds_left))
    return wire


def _difference(one: Difference) -> pb.KeyDifference:
    return pb.KeyDifference(
        tenant=one.tenant,
        key=one.key,
        position=event_pb.Position(partition=one.partition, position=one.position),
        changes=map(_entry, one.changes),
        more=one.more,
    )


def _entry(change: Change) -> pb.EntryDifference:
    return pb.EntryDifference(
        field=change.field, entry=change.entry, before=_value(change.before), after=_value(change.after)
    )


def _value(said: Any) -> Value | None:
    return None if said is None else json_format.ParseDict(said, Value())
