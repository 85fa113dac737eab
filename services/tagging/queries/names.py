"""What a tenant has names for: the events and traits that its schemas describe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

import grpc
import structlog
from portrait.profile.v1 import schemas_service_pb2 as pb
from portrait.profile.v1 import schemas_service_pb2_grpc as rpc

from libs.conditions.vocabulary import Properties, ValueType
from libs.rpc.client import metadata_for

KEPT_SECONDS: Final = 5.0
_PAGE: Final = 1_000
_ASK_SECONDS: Final = 5.0

_TYPES: Final[Mapping[int, ValueType]] = {
    pb.PROPERTY_TYPE_STRING: "string",
    pb.PROPERTY_TYPE_NUMBER: "number",
    pb.PROPERTY_TYPE_INTEGER: "integer",
    pb.PROPERTY_TYPE_BOOLEAN: "boolean",
    pb.PROPERTY_TYPE_TIMESTAMP: "timestamp",
    pb.PROPERTY_TYPE_LIST: "list",
    pb.PROPERTY_TYPE_OBJECT: "object",
}


class Described(NamedTuple):
    """The properties of every event that is described, and the traits; `told` is false where nobody could be asked."""

    events: Mapping[str, Properties]
    traits: Properties
    told: bool = True


@dataclass(eq=False)
class Names:
    """Asks whoever keeps the schemas. Who does not answer keeps nobody from publishing: an unknown name is no error."""

    channel: grpc.aio.Channel
    _known: dict[str, tuple[float, Described]] = field(default_factory=dict, init=False)

    async def of(self, tenant: str) -> Described:
        """What is described for a tenant, a few seconds ago at most."""
        since, known = self._known.get(tenant, (0.0, None))
        if known is not None and monotonic() - since < KEPT_SECONDS:
            return known
        try:
            described = await self._ask(tenant)
        except grpc.aio.AioRpcError as error:
            structlog.get_logger().warning("schemas_not_read", tenant=tenant, error=error.code().name)
            return Described({}, {}, told=False)
        self._known[tenant] = (monotonic(), described)
        return described

    async def _ask(self, tenant: str) -> Described:
        stub, token = rpc.SchemasStub(self.channel), ""
        events: dict[str, Properties] = {}
        traits: dict[str, ValueType] = {}
        while True:
            request = pb.ListSchemasRequest(page_size=_PAGE, page_token=token)
            answer = await stub.ListSchemas(request, metadata=metadata_for(tenant), timeout=_ASK_SECONDS)
            for schema in answer.schemas:
                properties: dict[str, ValueType] = {one.name: _TYPES.get(one.type, "any") for one in schema.properties}
                if schema.kind == pb.SCHEMA_KIND_TRAITS:
                    traits |= properties
                else:
                    events[schema.name] = properties
            token = answer.next_page_token
            if not token:
                return Described(events, traits)
