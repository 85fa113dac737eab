"""`profile.v1.Schemas`."""

from typing import Any, Final

import grpc
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb
from portrait.profile.v1 import schemas_service_pb2_grpc as schemas_rpc

from libs.rpc.caller import calling_tenant
from libs.rpc.pages import next_page, page_cursor
from services.profile.codec import schemas
from services.profile.schemas import Schemas

PAGE: Final = 100

Context = grpc.aio.ServicerContext[Any, Any]


class SchemasService(schemas_rpc.SchemasServicer):
    """`profile.v1.Schemas`."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    async def PublishSchema(
        self, request: schemas_pb.PublishSchemaRequest, context: Context
    ) -> schemas_pb.PublishSchemaResponse:
        schema, changes = await self._schemas.publish(
            calling_tenant(),
            schemas.schema_from(request.schema),
            etag=request.etag,
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return schemas_pb.PublishSchemaResponse(schema=schemas.schema_on_wire(schema), changes=changes)

    async def GetSchema(self, request: schemas_pb.GetSchemaRequest, context: Context) -> schemas_pb.GetSchemaResponse:
        await self._schemas.refresh(calling_tenant())
        schema = self._schemas.of(calling_tenant()).get(request.name, request.version)
        return schemas_pb.GetSchemaResponse(schema=schemas.schema_on_wire(schema))

    async def ListSchemas(
        self, request: schemas_pb.ListSchemasRequest, context: Context
    ) -> schemas_pb.ListSchemasResponse:
        await self._schemas.refresh(calling_tenant())
        limit = request.page_size or PAGE
        behind = page_cursor(request, str) or ""
        current = self._schemas.of(calling_tenant()).current.schemas
        names = sorted(name for name in current if name > behind)
        response = schemas_pb.ListSchemasResponse(
            schemas=[schemas.schema_on_wire(current[name]) for name in names[:limit]]
        )
        if len(names) > limit:
            response.next_page_token = next_page(request, names[limit - 1])
        return response
