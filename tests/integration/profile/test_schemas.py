"""`Schemas`: published, planned, enforced; and what came before keeps its meaning."""

import asyncio
from typing import Any

import pytest
from portrait.profile.v1 import schemas_service_pb2 as pb

from tests.support.profile import QUARANTINED, RECORDED, Client, fresh, identified, refused, tracked

AMOUNT = pb.Property(name="paid", type=pb.PROPERTY_TYPE_NUMBER, role=pb.PROPERTY_ROLE_AMOUNT)
STRICT = pb.UNKNOWN_PROPERTIES_QUARANTINE


def fresh_name() -> str:
    return fresh("event").replace("-", "_")


def schema(name: str, *properties: pb.Property, **rest: Any) -> pb.Schema:
    return pb.Schema(name=name, kind=pb.SCHEMA_KIND_EVENT, properties=properties, **rest)


async def publish(client: Client, wanted: pb.Schema, **request: Any) -> Any:
    return await client.schemas.PublishSchema(pb.PublishSchemaRequest(schema=wanted, **request))


async def get(client: Client, name: str, version: int = 0) -> Any:
    return (await client.schemas.GetSchema(pb.GetSchemaRequest(name=name, version=version))).schema


async def test_a_published_schema_can_be_read_in_every_version(demo: Client) -> None:
    name = fresh_name()
    first = (await publish(demo, schema(name, AMOUNT))).schema
    second = (await publish(demo, schema(name, AMOUNT, money_flow=pb.MONEY_FLOW_ORDER))).schema
    assert (first.version, second.version) == (1, 2)
    assert second.revision > first.revision
    assert first.etag != second.etag
    assert await get(demo, name) == await get(demo, name, 2) == second
    assert await get(demo, name, 1) == first
    assert (await refused(get(demo, name, 3))).code == "NOT_FOUND"
    assert (await refused(get(demo, fresh_name()))).code == "NOT_FOUND"


async def test_a_plan_says_what_would_change_and_changes_nothing(demo: Client) -> None:
    name = fresh_name()
    await publish(demo, schema(name, AMOUNT))
    plan = await publish(demo, schema(name, unknown_properties=STRICT, weight=3), validate_only=True)
    assert plan.schema.version == 2
    assert list(plan.changes) == [
        "unknown properties: allow → quarantine",
        "weight: 1 → 3",
        "paid: no longer described, nor read as amount",
    ]
    assert (await get(demo, name)).version == 1
    assert (await publish(demo, schema(name, unknown_properties=STRICT, weight=3))).changes == plan.changes


async def test_publishing_what_stands_changes_nothing(demo: Client) -> None:
    name = fresh_name()
    first = await publish(demo, schema(name, AMOUNT))
    again = await publish(demo, schema(name, AMOUNT))
    assert (again.schema, list(again.changes)) == (first.schema, [])


