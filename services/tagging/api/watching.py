"""Every tag that somebody gets or loses, as it is recorded."""

from collections.abc import AsyncIterator

from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.eventlog.event import Recorded
from libs.eventlog.tailing import Tail
from libs.rpc.caller import calling_tenant
from libs.rpc.times import timestamp
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.changes import ASSIGNED, REMOVED


class WatchingMethods(Methods):
    """`WatchTags`."""

    async def WatchTags(self, request: pb.WatchTagsRequest, context: Context) -> AsyncIterator[pb.WatchTagsResponse]:
        tenant = calling_tenant()
        names = [self._name(tenant, one, f"people[{index}]") for index, one in enumerate(request.people)]
        people = {person.id for person in await self._parts.people.map.people(tenant, names)} if names else None
        wanted = frozenset(request.tags)
        tail = await Tail.of(self._parts.log, request.behind)
        for position in tail.beginnings():
            yield pb.WatchTagsResponse(position=position)
        async for position, recorded in tail.follow(tenant):
            if people is None or recorded.event.key in people:
                change = _change(position, recorded, wanted)
                if change is not None:
                    yield change


def _change(position: Position, recorded: Recorded, wanted: frozenset[str]) -> pb.WatchTagsResponse | None:
    """A change as it is watched; None for what is none, or of another tag."""
    event = recorded.event
    if event.type not in {ASSIGNED, REMOVED}:
        return None
    wire = pb.WatchTagsResponse(
        position=position,
        event_id=event.id,
        causation_id=event.causation_id,
        person_id=event.key.hex(),
        mode=event.mode,
        occurred_at=timestamp(event.occurred_at_micros),
    )
    if event.type == ASSIGNED:
        wire.assigned.CopyFrom(events.TagAssigned.FromString(event.payload))
        tag = wire.assigned.tag
    else:
        wire.removed.CopyFrom(events.TagRemoved.FromString(event.payload))
        tag = wire.removed.tag
    return wire if not wanted or tag in wanted else None
