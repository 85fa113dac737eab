import pytest

from services.profile.domain.schema import TRAITS, EventReading
from services.profile.domain.schema_defaults import SHIPPED
from services.profile.domain.schema_history import SchemaHistory
from services.profile.domain.schema_set import SchemaSet

SHIPPED_SET = SchemaHistory().current


def roles(reading: EventReading, role: str) -> list[str]:
    return [name for played, name in reading.roles if played == role]


def test_an_order_is_read_by_its_totals_first_and_its_lines_else() -> None:
    reading = SHIPPED_SET.reading("order_completed")
    assert reading.money_flow == "order"
    assert roles(reading, "amount") == ["revenue", "total", "value", "amount"]
    assert reading.lines == "products"
    assert ("amount", "amount") in reading.line_roles
    assert ("price", "price") in reading.line_roles


def test_money_moves_with_completed_and_refunded_orders_alone() -> None:
    flows = {name: schema.money_flow for name, schema in SHIPPED.items() if schema.money_flow}
    assert flows == {"order_completed": "order", "order_refunded": "refund"}


def test_stronger_intent_weighs_more() -> None:
    path = ["product_removed", "product_viewed", "product_added", "checkout_started", "order_completed"]
    weights = [SHIPPED_SET.reading(name).weight for name in path]
    assert weights == sorted(set(weights))


def test_an_event_nobody_declared_is_read_by_the_usual_names() -> None:
    reading = SHIPPED_SET.reading("package_viewed")
    assert (reading.name, reading.weight, reading.money_flow) == ("package_viewed", 1, "")
    assert "package_id" in roles(reading, "item")
    assert roles(reading, "price") == ["price"]
    assert roles(reading, "category") == ["category"]


def test_what_portrait_does_itself_says_nothing_about_taste() -> None:
    for name in ("message_sent", "message_delivered", "message_failed"):
        assert SHIPPED_SET.reading(name).roles == ()


def test_shipped_schemas_describe_and_refuse_nothing() -> None:
    assert not SHIPPED_SET.demands
    assert SHIPPED_SET.check("order_completed", {"total": "19.90"}) is None
    assert SHIPPED_SET.check_traits({"age": "young"}) is None


def test_contact_details_are_personal() -> None:
    sensitivity = {one.name: one.sensitivity for one in SHIPPED[TRAITS].properties}
    assert {sensitivity[name] for name in ("email", "phone", "name", "birthday")} == {"personal"}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_schema_could_be_published_as_it_is(name: str) -> None:
    _, schema, _ = SchemaHistory().publish(SHIPPED[name], 1)
    assert schema.version == 1


def test_readings_of_ever_new_names_do_not_pile_up() -> None:
    schemas = SchemaSet(0, SHIPPED)
    for n in range(10_000):
        schemas.reading(f"made_up_{n}")
    assert len(schemas._readings) <= 4096


def test_a_track_called_traits_is_not_held_against_the_traits_schema() -> None:
    assert SHIPPED_SET.reading(TRAITS).weight == 1
    assert not SHIPPED_SET.needs_check(TRAITS)
