"""Publishing of any kind: what would be, with the plan, and what is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.caller import calling_tenant, current_caller
from libs.runtime.errors import InvalidArgument, NotFound
from services.tagging.api.parts import Methods
from services.tagging.codec.explanations import plan_on_wire
from services.tagging.domain.names import Kind, key_of, kind_of
from services.tagging.domain.plan import TagPlan
from services.tagging.domain.published import Published
from services.tagging.domain.registry import unknown
from services.tagging.handlers.publishing import Publication
from services.tagging.store.definitions import DefinitionRows

PAGE: Final = 100
PORTION: Final = 100
"""Definitions that are read from tables at once."""
NOT_CHECKED: Final = "the schemas could not be read, so that names of events and traits were not checked"

PublishRequest = (
    pb.PublishTagRequest | pb.PublishTiersRequest | pb.PublishLifecycleRequest | segments.PublishSegmentRequest
)
RetireRequest = pb.RetireTagRequest | pb.RetireTiersRequest | pb.RetireLifecycleRequest | segments.RetireSegmentRequest


class Written(NamedTuple):
    """A definition as a document, its kind, and the field of the request that says it."""

    kind: Kind
    document: str
    field: str = "document"


class PublishingMethods(Methods):
    """What the methods that publish have in common, whatever they publish."""

    async def _published(self, written: Written, request: PublishRequest) -> tuple[Published, pb.TagPlan]:
        """What is published, or would be, and what that changes."""
        tried, plan = await self._tried(written, request.etag, request.request_id, request.look_at)
        if request.validate_only:
            return tried.published, plan
        done = await self._publish(written, request.etag, request.request_id, validate_only=False)
        return done.published, plan

    async def _tried(
        self, written: Written, etag: str, request_id: str, look_at: int
    ) -> tuple[Publication, pb.TagPlan]:
        """What would be published, and what that would change."""
        tenant = calling_tenant()
        tried = await self._publish(written, etag, request_id, validate_only=True)
        plan = TagPlan()
        if tried.changes:
            plan = await self._parts.previewing.plan(tenant, tried.definitions, look_at)
        unchecked = () if (await self._parts.names.of(tenant)).told else (NOT_CHECKED,)
        return tried, plan_on_wire(plan, tried.findings, tried.changes, unchecked)

    async def _publish(self, written: Written, etag: str, request_id: str, *, validate_only: bool) -> Publication:
        tenant = calling_tenant()
        described = await self._parts.names.of(tenant)
        with in_field(written.field):
            return await self._parts.publishing.publish(
                tenant,
                written.kind,
                written.document,
                current_caller().name,
                events=described.events,
                traits=described.traits,
                etag=etag,
                request_id=request_id,
                validate_only=validate_only,
            )

    async def _retired(self, name: str, request: RetireRequest) -> tuple[Published, int]:
        """What is retired, or would be, and how many people lose it."""
        tenant, parts = calling_tenant(), self._parts
        lost = await parts.crowds.crowds.holding(tenant, name)
        retired = await parts.publishing.retire(
            tenant,
            name,
            current_caller().name,
            request.reason,
            etag=request.etag,
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return retired, lost

    async def _versions(self, name: str, wanted: int) -> tuple[Published, list[Published]]:
        """The version wanted, 0 for the newest, and all that there are. Raises `NotFound`."""
        async with self._parts.people.pool.acquire() as connection:
            versions = await DefinitionRows(connection, calling_tenant()).versions(name)
        found = [one for one in versions if wanted in {0, one.version}]
        if not found:
            if versions:
                raise NotFound(kind_of(name), f"{key_of(name)} version {wanted}")
            raise unknown(name, self._parts.catalogues.live(calling_tenant()).definitions)
        return found[-1], versions

    async def _newest(self, kind: Kind, behind: str, limit: int, meets: Callable[[Published], bool]) -> list[Published]:
        """So many of a kind behind a name that meet a condition, each as its newest version, in the order of names."""
        found: list[Published] = []
        async with self._parts.people.pool.acquire() as connection:
            rows = DefinitionRows(connection, calling_tenant())
            while len(found) < limit and (some := await rows.newest(behind, PORTION)):
                behind = some[-1].name
                of_kind = (one for one in some if kind_of(one.name) == kind and meets(one))
                found += islice(of_kind, limit - len(found))
        return found


def stands(one: Published) -> bool:
    """Whether people are answered by it, or will be."""
    return one.state in {"live", "filling"}


@contextmanager
def in_field(field: str) -> Iterator[None]:
    """Say which field of a request says the document in which something is wrong."""
    try:
        yield
    except InvalidArgument as error:
        told = f"{error.field}: {error.message}" if error.field else error.message
        raise InvalidArgument(field, told, error.reason) from None
