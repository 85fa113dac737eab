"""Whom identifiers name, who somebody is or was, and why."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.people.anchor import NOT_A_PERSON
from libs.people.identifiers import Claimed, Identified, Refused
from libs.rpc.caller import calling_tenant
from libs.rpc.times import micros_in
from libs.runtime.errors import InvalidArgument
from services.identity.api.parts import Context, Methods, identified
from services.identity.codec.persons import explained_on_wire, person_on_wire, tell_whose
from services.identity.queries.hindsight import Moment, person_then
from services.identity.rulebook import Reading

INTERACTIONS: Final = "interactions"
REACH_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02


class PeopleMethods(Methods):
    """`Resolve`, `BatchResolve`, `GetPerson`, `ExplainPerson`."""

    async def Resolve(self, request: pb.ResolveRequest, context: Context) -> pb.ResolveResponse:
        tenant = calling_tenant()
        if request.HasField("at_least"):
            await self._reach(request.at_least)
        key = identified(await self._reading(tenant), request.identifier, "identifier").key
        response = pb.ResolveResponse()
        tell_whose(response.resolution, key, (await self._parts.people.whose(tenant, [key]))[key])
        return response

    async def BatchResolve(self, request: pb.BatchResolveRequest, context: Context) -> pb.BatchResolveResponse:
        tenant = calling_tenant()
        reading = await self._reading(tenant)
        response = pb.BatchResolveResponse()
        named = []
        for one in _read(reading, request.identifiers):
            answer = response.resolutions.add()
            if isinstance(one, Refused):
                answer.unusable = one.reason
            elif one.type.kind != "person":
                answer.unusable = NOT_A_PERSON
            else:
                named.append((answer, one.key))
        whose = await self._parts.people.whose(tenant, [key for _, key in named])
        for answer, key in named:
            tell_whose(answer, key, whose[key])
        return response

    async def GetPerson(self, request: pb.GetPersonRequest, context: Context) -> pb.GetPersonResponse:
        tenant, parts = calling_tenant(), self._parts
        reading = await self._reading(tenant)
        place = await self._place(tenant, reading, request.person, "person")
        if not (request.HasField("as_of") or request.HasField("known_at")):
            return pb.GetPersonResponse(person=person_on_wire(await parts.people.person(tenant, place, reading.rules)))
        then = Moment(micros_in(request, "as_of"), micros_in(request, "known_at"))
        person = await person_then(parts.people, parts.histories, parts.log, parts.rulebook, tenant, place, then)
        return pb.GetPersonResponse(person=person_on_wire(person))

    async def ExplainPerson(self, request: pb.ExplainPersonRequest, context: Context) -> pb.ExplainPersonResponse:
        tenant = calling_tenant()
        reading = await self._reading(tenant)
        one = await self._place(tenant, reading, request.one, "one")
        other = await self._place(tenant, reading, request.other, "other") if request.HasField("other") else None
        return explained_on_wire(await self._parts.explaining.explain(tenant, one, other, reading.rules))

    async def _reach(self, at_least: Position) -> None:
        """Wait, for a while, until a position of the interactions log is resolved."""
        async with asyncio.timeout(REACH_SECONDS):
            while True:
                consumed = (await self._parts.consumed()).get(INTERACTIONS, {})
                if consumed and at_least.partition not in consumed:
                    raise InvalidArgument("at_least.partition", f"the log has {len(consumed)} partitions")
                if consumed.get(at_least.partition, 0) >= at_least.position:
                    return
                await asyncio.sleep(POLL_SECONDS)


def _read(reading: Reading, said: Iterable[Identifier]) -> Sequence[Identified | Refused]:
    """Each identifier as the rules read it. Nearly always all are usable, and then one look at them is enough."""
    identify = reading.anchoring.identify
    claims = [Claimed(one.type, one.value) for one in said]
    found, refused = identify(claims)
    return [(one[0] or one[1])[0] for one in map(identify, ([claim] for claim in claims))] if refused else found