async def test_a_schema_that_somebody_else_changed_meanwhile_is_not_overwritten(demo: Client) -> None:
    name = fresh_name()
    first = (await publish(demo, schema(name, AMOUNT))).schema
    await publish(demo, schema(name, AMOUNT, weight=2), etag=first.etag)
    why = await refused(publish(demo, schema(name, AMOUNT, weight=3), etag=first.etag))
    assert (why.code, why.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert why.metadata["expected"] == first.etag
    assert (await get(demo, name)).weight == 2


async def test_a_repeated_request_is_answered_as_the_first_was(demo: Client) -> None:
    name, request = fresh_name(), fresh("request")
    first = await publish(demo, schema(name, AMOUNT), request_id=request)
    await publish(demo, schema(name, AMOUNT, weight=9))
    assert await publish(demo, schema(name, AMOUNT), request_id=request) == first
    assert (await get(demo, name)).weight == 9


async def test_of_those_who_publish_at_once_each_gets_a_version_of_their_own(demo: Client) -> None:
    name = fresh_name()
    answers = await asyncio.gather(*(publish(demo, schema(name, weight=weight)) for weight in range(1, 13)))
    assert sorted(one.schema.version for one in answers) == list(range(1, 13))
    for one in answers:
        assert await get(demo, name, one.schema.version) == one.schema


async def test_all_schemas_are_listed_by_name_in_pages(demo: Client) -> None:
    names = {fresh_name() for _ in range(5)}
    for name in names:
        await publish(demo, schema(name))
    listed: list[str] = []
    token = ""
    while True:
        answer = await demo.schemas.ListSchemas(pb.ListSchemasRequest(page_size=7, page_token=token))
        listed += [one.name for one in answer.schemas]
        token = answer.next_page_token
        if not token:
            break
    assert listed == sorted(set(listed))
    assert names | {"order_completed", "product_viewed", "traits"} <= set(listed)
    shipped = await get(demo, "order_completed")
    assert (shipped.version, shipped.money_flow) == (0, pb.MONEY_FLOW_ORDER)


async def test_a_published_schema_is_enforced_and_names_the_fault(demo: Client) -> None:
    name, user = fresh_name(), fresh()
    required = pb.Property(name="shop", type=pb.PROPERTY_TYPE_STRING, required=True)
    in_list = pb.Property(name="lines[].count", type=pb.PROPERTY_TYPE_INTEGER)
    await publish(demo, schema(name, AMOUNT, required, in_list, unknown_properties=STRICT))
    good = {"shop": "s1", "paid": 3.5, "lines": [{"count": 1}]}
    results = await demo.collect(
        tracked(user, name, properties=good),
        tracked(user, name, properties={**good, "colour": "red"}),
        tracked(user, name, properties={**good, "paid": "3.5"}),
        tracked(user, name, properties={"paid": 3.5}),
        tracked(user, name, properties={**good, "lines": [{"count": 1}, {"count": 1.5}]}),
        tracked(user, fresh_name(), properties={"anything": "goes"}),
    )
    assert [one.outcome for one in results] == [RECORDED, *[QUARANTINED] * 4, RECORDED]
    assert [(one.rejection.reason, one.rejection.field) for one in results[1:5]] == [
        ("UNKNOWN_PROPERTY", "properties.colour"),
        ("WRONG_TYPE", "properties.paid"),
        ("MISSING_FIELD", "properties.shop"),
        ("WRONG_TYPE", "properties.lines[1].count"),
    ]


async def test_traits_have_a_schema_too(demo: Client) -> None:
    name, user = fresh_name(), fresh()
    current = await get(demo, "traits")
    wanted = pb.Schema(name="traits", kind=pb.SCHEMA_KIND_TRAITS)
    wanted.properties.extend([*current.properties, pb.Property(name=name, type=pb.PROPERTY_TYPE_INTEGER)])
    await publish(demo, wanted)
    good, bad = await demo.collect(identified(user, {name: 7}), identified(user, {name: "seven"}))
    assert good.outcome == RECORDED
    assert (bad.rejection.reason, bad.rejection.field) == ("WRONG_TYPE", f"traits.{name}")


async def test_interactions_keep_the_meaning_that_they_came_with(demo: Client) -> None:
    name, user = fresh_name(), fresh()
    said = {"properties": {"paid": 10, "fee": 3, "currency": "CNY"}}
    fee = pb.Property(name="fee", type=pb.PROPERTY_TYPE_NUMBER, role=pb.PROPERTY_ROLE_AMOUNT)
    await publish(demo, schema(name, AMOUNT, money_flow=pb.MONEY_FLOW_ORDER))
    old = tracked(user, name, **said)
    await demo.recorded(old)
    await publish(demo, schema(name, fee, money_flow=pb.MONEY_FLOW_ORDER))
    await demo.recorded(tracked(user, name, **said))
    spending = (await demo.portrait(user)).spending["CNY"]
    assert (spending.orders, spending.total.minor) == (2, 1_300)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (None, "schema"),
        (schema(""), "schema.name"),
        (schema("Not Snake"), "schema.name"),
        (pb.Schema(name="x"), "schema.kind"),
        (schema("x", weight=101), "schema.weight"),
        (schema("traits"), "schema.name"),
        (schema("x", pb.Property(name="")), "schema.properties[0].name"),
        (schema("x", pb.Property(name="a"), pb.Property(name="a")), "schema.properties[1].name"),
        (schema("x", pb.Property(name="a", type=99)), "schema.properties[0].type"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_schema_is_refused_with_the_place(demo: Client, wanted: pb.Schema | None, field: str) -> None:
    request = pb.PublishSchemaRequest(schema=wanted)
    why = await refused(demo.schemas.PublishSchema(request))
    assert (why.code, next(iter(why.violations))) == ("INVALID_ARGUMENT", field)
