"""Every change of who is who, as it is recorded."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.log.v1.event_pb2 import Position

from libs.eventlog.event import Recorded
from libs.rpc.caller import calling_tenant
from libs.runtime.errors import InvalidArgument
from services.identity.api.parts import Context, Methods
from services.identity.codec.decisions import change_on_wire
from services.identity.codec.events import CHANGES, change_of
from services.identity.domain.changes import AnchorCut
from services.identity.domain.person import Identifier
from services.identity.domain.sentences import Sayings, Words
from services.identity.queries.people import identifiers

POLL_SECONDS: Final = 0.1


class WatchingMethods(Methods):
    """`WatchChanges`."""

    async def WatchChanges(
        self, request: pb.WatchChangesRequest, context: Context
    ) -> AsyncIterator[pb.WatchChangesResponse]:
        tenant, log = calling_tenant(), self._parts.log
        positions = _beginnings(await log.heads(), request.behind)
        for partition, position in positions.items():
            yield pb.WatchChangesResponse(position=Position(partition=partition, position=position))
        while True:
            batches = await log.read(positions)
            for batch in batches:
                for recorded in batch.recorded():
                    if recorded.event.tenant == tenant and recorded.event.type in CHANGES:
                        yield await self._change(tenant, batch.partition, recorded)
                positions[batch.partition] = batch.last_position
            if not batches:
                await asyncio.sleep(POLL_SECONDS)

    async def _change(self, tenant: str, partition: int, recorded: Recorded) -> pb.WatchChangesResponse:
        change = change_of(recorded.event)
        position = Position(partition=partition, position=recorded.position)
        identifier, reason = Identifier(recorded.event.key), ""
        if isinstance(change, AnchorCut):
            reading = await self._reading(tenant)
            async with self._parts.people.reading(tenant) as store:
                known = identifiers(await store.resolved.known([change.anchor]))
            identifier = known.get(change.anchor, identifier)
            if change.cut is not None:
                reason = Words(known, reading.rules, Sayings()).cut(change.anchor, change.cut)
        return change_on_wire(position, recorded.event.id, change, identifier, reason)


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
