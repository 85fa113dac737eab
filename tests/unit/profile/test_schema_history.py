from dataclasses import replace

import pytest

from libs.runtime.errors import EtagMismatch, InvalidArgument, NotFound
from services.profile.domain.schema import PropertySchema, Schema
from services.profile.domain.schema_history import SchemaHistory, decide, evolve

PRICE = PropertySchema("price", "number", "price")
LISTED = Schema("package_viewed", properties=(PRICE,), weight=2)


def published(*schemas: Schema) -> SchemaHistory:
    history = SchemaHistory()
    for at, schema in enumerate(schemas, start=1):
        history, _, _ = history.publish(schema, at)
    return history


def test_an_old_revision_keeps_its_meaning() -> None:
    history = published(LISTED, replace(LISTED, weight=5))
    assert [history.at(revision).reading("package_viewed").weight for revision in (0, 1, 2)] == [1, 2, 5]
    assert history.current.revision == 2
    assert history.get("package_viewed", 1).weight == 2
    assert history.get("package_viewed").published_at == 2


def test_versions_count_by_schema_and_revisions_by_tenant() -> None:
    history = published(LISTED, Schema("order_completed"), replace(LISTED, weight=5))
    standing = history.get("package_viewed"), history.get("order_completed"), history.get("product_viewed")
    assert [(schema.version, schema.revision) for schema in standing] == [(2, 3), (1, 2), (0, 0)]


def test_publishing_what_stands_changes_nothing() -> None:
    history = published(LISTED)
    again, schema, changes = history.publish(LISTED, 9)
    assert again is history
    assert (schema.version, changes) == (1, [])


def test_publishing_what_portrait_ships_makes_it_enforced() -> None:
    shipped = SchemaHistory().get("order_completed")
    history, schema, _ = SchemaHistory().publish(shipped, 1, shipped.etag)
    assert schema.version == 1
    assert not SchemaHistory().current.needs_check("order_completed")
    assert history.current.needs_check("order_completed")


def test_an_etag_guards_against_a_change_in_between() -> None:
    history = published(LISTED)
    etag = history.get("package_viewed").etag
    changed, schema, _ = history.publish(replace(LISTED, weight=5), 2, etag)
    assert schema.etag != etag
    with pytest.raises(EtagMismatch) as caught:
        changed.publish(replace(LISTED, weight=6), 3, etag)
    assert (caught.value.expected, caught.value.actual) == (etag, schema.etag)
    with pytest.raises(EtagMismatch):
        changed.publish(Schema("never_seen"), 3, etag)


def test_an_etag_changes_when_something_old_is_published_again() -> None:
    first = published(LISTED).get("package_viewed")
    third = published(LISTED, replace(LISTED, weight=5), LISTED).get("package_viewed")
    assert first.etag != third.etag


def test_deciding_leaves_the_history_as_it_was() -> None:
    history = SchemaHistory()
    events = decide(history, LISTED, 1)
    assert history.current.revision == 0
    assert evolve(history, events[0]).current.schemas["package_viewed"] == events[0].schema


def test_the_plan_says_what_changes() -> None:
    _, _, changes = published(LISTED).publish(
        Schema(
            "package_viewed",
            description="Seen.",
            properties=(PropertySchema("price", "string", "price", required=True), PropertySchema("colour")),
            unknown_properties="quarantine",
            money_flow="order",
        ),
        2,
    )
    assert changes == [
        "the description changes",
        "unknown properties: allow → quarantine",
        "weight: 2 → 1",
        "money flow: none → order",
        "colour: any, internal",
        "price: number as price, internal → required string as price, internal",
    ]
    _, _, changes = published(LISTED).publish(replace(LISTED, properties=()), 2)
    assert changes == ["price: no longer described, nor read as price"]


def test_the_plan_of_a_first_version_warns_that_usual_names_are_left() -> None:
    _, _, changes = SchemaHistory().publish(LISTED, 1)
    assert "no longer read by the usual property names" in changes[0]


def test_the_plan_tells_that_preference_turns() -> None:
    amounts = PropertySchema("total", role="amount"), PropertySchema("revenue", role="amount")
    _, _, changes = published(Schema("paid", properties=amounts)).publish(Schema("paid", properties=amounts[::-1]), 2)
    assert changes == ["the order of preference among properties of one role changes"]


def test_what_is_not_there_is_not_found() -> None:
    history = published(LISTED)
    for ask in (
        lambda: history.at(2),
        lambda: history.at(-1),
        lambda: history.get("nowhere"),
        lambda: history.get("package_viewed", 7),
    ):
        with pytest.raises(NotFound):
            ask()


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        (Schema("traits"), "schema.name"),
        (Schema("people", "traits"), "schema.name"),
        (Schema("traits", "traits", weight=1), "schema.kind"),
        (Schema("traits", "traits", properties=(PRICE,)), "schema.properties[0].role"),
        (Schema("e", properties=(PRICE, PRICE)), "schema.properties[1].name"),
        (Schema("e", properties=(PropertySchema(""),)), "schema.properties[0].name"),
        (Schema("e", properties=(PropertySchema("[].price"),)), "schema.properties[0].name"),
        (Schema("e", properties=(PropertySchema("lines[]."),)), "schema.properties[0].name"),
        (Schema("e", properties=(PropertySchema("lines[]"),)), "schema.properties[0].name"),
        (Schema("e", properties=(PropertySchema("a[].b[].c"),)), "schema.properties[0].name"),
        (Schema("e", properties=(PropertySchema("lines[].currency", role="currency"),)), "schema.properties[0].role"),
        (
            Schema("e", properties=(PropertySchema("a[].p", role="price"), PropertySchema("b[].p", role="price"))),
            "schema.properties[1].role",
        ),
    ],
)
def test_what_no_reading_could_be_made_of_is_refused_at_its_path(schema: Schema, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        SchemaHistory().publish(schema, 1)
    assert caught.value.field == field
