"""Every change of who is who, as it is recorded."""

from collections.abc import AsyncIterator

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.log.v1.event_pb2 import Position

from libs.eventlog.event import Recorded
from libs.eventlog.tailing import Tail
from libs.rpc.caller import calling_tenant
from services.identity.api.parts import Context, Methods
from services.identity.codec.decisions import change_on_wire
from services.identity.codec.events import CHANGES, change_of
from services.identity.domain.changes import AnchorCut
from services.identity.domain.person import Identifier
from services.identity.domain.sentences import Sayings, Words
from services.identity.queries.people import identifiers


class WatchingMethods(Methods):
    """`WatchChanges`."""

    async def WatchChanges(
        self, request: pb.WatchChangesRequest, context: Context
    ) -> AsyncIterator[pb.WatchChangesResponse]:
        tenant = calling_tenant()
        tail = await Tail.of(self._parts.log, request.behind)
        for position in tail.beginnings():
            yield pb.WatchChangesResponse(position=position)
        async for position, recorded in tail.follow(tenant):
            if recorded.event.type in CHANGES:
                yield await self._change(tenant, position, recorded)

    async def _change(self, tenant: str, position: Position, recorded: Recorded) -> pb.WatchChangesResponse:
        change = change_of(recorded.event)
        identifier, reason = Identifier(recorded.event.key), ""
        if isinstance(change, AnchorCut):
            reading = await self._reading(tenant)
            async with self._parts.people.reading(tenant) as store:
                known = identifiers(await store.resolved.known([change.anchor]))
            identifier = known.get(change.anchor, identifier)
            if change.cut is not None:
                reason = Words(known, reading.rules, Sayings()).cut(change.anchor, change.cut)
        return change_on_wire(position, recorded.event.id, change, identifier, reason)
