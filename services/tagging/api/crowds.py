"""How many people meet a condition, who they are, and what crowds share."""

from math import ceil
from typing import Final

from portrait.tagging.v1 import membership_pb2 as pb

from libs.conditions.check import check, told
from libs.conditions.references import references
from libs.conditions.tree import Condition
from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.pages import next_page, page_cursor
from libs.rpc.times import micros_in
from libs.runtime.errors import FailedPrecondition
from services.tagging.api.parts import Context, Methods
from services.tagging.api.publishing import NOT_CHECKED
from services.tagging.codec.crowds import EVERYONE_KEY, condition_of, counted
from services.tagging.domain.definition import Definition
from services.tagging.domain.names import reference_of
from services.tagging.domain.registry import known_names, unknown_segment
from services.tagging.membership.crowd import Crowd, Place
from services.tagging.queries.crowds import Looked
from services.tagging.queries.estimating import Estimate
from services.tagging.queries.names import Described
from services.tagging.queries.question import Question

PAGE: Final = 100
NOTHING_DESCRIBED: Final = Described({}, {})
"""What a condition about what is held needs of schemas, which are not waited for."""


class CrowdMethods(Methods):
    """`CountSegment`, `ListMembers`, `CompareSegments`, `ExportSegment`."""

    async def CountSegment(self, request: pb.CountSegmentRequest, context: Context) -> pb.CountSegmentResponse:
        tenant, parts = calling_tenant(), self._parts.crowds
        condition = self._condition(tenant, request.crowd, "crowd")
        looked = await parts.crowds.look(tenant, [condition])
        if looked is not None:
            warnings = await self._doubts(tenant, request.crowd, condition, NOTHING_DESCRIBED)
            return pb.CountSegmentResponse(size=_exact(looked.crowds[0], looked), warnings=warnings)
        warnings = await self._doubts(tenant, request.crowd, condition, await self._parts.names.of(tenant))
        question = self._question(tenant, condition)
        if not question.is_of_the_held:  # whose population is another
            tally = await parts.tallying.count(tenant, condition)
            if tally is not None:
                return pb.CountSegmentResponse(size=counted(*tally), warnings=warnings)
        kept, operation = not question.lacks(self._parts.catalogues.live(tenant)), ""
        if request.count_everybody and kept:
            operation = await parts.operations.begin(tenant, "count", request, current_caller().name)
        estimate = await parts.estimating.estimate(tenant, condition, request.seed)
        if request.count_everybody and not kept and estimate.looked_at < estimate.population:
            raise _unkept()
        return pb.CountSegmentResponse(size=_estimated(estimate), operation=operation, warnings=warnings)

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.ListMembersResponse:
        tenant, crowds = calling_tenant(), self._parts.crowds.crowds
        condition, behind = self._condition(tenant, request.crowd, "crowd"), page_cursor(request, Place)
        limit = request.page_size or PAGE
        if request.sample:
            found = await crowds.sample(tenant, condition, request.sample, request.seed)
        else:
            found = await crowds.members(tenant, condition, behind, limit + 1)
        if found is None:
            raise _unheld("crowd")
        members, looked = found
        response = pb.ListMembersResponse(size=_exact(looked.crowds[0], looked))
        if not request.sample and len(members) > limit:
            members = members[:limit]
            response.next_page_token = next_page(request, members[-1].place)
        response.person_ids.extend(member.person.hex() for member in members)
        return response

    async def CompareSegments(self, request: pb.CompareSegmentsRequest, context: Context) -> pb.CompareSegmentsResponse:
        tenant, crowds = calling_tenant(), self._parts.crowds.crowds
        conditions = [self._condition(tenant, one, f"crowds[{at}]") for at, one in enumerate(request.crowds)]
        found = await crowds.overlap(tenant, conditions)
        if found is None:
            unheld = [crowds.at_once(tenant, [one]) is None for one in conditions]
            raise _unheld(f"crowds[{unheld.index(True)}]")
        pairs, looked = found
        return pb.CompareSegmentsResponse(
            sizes=[_exact(crowd, looked) for crowd in looked.crowds],
            overlaps=[pb.CrowdOverlap(**pair._asdict()) for pair in pairs],
        )

    async def ExportSegment(self, request: pb.ExportSegmentRequest, context: Context) -> pb.ExportSegmentResponse:
        tenant, parts = calling_tenant(), self._parts.crowds
        parts.exporting.need_folder()
        condition = self._condition(tenant, request.crowd, "crowd")
        if micros_in(request, "as_of") is not None:
            if not self._question(tenant, condition).is_of_the_held:
                raise _unheld("crowd")
        else:
            self._need_kept(tenant, condition)
        caller = current_caller().name
        name = await parts.operations.begin(tenant, "export", request, caller, request.request_id)
        return pb.ExportSegmentResponse(operation=name)

    def _condition(self, tenant: str, reference: pb.CrowdReference, field: str) -> Condition:
        """Who is asked for; raises `NotFound` for a segment that is not live, `FailedPrecondition` if it will be."""
        live, named = self._parts.catalogues.live(tenant).definitions, f"segment:{reference.segment}"
        if reference.HasField("segment") and reference.segment != EVERYONE_KEY and named not in live:
            if named in self._filling(tenant):
                why = f"{field}: segment {reference.segment!r} is being filled from history, and has no members yet"
                raise FailedPrecondition("BEING_FILLED", why)
            raise unknown_segment(reference.segment, live)
        return condition_of(reference, field)

    async def _doubts(
        self, tenant: str, reference: pb.CrowdReference, condition: Condition, described: Described
    ) -> list[str]:
        """What is doubtful in a condition, a segment's being checked when it was published, and in its answer now."""
        live, filling = self._parts.catalogues.live(tenant).definitions, self._filling(tenant)
        doubts: list[str] = []
        if not reference.HasField("segment"):
            doubts += told(check(condition, known_names({**live, **filling}, described.events, described.traits)))
            if not described.told:
                doubts.append(NOT_CHECKED)
        coming = references(condition) & {reference_of(name) for name in filling}
        doubts += [f"{one} is being filled from history, and nobody has it yet" for one in sorted(coming)]
        if not live:
            doubts.append("nothing is live yet, and so nobody was told of")
        elif await self._parts.people.being_answered(tenant):
            doubts.append("people are being answered for what went live: more will have it when that is done")
        return doubts

    def _filling(self, tenant: str) -> dict[str, Definition]:
        """What was published and is not live in any version."""
        filling, live = self._parts.catalogues.filling(tenant), self._parts.catalogues.live(tenant)
        if filling is None:
            return {}
        return {name: one for name, one in filling.definitions.items() if name not in live.definitions}

    def _question(self, tenant: str, condition: Condition) -> Question:
        return Question.of(self._parts.crowds.tenants.get(tenant), condition, self._parts.catalogues.live(tenant))

    def _need_kept(self, tenant: str, condition: Condition) -> None:
        """Raise `FailedPrecondition` if a condition asks for something of what happened that nobody keeps."""
        if self._question(tenant, condition).lacks(self._parts.catalogues.live(tenant)):
            raise _unkept()


def _exact(crowd: Crowd, looked: Looked) -> pb.CrowdSize:
    return counted(crowd.size, looked.population, looked.positions)


def _estimated(estimate: Estimate) -> pb.CrowdSize:
    share, everybody = estimate.share, estimate.population
    people = round(share.value * everybody)
    if estimate.looked_at >= everybody:
        return counted(people, everybody, {})
    return pb.CrowdSize(
        people=people,
        population=everybody,
        exactness=pb.EXACTNESS_ESTIMATED,
        low=int(share.low * everybody),
        high=ceil(share.high * everybody),
        looked_at=estimate.looked_at,
    )


def _unkept() -> FailedPrecondition:
    return FailedPrecondition(
        "NOT_KEPT", "crowd: asks for what is not kept of people's history: publish it as a segment first"
    )


def _unheld(field: str) -> FailedPrecondition:
    why = "asks for more than is held of people already (tags, segments, stages, tiers): publish it as a segment first"
    return FailedPrecondition("NOT_HELD", f"{field}: {why}")
