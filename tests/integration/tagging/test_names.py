"""What a tenant has names for is asked of whoever keeps the schemas."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from portrait.profile.v1 import schemas_service_pb2 as pb
from portrait.profile.v1 import schemas_service_pb2_grpc as rpc

from libs.rpc.client import channel
from services.tagging.queries.names import Names


class Keeper(rpc.SchemasServicer):
    """Describes one event a page, then the traits."""

    def __init__(self) -> None:
        self.asked = 0

    async def ListSchemas(self, request: pb.ListSchemasRequest, context: Any) -> pb.ListSchemasResponse:
        self.asked += 1
        if request.page_token:
            age = pb.Property(name="age", type=pb.PROPERTY_TYPE_INTEGER)
            return pb.ListSchemasResponse(
                schemas=[pb.Schema(name="traits", kind=pb.SCHEMA_KIND_TRAITS, properties=[age])]
            )
        total = pb.Property(name="total", type=pb.PROPERTY_TYPE_NUMBER)
        viewed = pb.Schema(name="viewed", kind=pb.SCHEMA_KIND_EVENT, properties=[total, pb.Property(name="x")])
        return pb.ListSchemasResponse(schemas=[viewed], next_page_token="2")


@pytest.fixture
async def keeper() -> AsyncIterator[tuple[Keeper, str]]:
    server, one = grpc.aio.server(), Keeper()  # type: ignore[abstract]  # nothing else is asked
    rpc.add_SchemasServicer_to_server(one, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield one, f"127.0.0.1:{port}"
    await server.stop(None)


async def test_all_pages_are_read_and_kept_for_a_while(
    keeper: tuple[Keeper, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tagging.queries.names.KEPT_SECONDS", 600.0)
    one, address = keeper
    async with channel(address) as line:
        names = Names(line)
        described = await names.of("demo")
        assert described.events == {"viewed": {"total": "number", "x": "any"}}
        assert described.traits == {"age": "integer"}
        assert await names.of("demo") is described
    assert one.asked == 2


async def test_who_does_not_answer_keeps_nobody_from_publishing() -> None:
    async with channel("127.0.0.1:1") as line:
        described = await Names(line).of("demo")
    assert (described.events, described.told) == ({}, False)
