"""Every tag that somebody gets or loses, as it is recorded."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.eventlog.event import Recorded
from libs.rpc.caller import calling_tenant
from libs.rpc.times import timestamp
from libs.runtime.errors import InvalidArgument
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.changes import ASSIGNED, REMOVED

POLL_SECONDS: Final = 0.05


class WatchingMethods(Methods):
    """`WatchTags`."""

    async def WatchTags(self, request: pb.WatchTagsRequest, context: Context) -> AsyncIterator[pb.WatchTagsResponse]:
        tenant, log = calling_tenant(), self._parts.log
        names = [self._name(tenant, one, f"people[{index}]") for index, one in enumerate(request.people)]
        people = {person.id for person in await self._parts.people.map.people(tenant, names)} if names else None
        wanted = frozenset(request.tags)
        positions = _beginnings(await log.heads(), request.behind)
        for partition, position in positions.items():
            yield pb.WatchTagsResponse(position=Position(partition=partition, position=position))
        while True:
            batches = await log.read(positions)
            for batch in batches:
                for recorded in batch.recorded():
                    if recorded.event.tenant != tenant or (people is not None and recorded.event.key not in people):
                        continue
                    change = _change(batch.partition, recorded, wanted)
                    if change is not None:
                        yield change
                positions[batch.partition] = batch.last_position
            if not batches:
                await asyncio.sleep(POLL_SECONDS)


def _change(partition: int, recorded: Recorded, wanted: frozenset[str]) -> pb.WatchTagsResponse | None:
    """A change as it is watched; None for what is none, or of another tag."""
    event = recorded.event
    if event.type not in {ASSIGNED, REMOVED}:
        return None
    wire = pb.WatchTagsResponse(
        position=Position(partition=partition, position=recorded.position),
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


def _beginnings(heads: dict[int, int], behind: Iterable[Position]) -> dict[int, int]:
    """Where to begin in each partition: where somebody was, or now."""
    begun = dict(heads)
    for index, one in enumerate(behind):
        if one.partition not in heads:
            raise InvalidArgument(f"behind[{index}].partition", f"the log has {len(heads)} partitions")
        if one.position > heads[one.partition]:
            told = f"is beyond the end of the partition, which is {heads[one.partition]:,}"
            raise InvalidArgument(f"behind[{index}].position", told)
        begun[one.partition] = one.position
    return begun
