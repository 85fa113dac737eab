"""Spending: orders, money and refunds, by currency, in exact minor units."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

import msgspec

from libs.runtime.clock import Micros
from libs.runtime.currencies import exponent_of
from services.profile.domain import day_counts
from services.profile.domain.activity import NO_FIRST, NO_LAST
from services.profile.domain.day_counts import LARGEST_SUM, DayCounts
from services.profile.domain.money import (
    LARGEST,
    MoneyUnreadable,
    currency_code,
    minor_product,
    minor_units,
)
from services.profile.domain.schema import EventReading, Role

NO_ORDER: Final = (-1, b"")


class Spending(msgspec.Struct, array_like=True, gc=False):
    """In one currency. Orders and their money are the totals of their days."""

    orders: DayCounts = {}
    minor: DayCounts = {}
    refunded: int = 0
    largest: tuple[int, bytes] = NO_ORDER  # minor units, event id
    first: Micros = NO_FIRST
    last: Micros = NO_LAST


class SpendingNow(msgspec.Struct, frozen=True, gc=False):
    """Orders and money in minor units; times and the largest order are None where there were only refunds."""

    orders: int
    total: int
    refunded: int
    average: int
    largest: int | None
    largest_event_id: bytes | None
    first_at: Micros | None
    last_at: Micros | None
    orders_last_30_days: int
    total_last_30_days: int
    orders_last_365_days: int
    total_last_365_days: int


def spend(
    spending: dict[str, Spending],
    reading: EventReading,
    properties: Mapping[str, Any],
    default_currency: str,
    at: Micros,
    day: int,
    event_id: bytes,
) -> None:
    """Record an order or a refund; raises `MoneyUnreadable`, and then nothing is recorded.

    A refund counts by its size: some producers send it as a negative amount, some do not.
    """
    said = _said(reading.roles, "currency", properties)
    currency = default_currency if said is None else currency_code(said)
    amount = _amount(reading, properties, exponent_of(currency))
    if reading.money_flow == "order" and amount < 0:
        raise MoneyUnreadable("AMOUNT_NEGATIVE")
    known = spending.get(currency)
    if known is None:
        known = spending[currency] = Spending()
    if reading.money_flow == "refund":
        known.refunded = min(known.refunded + abs(amount), LARGEST_SUM)
        return
    day_counts.add(known.orders, day, 1)
    day_counts.add(known.minor, day, amount)
    known.largest = max(known.largest, (amount, event_id))
    known.first = min(known.first, at)
    known.last = max(known.last, at)


def union(a: Mapping[str, Spending], b: Mapping[str, Spending]) -> dict[str, Spending]:
    """Both together, as a new section."""
    nothing = Spending()
    return {currency: _sum(a.get(currency, nothing), b.get(currency, nothing)) for currency in a.keys() | b.keys()}


def spending_now(spending: Mapping[str, Spending], today: int) -> dict[str, SpendingNow]:
    """Spending by currency, in the order of codes."""
    return {currency: _now(known, today) for currency, known in sorted(spending.items())}


def _amount(reading: EventReading, properties: Mapping[str, Any], exponent: int) -> int:
    """The amount given; else the sum of the lines that have one; else price times quantity."""
    given = _said(reading.roles, "amount", properties)
    if given is not None:
        return minor_units(given, exponent)
    lines = properties.get(reading.lines) if reading.lines else None
    if isinstance(lines, list):
        amounts = [_line_amount(reading.line_roles, line, exponent) for line in lines if isinstance(line, dict)]
        known = [amount for amount in amounts if amount is not None]
        if known:
            return _believable(sum(known))
    amount = _line_amount(reading.roles, properties, exponent)
    if amount is None:
        raise MoneyUnreadable("AMOUNT_MISSING")
    return amount


def _line_amount(roles: Iterable[tuple[Role, str]], line: Mapping[str, Any], exponent: int) -> int | None:
    """A line's amount is its total and is never multiplied; only a price is."""
    given = _said(roles, "amount", line)
    if given is not None:
        return minor_units(given, exponent)
    price = _said(roles, "price", line)
    if price is None:
        return None
    quantity = _said(roles, "quantity", line)
    return minor_product(price, 1 if quantity is None else quantity, exponent)


def _said(roles: Iterable[tuple[Role, str]], wanted: Role, properties: Mapping[str, Any]) -> object:
    for role, name in roles:
        if role == wanted and (value := properties.get(name)) is not None:
            return value
    return None


def _believable(minor: int) -> int:
    if not -LARGEST <= minor <= LARGEST:
        raise MoneyUnreadable("AMOUNT_ABSURD")
    return minor


def _sum(a: Spending, b: Spending) -> Spending:
    return Spending(
        day_counts.union(a.orders, b.orders),
        day_counts.union(a.minor, b.minor),
        min(a.refunded + b.refunded, LARGEST_SUM),
        max(a.largest, b.largest),
        min(a.first, b.first),
        max(a.last, b.last),
    )


def _now(known: Spending, today: int) -> SpendingNow:
    orders, total = day_counts.total(known.orders), day_counts.total(known.minor)
    largest, largest_event_id = known.largest
    return SpendingNow(
        orders=orders,
        total=total,
        refunded=known.refunded,
        average=round(Fraction(total, orders)) if orders else 0,
        largest=largest if orders else None,
        largest_event_id=largest_event_id if orders else None,
        first_at=known.first if orders else None,
        last_at=known.last if orders else None,
        orders_last_30_days=day_counts.within(known.orders, today, 30),
        total_last_30_days=day_counts.within(known.minor, today, 30),
        orders_last_365_days=day_counts.within(known.orders, today, 365),
        total_last_365_days=day_counts.within(known.minor, today, 365),
    )
