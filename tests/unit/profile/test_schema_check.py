from typing import Any

import pytest

from services.profile.domain.rejection import Reason
from services.profile.domain.schema import PropertySchema, PropertyType, Schema
from services.profile.domain.schema_check import check, fits

ORDER = Schema(
    "order_completed",
    properties=(
        PropertySchema("order_id", "string", required=True),
        PropertySchema("total", "number"),
        PropertySchema("products", "list"),
        PropertySchema("products[].sku", "string", required=True),
        PropertySchema("products[].quantity", "integer"),
    ),
    unknown_properties="quarantine",
    version=1,
)


@pytest.mark.parametrize(
    ("properties", "reason", "field"),
    [
        ({}, Reason.MISSING_FIELD, "properties.order_id"),
        ({"order_id": None}, Reason.MISSING_FIELD, "properties.order_id"),
        ({"order_id": 7}, Reason.WRONG_TYPE, "properties.order_id"),
        ({"order_id": "o", "total": "19.90"}, Reason.WRONG_TYPE, "properties.total"),
        ({"order_id": "o", "total": True}, Reason.WRONG_TYPE, "properties.total"),
        ({"order_id": "o", "products": {}}, Reason.WRONG_TYPE, "properties.products"),
        ({"order_id": "o", "products": ["s1"]}, Reason.WRONG_TYPE, "properties.products[0]"),
        ({"order_id": "o", "products": [{"sku": "s"}, {}]}, Reason.MISSING_FIELD, "properties.products[1].sku"),
        (
            {"order_id": "o", "products": [{"sku": "s", "quantity": 1.5}]},
            Reason.WRONG_TYPE,
            "properties.products[0].quantity",
        ),
        ({"order_id": "o", "gift": 1}, Reason.UNKNOWN_PROPERTY, "properties.gift"),
        (
            {"order_id": "o", "products": [{"sku": "s", "gift": 1}]},
            Reason.UNKNOWN_PROPERTY,
            "properties.products[0].gift",
        ),
    ],
)
def test_a_fault_is_named_with_its_path(properties: dict[str, Any], reason: Reason, field: str) -> None:
    fault = check(ORDER, properties, "properties")
    assert fault is not None
    assert (fault.reason, fault.field) == (reason, field)


@pytest.mark.parametrize(
    "properties",
    [
        {"order_id": "o"},
        {"order_id": "o", "total": None, "products": None},
        {"order_id": "o", "total": 19.9, "products": [{"sku": "s", "quantity": 2.0}, {"sku": "t"}]},
    ],
)
def test_what_keeps_to_the_schema_passes(properties: dict[str, Any]) -> None:
    assert check(ORDER, properties, "properties") is None


@pytest.mark.parametrize(
    ("wanted", "fitting", "unfitting"),
    [
        ("any", [1, "a", [], {}, True], []),
        ("string", ["", "a"], [1, True, [], {}]),
        ("number", [1, 1.5, 2**70], ["1", True]),
        ("integer", [1, 3.0], [1.5, True, "1"]),
        ("boolean", [True, False], [0, 1, "true"]),
        ("timestamp", ["2026-03-01T10:00:00+08:00", "2026-03-01"], ["soon", 1_772_330_400, ""]),
        ("list", [[], [1]], [{}, "[]"]),
        ("object", [{}, {"a": 1}], [[], "{}"]),
    ],
)
def test_a_type_takes_what_is_of_it(wanted: PropertyType, fitting: list[Any], unfitting: list[Any]) -> None:
    assert all(fits(wanted, value) for value in fitting)
    assert not any(fits(wanted, value) for value in unfitting)
