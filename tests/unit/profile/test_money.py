from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.runtime.currencies import exponent_of
from services.profile.domain.money import (
    LARGEST,
    MoneyUnreadable,
    currency_code,
    minor_product,
    minor_units,
)


@pytest.mark.parametrize(
    ("said", "currency", "minor"),
    [
        (6800, "CNY", 680_000),
        (19.9, "USD", 1990),
        (0.285, "USD", 28),  # half to even
        (0.295, "USD", 30),
        (1.005, "USD", 100),
        (2.675, "USD", 268),
        (-3.5, "USD", -350),
        ("19.90", "USD", 1990),
        (" 7 ", "USD", 700),
        (1999, "JPY", 1999),
        (2.5, "JPY", 2),
        ("1.2345", "KWD", 1234),
        (1.5, "CLF", 15_000),
        (5e-324, "USD", 0),
        (LARGEST, "JPY", LARGEST),
    ],
)
def test_an_amount_is_exact_in_the_minor_unit_of_its_currency(said: Any, currency: str, minor: int) -> None:
    assert minor_units(said, exponent_of(currency)) == minor


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (LARGEST + 1, "AMOUNT_ABSURD"),
        (10**400, "AMOUNT_ABSURD"),
        (1e308, "AMOUNT_ABSURD"),
        ("9" * 18, "AMOUNT_ABSURD"),
        (float("nan"), "AMOUNT_UNREADABLE"),
        (float("inf"), "AMOUNT_UNREADABLE"),
        ("NaN", "AMOUNT_UNREADABLE"),
        ("1e3", "AMOUNT_UNREADABLE"),
        ("1_000", "AMOUNT_UNREADABLE"),
        ("1,299.00", "AMOUNT_UNREADABLE"),
        ("٣", "AMOUNT_UNREADABLE"),
        ("", "AMOUNT_UNREADABLE"),
        (True, "AMOUNT_UNREADABLE"),
        ([5], "AMOUNT_UNREADABLE"),
        ({}, "AMOUNT_UNREADABLE"),
    ],
)
def test_what_is_no_believable_amount_is_named(said: Any, fault: str) -> None:
    with pytest.raises(MoneyUnreadable, match=fault):
        minor_units(said, 2)


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.floats(-2e9, 2e9), st.floats(-1000, 1000), st.decimals(-(10**7), 10**7, places=3).map(float)))
@pytest.mark.parametrize("exponent", [0, 2, 3])
def test_a_float_means_the_decimal_that_it_prints_as(exponent: int, said: float) -> None:
    exact = Decimal(repr(said)).scaleb(exponent).to_integral_value(ROUND_HALF_EVEN)
    assert minor_units(said, exponent) == int(exact)


@pytest.mark.parametrize(
    ("price", "quantity", "minor"),
    [(19.9, 3, 5970), (0.005, 1000, 500), ("0.333", 3, 100), (2, 1.5, 300), (9.99, -1, -999), (4, 1, 400), (4, 0, 0)],
)
def test_price_times_quantity_is_rounded_once(price: Any, quantity: Any, minor: int) -> None:
    assert minor_product(price, quantity, 2) == minor


@pytest.mark.parametrize("quantity", [True, "two", None, 2**60])
def test_a_quantity_that_is_no_number_makes_no_amount(quantity: Any) -> None:
    with pytest.raises(MoneyUnreadable):
        minor_product(5, quantity, 2)


def test_a_currency_is_three_letters_in_any_case() -> None:
    assert currency_code(" cny ") == "CNY"


@pytest.mark.parametrize("said", ["¥", "", "dollar", 156, True, ["CNY"]])
def test_what_is_no_currency_is_named(said: Any) -> None:
    with pytest.raises(MoneyUnreadable, match="CURRENCY_UNREADABLE"):
        currency_code(said)
