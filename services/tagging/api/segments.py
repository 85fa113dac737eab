"""Segments: published, retired and read, who is a member and why, and lists of members."""

from typing import Final

from portrait.tagging.v1 import segments_service_pb2 as pb

from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.pages import Text, next_page, page_cursor
from libs.runtime.errors import InvalidArgument
from services.tagging.api.parts import Context
from services.tagging.api.publishing import PAGE, PublishingMethods, Written, stands
from services.tagging.codec.segments import membership_explained, segment_on_wire
from services.tagging.handlers.saying import Wanted

_FIRST: Final = "segment:"


class SegmentMethods(PublishingMethods):
    """`PublishSegment`, `RetireSegment`, `GetSegment`, `ListSegments`, `ExplainMembership`, `UploadList`."""

    async def PublishSegment(self, request: pb.PublishSegmentRequest, context: Context) -> pb.PublishSegmentResponse:
        published, plan = await self._published(Written("segment", request.document), request)
        return pb.PublishSegmentResponse(definition=segment_on_wire(published), plan=plan)

    async def RetireSegment(self, request: pb.RetireSegmentRequest, context: Context) -> pb.RetireSegmentResponse:
        retired, lost = await self._retired(_name(request.segment), request)
        return pb.RetireSegmentResponse(definition=segment_on_wire(retired), lost=lost)

    async def GetSegment(self, request: pb.GetSegmentRequest, context: Context) -> pb.GetSegmentResponse:
        wanted, versions = await self._versions(_name(request.segment), request.version)
        return pb.GetSegmentResponse(
            definition=segment_on_wire(wanted), versions=[segment_on_wire(one, document=False) for one in versions]
        )

    async def ListSegments(self, request: pb.ListSegmentsRequest, context: Context) -> pb.ListSegmentsResponse:
        limit, behind = request.page_size or PAGE, page_cursor(request, Text) or ""
        found = await self._newest("segment", behind, limit + 1, lambda one: request.retired or stands(one))
        response = pb.ListSegmentsResponse(definitions=map(segment_on_wire, found[:limit]))
        if len(found) > limit:
            response.next_page_token = next_page(request, found[limit - 1].name)
        return response

    async def ExplainMembership(
        self, request: pb.ExplainMembershipRequest, context: Context
    ) -> pb.ExplainMembershipResponse:
        tenant, name = calling_tenant(), _name(request.segment)
        told = await self._parts.explaining.explain(tenant, name, self._name(tenant, request.person))
        return membership_explained(told, name)

    async def UploadList(self, request: pb.UploadListRequest, context: Context) -> pb.UploadListResponse:
        tenant = calling_tenant()
        wanted, response = [], pb.UploadListResponse()
        for index, row in enumerate(request.rows):
            try:
                name = self._name(tenant, row.person, f"rows[{index}].person")
            except InvalidArgument as error:
                response.refused.add(row=row.row, reason=str(error))
                continue
            wanted.append(Wanted(name, not row.removed, "", None, row.row))
        told = await self._parts.saying.import_(
            tenant, _name(request.segment), wanted, current_caller().name, request.import_id
        )
        response.recorded, response.duplicates = told.recorded, told.duplicates
        for number, reason in told.refused.items():
            response.refused.add(row=number, reason=reason)
        response.refused.sort(key=lambda one: one.row)
        return response


def _name(key: str) -> str:
    return f"{_FIRST}{key}"
