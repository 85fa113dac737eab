"""Everything that somebody gets or loses, as it is recorded."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence

from portrait.identity.v1 import person_pb2
from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.eventlog.event import Recorded
from libs.eventlog.tailing import Tail
from libs.rpc.caller import calling_tenant
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.changes import ASSIGNED, ENTERED, LEFT, REMOVED


class _Watching(Methods):
    async def _watched(
        self, behind: Iterable[Position], people: Sequence[person_pb2.PersonReference], types: Collection[str]
    ) -> AsyncIterator[tuple[Position, Recorded | None]]:
        """Where watching begins, one a partition, and then events of some types; with people, those of these alone."""
        tenant = calling_tenant()
        names = [self._name(tenant, one, f"people[{index}]") for index, one in enumerate(people)]
        wanted = {person.id for person in await self._parts.people.map.people(tenant, names)} if names else None
        tail = await Tail.of(self._parts.log, behind)
        for position in tail.beginnings():
            yield position, None
        async for position, recorded in tail.follow(tenant):
            if recorded.event.type in types and (wanted is None or recorded.event.key in wanted):
                yield position, recorded


class WatchingTags(_Watching):
    """`WatchTags`."""

    async def WatchTags(self, request: pb.WatchTagsRequest, context: Context) -> AsyncIterator[pb.WatchTagsResponse]:
        wanted = frozenset(request.tags)
        async for position, recorded in self._watched(request.behind, request.people, {ASSIGNED, REMOVED}):
            wire = pb.WatchTagsResponse(position=position)
            if recorded is not None:
                _tell(wire, recorded)
                if recorded.event.type == ASSIGNED:
                    wire.assigned.CopyFrom(events.TagAssigned.FromString(recorded.event.payload))
                else:
                    wire.removed.CopyFrom(events.TagRemoved.FromString(recorded.event.payload))
            if recorded is None or not wanted or (wire.assigned.tag or wire.removed.tag) in wanted:
                yield wire


class WatchingSegments(_Watching):
    """`WatchSegment`."""

    async def WatchSegment(
        self, request: segments.WatchSegmentRequest, context: Context
    ) -> AsyncIterator[segments.WatchSegmentResponse]:
        wanted = frozenset(request.segments)
        async for position, recorded in self._watched(request.behind, request.people, {ENTERED, LEFT}):
            wire = segments.WatchSegmentResponse(position=position)
            if recorded is not None:
                _tell(wire, recorded)
                if recorded.event.type == ENTERED:
                    wire.entered.CopyFrom(events.SegmentEntered.FromString(recorded.event.payload))
                else:
                    wire.left.CopyFrom(events.SegmentLeft.FromString(recorded.event.payload))
            if recorded is None or not wanted or (wire.entered.segment or wire.left.segment) in wanted:
                yield wire


def _tell(wire: pb.WatchTagsResponse | segments.WatchSegmentResponse, recorded: Recorded) -> None:
    event = recorded.event
    wire.event_id = event.id
    wire.causation_id = event.causation_id
    wire.person_id = event.key.hex()
    wire.mode = event.mode
    wire.occurred_at.FromMicroseconds(event.occurred_at_micros)
