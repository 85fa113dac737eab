from typing import Any

import pytest

from services.profile.domain.day_counts import LARGEST_SUM, total
from services.profile.domain.money import LARGEST
from services.profile.domain.portrait import Portrait, record
from services.profile.domain.schema import EventReading
from services.profile.domain.spending import SpendingNow, spending_now
from tests.support.interactions import DAY, NOON, SHANGHAI, fact, folded, portrait_of, tracked

TODAY = SHANGHAI.day(NOON)


def order(**properties: Any) -> dict[str, Any]:
    return tracked("Order Completed", properties)


def spent(portrait: Portrait, currency: str = "CNY") -> SpendingNow:
    return spending_now(portrait.spending, TODAY)[currency]


def test_orders_and_refunds_are_summed_by_currency() -> None:
    portrait = portrait_of(
        order(revenue=199.9),
        order(total="100"),
        order(value=5, currency="usd"),
        tracked("Order Refunded", {"total": 30}),
        tracked("Order Refunded", {"total": -20}),
    )
    cny = spent(portrait)
    assert (cny.orders, cny.total, cny.refunded, cny.largest) == (2, 29_990, 5_000, 19_990)
    assert cny.average == 14_995
    assert (spent(portrait, "USD").orders, spent(portrait, "USD").total) == (1, 500)


def test_revenue_goes_before_total() -> None:
    assert spent(portrait_of(order(total=120, revenue=100))).total == 10_000


def test_without_an_amount_the_lines_make_it_and_a_line_total_is_never_multiplied() -> None:
    lines = [
        {"price": 10, "quantity": 3},
        {"amount": 50, "price": 10, "quantity": 9},
        {"price": "2.5"},
        {"sku": "gift"},
    ]
    assert spent(portrait_of(order(products=lines))).total == 8_250


def test_without_amount_and_lines_price_times_quantity_makes_it() -> None:
    reading = EventReading("package_bought", money_flow="order", roles=(("price", "price"), ("quantity", "n")))
    portrait = Portrait()
    record(portrait, fact(tracked("package_bought", {"price": 6800, "n": 2})), reading, SHANGHAI)
    assert spent(portrait).total == 1_360_000


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"revenue": "NaN"}, "AMOUNT_UNREADABLE"),
        ({"revenue": True}, "AMOUNT_UNREADABLE"),
        ({"revenue": 1e300}, "AMOUNT_ABSURD"),
        ({"products": [{"price": 9e13}] * 2}, "AMOUNT_ABSURD"),
        ({"revenue": -1}, "AMOUNT_NEGATIVE"),
        ({"revenue": 5, "currency": "¥"}, "CURRENCY_UNREADABLE"),
        ({"products": [{"sku": "gift"}, 7]}, "AMOUNT_MISSING"),
        ({"products": "none"}, "AMOUNT_MISSING"),
        ({}, "AMOUNT_MISSING"),
    ],
)
def test_an_order_without_a_believable_amount_is_counted_as_ignored(properties: dict[str, Any], reason: str) -> None:
    portrait = portrait_of(order(**properties))
    assert portrait.spending == {}
    assert portrait.ignored == {reason: 1}
    assert total(portrait.activity["order_completed"].days) == 1


def test_a_free_order_is_an_order() -> None:
    free = spent(portrait_of(order(revenue=0)))
    assert (free.orders, free.total, free.largest) == (1, 0, 0)


def test_the_average_is_rounded_half_to_even() -> None:
    assert spent(portrait_of(order(revenue=0.01), order(revenue=0.02))).average == 2
    assert spent(portrait_of(order(revenue=0.02), order(revenue=0.03))).average == 2


def test_of_equally_large_orders_the_greatest_event_id_is_named() -> None:
    sent = [fact(order(revenue=5), NOON, name) for name in ("a", "b", "c")]
    assert spent(folded(sent)).largest_event_id == max(one.event_id for one in sent)


def test_windows_are_calendar_days_with_today() -> None:
    ages = [0, 29, 30, 364, 365, 1000]
    windows = spent(folded(fact(order(revenue=1), NOON - age * DAY, str(age)) for age in ages))
    assert (windows.orders, windows.orders_last_30_days, windows.orders_last_365_days) == (6, 2, 4)
    assert (windows.total, windows.total_last_30_days, windows.total_last_365_days) == (600, 200, 400)
    assert (windows.first_at, windows.last_at) == (NOON - 1000 * DAY, NOON)


def test_refunds_alone_have_no_first_order() -> None:
    refunded = spent(portrait_of(tracked("order_refunded", {"total": 3})))
    assert (refunded.orders, refunded.average, refunded.refunded) == (0, 0, 300)
    assert (refunded.largest, refunded.largest_event_id, refunded.first_at, refunded.last_at) == (None,) * 4


def test_money_beyond_all_bounds_stops_at_the_largest_sum() -> None:
    most = {"revenue": LARGEST, "currency": "JPY"}
    sent = [
        fact(tracked(event, most), NOON, f"{event} {i}")
        for event in ("order_completed", "order_refunded")
        for i in range(1030)
    ]
    yen = spent(folded(sent), "JPY")
    assert (yen.total, yen.refunded, yen.orders) == (LARGEST_SUM, LARGEST_SUM, 1030)
