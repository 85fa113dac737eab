"""Definitions: published, previewed, retired and read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.pages import next_page, page_cursor
from libs.runtime.errors import InvalidArgument, NotFound
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.definitions import definition_on_wire
from services.tagging.codec.drafts import document_of, draft_of
from services.tagging.codec.explanations import plan_on_wire
from services.tagging.domain.plan import TagPlan
from services.tagging.domain.published import PublishedTag
from services.tagging.handlers.publishing import Publication
from services.tagging.store.definitions import DefinitionRows

PAGE: Final = 100
_MOST: Final = 10_000
NOT_CHECKED: Final = "the schemas could not be read, so that names of events and traits were not checked"


class Written(NamedTuple):
    """A definition as a document, and the field of the request that says it."""

    document: str
    field: str


class DefinitionMethods(Methods):
    """`PublishTag`, `PreviewTag`, `RetireTag`, `GetTag`, `ListTags`."""

    async def PublishTag(self, request: pb.PublishTagRequest, context: Context) -> pb.PublishTagResponse:
        written = _written(request)
        tried, plan = await self._tried(written, request.etag, request.request_id, request.look_at)
        if request.validate_only:
            return pb.PublishTagResponse(definition=definition_on_wire(tried.tag), plan=plan)
        published = await self._publish(written, request.etag, request.request_id, validate_only=False)
        return pb.PublishTagResponse(definition=definition_on_wire(published.tag), plan=plan)

    async def PreviewTag(self, request: pb.PreviewTagRequest, context: Context) -> pb.PreviewTagResponse:
        _, plan = await self._tried(_written(request), "", "", request.look_at)
        return pb.PreviewTagResponse(plan=plan)

    async def RetireTag(self, request: pb.RetireTagRequest, context: Context) -> pb.RetireTagResponse:
        tenant, parts = calling_tenant(), self._parts
        lost = await parts.previewing.lost(tenant, request.tag)
        retired = await parts.publishing.retire(
            tenant,
            request.tag,
            current_caller().name,
            request.reason,
            etag=request.etag,
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return pb.RetireTagResponse(definition=definition_on_wire(retired), lost=lost)

    async def GetTag(self, request: pb.GetTagRequest, context: Context) -> pb.GetTagResponse:
        async with self._parts.people.pool.acquire() as connection:
            versions = await DefinitionRows(connection, calling_tenant()).versions(request.tag)
        wanted = [one for one in versions if request.version in {0, one.version}]
        if not wanted:
            raise NotFound("tag", f"{request.tag} version {request.version}" if request.version else request.tag)
        return pb.GetTagResponse(
            definition=definition_on_wire(wanted[-1]),
            versions=[definition_on_wire(one, document=False) for one in versions],
            draft=draft_of(wanted[-1].document),
        )

    async def ListTags(self, request: pb.ListTagsRequest, context: Context) -> pb.ListTagsResponse:
        limit, behind = request.page_size or PAGE, page_cursor(request, str) or ""
        async with self._parts.people.pool.acquire() as connection:
            newest = await DefinitionRows(connection, calling_tenant()).newest(behind, _MOST)
        wires = [definition_on_wire(one) for one in newest if request.retired or _stands(one)]
        found = [one for one in wires if request.category in {"", one.category}]
        response = pb.ListTagsResponse(definitions=found[:limit])
        if len(found) > limit:
            response.next_page_token = next_page(request, found[limit - 1].key)
        return response

    async def _tried(
        self, written: Written, etag: str, request_id: str, look_at: int
    ) -> tuple[Publication, pb.TagPlan]:
        """What would be published, and what that would change."""
        tenant = calling_tenant()
        tried = await self._publish(written, etag, request_id, validate_only=True)
        plan = TagPlan()
        if tried.changes:
            plan = await self._parts.previewing.plan(tenant, tried.definition, look_at)
        warnings = [f"{one.path}: {one.message}" for one in tried.findings]
        if not (await self._parts.names.of(tenant)).told:
            warnings.append(NOT_CHECKED)
        return tried, plan_on_wire(plan, warnings, tried.changes)

    async def _publish(self, written: Written, etag: str, request_id: str, *, validate_only: bool) -> Publication:
        tenant = calling_tenant()
        described = await self._parts.names.of(tenant)
        with in_field(written.field):
            return await self._parts.publishing.publish(
                tenant,
                written.document,
                current_caller().name,
                events=described.events,
                traits=described.traits,
                etag=etag,
                request_id=request_id,
                validate_only=validate_only,
            )


def _written(request: pb.PublishTagRequest | pb.PreviewTagRequest) -> Written:
    if request.HasField("draft"):
        return Written(document_of(request.draft, "draft"), "draft")
    return Written(request.document, "document")


@contextmanager
def in_field(field: str) -> Iterator[None]:
    """Say which field of a request says the document in which something is wrong."""
    try:
        yield
    except InvalidArgument as error:
        told = f"{error.field}: {error.message}" if error.field else error.message
        raise InvalidArgument(field, told, error.reason) from None


def _stands(tag: PublishedTag) -> bool:
    return tag.state in {"live", "filling"}
