"""Definitions of tags and tiers: published, previewed, retired and read."""

from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.pages import Text, next_page, page_cursor
from services.tagging.api.parts import Context
from services.tagging.api.publishing import PAGE, PublishingMethods, Written, stands
from services.tagging.codec.definitions import category_of, definition_on_wire
from services.tagging.codec.drafts import document_of, draft_of
from services.tagging.codec.tiers import tiers_on_wire
from services.tagging.domain.names import TIER
from services.tagging.domain.published import Published


class DefinitionMethods(PublishingMethods):
    """`PublishTag`, `PreviewTag`, `RetireTag`, `GetTag`, `ListTags`, `PublishTiers`, `RetireTiers`, `GetTiers`."""

    async def PublishTag(self, request: pb.PublishTagRequest, context: Context) -> pb.PublishTagResponse:
        published, plan = await self._published(_written(request), request)
        return pb.PublishTagResponse(definition=definition_on_wire(published), plan=plan)

    async def PreviewTag(self, request: pb.PreviewTagRequest, context: Context) -> pb.PreviewTagResponse:
        _, plan = await self._tried(_written(request), "", "", request.look_at)
        return pb.PreviewTagResponse(plan=plan)

    async def RetireTag(self, request: pb.RetireTagRequest, context: Context) -> pb.RetireTagResponse:
        retired, lost = await self._retired(request.tag, request)
        return pb.RetireTagResponse(definition=definition_on_wire(retired), lost=lost)

    async def GetTag(self, request: pb.GetTagRequest, context: Context) -> pb.GetTagResponse:
        wanted, versions = await self._versions(request.tag, request.version)
        return pb.GetTagResponse(
            definition=definition_on_wire(wanted),
            versions=[definition_on_wire(one, document=False) for one in versions],
            draft=draft_of(wanted.document),
        )

    async def ListTags(self, request: pb.ListTagsRequest, context: Context) -> pb.ListTagsResponse:
        limit, behind = request.page_size or PAGE, page_cursor(request, Text) or ""

        def meets(one: Published) -> bool:
            if not (request.retired or stands(one)):
                return False
            return not request.category or category_of(one) == request.category

        found = await self._newest("tag", behind, limit + 1, meets)
        response = pb.ListTagsResponse(definitions=map(definition_on_wire, found[:limit]))
        if len(found) > limit:
            response.next_page_token = next_page(request, found[limit - 1].name)
        return response

    async def PublishTiers(self, request: pb.PublishTiersRequest, context: Context) -> pb.PublishTiersResponse:
        published, plan = await self._published(Written("tiers", request.document), request)
        return pb.PublishTiersResponse(definition=tiers_on_wire(published), plan=plan)

    async def RetireTiers(self, request: pb.RetireTiersRequest, context: Context) -> pb.RetireTiersResponse:
        retired, lost = await self._retired(TIER, request)
        return pb.RetireTiersResponse(definition=tiers_on_wire(retired), lost=lost)

    async def GetTiers(self, request: pb.GetTiersRequest, context: Context) -> pb.GetTiersResponse:
        wanted, versions = await self._versions(TIER, request.version)
        return pb.GetTiersResponse(
            definition=tiers_on_wire(wanted), versions=[tiers_on_wire(one, document=False) for one in versions]
        )


def _written(request: pb.PublishTagRequest | pb.PreviewTagRequest) -> Written:
    if request.HasField("draft"):
        return Written("tag", document_of(request.draft, "draft"), "draft")
    return Written("tag", request.document)
