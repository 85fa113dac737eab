"""A customer whom one tenant alone knows."""

from dataclasses import dataclass
from typing import Any

import asyncpg
from portrait.log.v1 import event_pb2
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.devstack.stack import Stack
from tests.support.profile import Client, fresh, identified, person, tracked


@dataclass(frozen=True, slots=True)
class Customer:
    """What the tenant `demo` knows of one customer, each part of it marked with the same secret."""

    secret: str
    user: str
    message: dict[str, Any]
    import_id: str
    event: str
    quarantine_id: str
    person_id: str
    pages: dict[str, str]


async def met(demo: Client, stack: Stack) -> Customer:
    """Everything that a tenant can know of a customer, known."""
    secret = fresh("secret")
    user, import_id, event = fresh(), fresh("import"), fresh("event").replace("-", "_")
    await demo.recorded(identified(user, {"name": secret}))
    message = tracked(user, event, source=secret, properties={"note": secret})
    await demo.recorded(message, tracked(user, event, source=secret), import_id=import_id)
    for name in (event, f"{event}_too"):
        schema = schemas_pb.Schema(name=name, kind=schemas_pb.SCHEMA_KIND_EVENT, description=secret)
        await demo.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=schema))
    bad = [{**tracked(user), "identifiers": {}, "source": secret} for _ in range(2)]
    results = await demo.collect(*bad, import_id=import_id)
    person_id = (await demo.portrait(user)).person_id
    await park(stack, bytes.fromhex(person_id), secret)
    timeline = profiles_pb.ListTimelineRequest(person=person(user), page_size=1)
    pages = {
        "timeline": (await demo.profiles.ListTimeline(timeline)).next_page_token,
        "quarantine": (
            await demo.quarantine.ListQuarantined(quarantine_pb.ListQuarantinedRequest(page_size=1))
        ).next_page_token,
        "schemas": (await demo.schemas.ListSchemas(schemas_pb.ListSchemasRequest(page_size=1))).next_page_token,
        "letters": (await demo.projections.ListDeadLetters(ops_pb.ListDeadLettersRequest(page_size=1))).next_page_token,
    }
    assert all(pages.values())
    return Customer(secret, user, message, import_id, event, results[0].rejection.quarantine_id, person_id, pages)


async def park(stack: Stack, key: bytes, secret: str) -> None:
    """Two dead letters, as a fold that fails leaves them."""
    connection = await asyncpg.connect(stack.postgres.dsn("profile", role="profile"))
    event = event_pb2.Event(tenant="demo", payload=secret.encode()).SerializeToString()
    for position in (1, 2):
        await connection.execute(
            "INSERT INTO dead_letters "
            "(projection, log, partition, position, recorded_at, tenant, key, event, kind, cause, parked_at) "
            "VALUES ('portraits', 'interactions', 0, $1, 1, 'demo', $2::text::uuid, $4, 'failed', $3, 1)",
            position,
            key.hex(),
            secret,
            event,
        )
    await connection.close()


async def unpark(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.postgres.dsn("profile", role="profile"))
    await connection.execute("DELETE FROM dead_letters")
    await connection.close()
