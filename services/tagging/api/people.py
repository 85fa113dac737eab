"""Who has which tags and why, and what is said of people by hand or by a file."""

from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.conditions.comparisons import Scalar
from libs.eventlog.event import Appended
from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.times import micros_in
from libs.runtime.errors import InvalidArgument
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.explanations import explanation_on_wire, held_on_wire, score_on_wire
from services.tagging.codec.lifecycle import stage_on_wire
from services.tagging.codec.segments import memberships_on_wire
from services.tagging.codec.tiers import tier_on_wire
from services.tagging.codec.values import value_of
from services.tagging.domain.explanation import Measured
from services.tagging.domain.names import kind_of
from services.tagging.handlers.saying import Wanted


class PeopleMethods(Methods):
    """`GetPersonTags`, `ExplainTag`, `SetTag`, `ClearTag`, `ImportTags`."""

    async def GetPersonTags(self, request: pb.GetPersonTagsRequest, context: Context) -> pb.GetPersonTagsResponse:
        tenant, people = calling_tenant(), self._parts.people
        name = self._name(tenant, request.person)
        as_of, known_at = micros_in(request, "as_of"), micros_in(request, "known_at")
        if request.HasField("at_least"):
            await people.answered(tenant, name, request.at_least.partition, request.at_least.position)
        person = await people.person(tenant, name)
        if as_of is not None or known_at is not None:
            held = await people.held_then(tenant, person.id, as_of=as_of, known_at=known_at)
        else:
            held = dict((await people.held(tenant, [person.id]))[person.id])
        scores: dict[str, Measured] = {}
        if as_of is not None and known_at is None:
            scores = await self._parts.scoring.scores_then(tenant, person, as_of)
        elif known_at is None:
            scores = await self._parts.scoring.scores(tenant, person)
        return pb.GetPersonTagsResponse(
            person_id=person.id.hex(),
            tags=[held_on_wire(name, one) for name, one in sorted(held.items()) if kind_of(name) == "tag"],
            segments=memberships_on_wire(held),
            tier=tier_on_wire(held),
            stage=stage_on_wire(held),
            scores=[score_on_wire(tag, one.scored, one.version) for tag, one in scores.items()],
        )

    async def ExplainTag(self, request: pb.ExplainTagRequest, context: Context) -> pb.ExplainTagResponse:
        tenant = calling_tenant()
        told = await self._parts.explaining.explain(tenant, request.tag, self._name(tenant, request.person))
        return explanation_on_wire(told, request.tag)

    async def SetTag(self, request: pb.SetTagRequest, context: Context) -> pb.SetTagResponse:
        tenant = calling_tenant()
        name = self._name(tenant, request.person)
        wanted = Wanted(name, _value(request.value, "value"), request.of, micros_in(request, "expires_at"))
        found = await self._parts.saying.set(
            tenant, request.tag, wanted, current_caller().name, request.reason, request_id=request.request_id
        )
        return pb.SetTagResponse(position=_position(found.place), event_id=found.event_id, person_id=found.person.hex())

    async def ClearTag(self, request: pb.ClearTagRequest, context: Context) -> pb.ClearTagResponse:
        tenant = calling_tenant()
        name = self._name(tenant, request.person)
        found = await self._parts.saying.clear(
            tenant, request.tag, name, current_caller().name, request.reason, request_id=request.request_id
        )
        if found is None:
            return pb.ClearTagResponse()
        return pb.ClearTagResponse(position=_position(found.place), event_id=found.event_id)

    async def ImportTags(self, request: pb.ImportTagsRequest, context: Context) -> pb.ImportTagsResponse:
        tenant = calling_tenant()
        wanted, response = [], pb.ImportTagsResponse()
        for index, row in enumerate(request.rows):
            at = f"rows[{index}]"
            try:
                name = self._name(tenant, row.person, f"{at}.person")
                value = _value(row.value, f"{at}.value")
                expires_at = micros_in(row, "expires_at", f"{at}.")
            except InvalidArgument as error:
                response.refused.add(row=row.row, reason=str(error))
                continue
            wanted.append(Wanted(name, value, row.of, expires_at, row.row, f"{at}.value"))
        told = await self._parts.saying.import_(tenant, request.tag, wanted, current_caller().name, request.import_id)
        response.set, response.duplicates = told.recorded, told.duplicates
        for number, reason in told.refused.items():
            response.refused.add(row=number, reason=reason)
        response.refused.sort(key=lambda one: one.row)
        return response


def _position(place: Appended) -> Position:
    return Position(partition=place.partition, position=place.position)


def _value(wire: tags.TagValue, field: str) -> Scalar:
    value = value_of(wire)
    if value is None:
        raise InvalidArgument(field, "is missing")
    return value
