"""The lifecycle: published, read, and explained of a person."""

from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.caller import calling_tenant
from services.tagging.api.parts import Context
from services.tagging.api.publishing import PublishingMethods, Written
from services.tagging.codec.lifecycle import lifecycle_on_wire, stage_explained
from services.tagging.domain.names import STAGE


class LifecycleMethods(PublishingMethods):
    """`PublishLifecycle`, `RetireLifecycle`, `GetLifecycle`, `ExplainStage`."""

    async def PublishLifecycle(
        self, request: pb.PublishLifecycleRequest, context: Context
    ) -> pb.PublishLifecycleResponse:
        published, plan = await self._published(Written("lifecycle", request.document), request)
        return pb.PublishLifecycleResponse(definition=lifecycle_on_wire(published), plan=plan)

    async def RetireLifecycle(self, request: pb.RetireLifecycleRequest, context: Context) -> pb.RetireLifecycleResponse:
        retired, lost = await self._retired(STAGE, request)
        return pb.RetireLifecycleResponse(definition=lifecycle_on_wire(retired), lost=lost)

    async def GetLifecycle(self, request: pb.GetLifecycleRequest, context: Context) -> pb.GetLifecycleResponse:
        wanted, versions = await self._versions(STAGE, request.version)
        return pb.GetLifecycleResponse(
            definition=lifecycle_on_wire(wanted),
            versions=[lifecycle_on_wire(one, document=False) for one in versions],
        )

    async def ExplainStage(self, request: pb.ExplainStageRequest, context: Context) -> pb.ExplainStageResponse:
        tenant = calling_tenant()
        return stage_explained(await self._parts.staging.explain(tenant, self._name(tenant, request.person)))
