"""The Complete Journey as interactions: what its households bought, were sent and redeemed, in the order of time."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from examples.grocery import tables
from examples.grocery.cards import Card, cards
from libs.people.identifiers import Claimed

TENANT: Final = "grocery"
ZONE: Final = ZoneInfo("America/New_York")
CURRENCY: Final = "USD"

DEMOGRAPHICS: Final = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)
DEMOGRAPHICS_KNOWN_ON: Final = date(2017, 1, 1)

_CARD_SCANNED_FROM_APP_EVERY: Final = 4  # baskets

_NOON: Final = time(12)

Dated = tuple[int, bytes]
"""Seconds since 1970, and the interaction as a JSON document."""


class Line(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of a basket; `amount` is in dollars, and that of the whole line whatever the quantity."""

    product_id: str
    quantity: int
    amount: float
    category: str | None = None
    brand: str | None = None


_json: Final = msgspec.json.Encoder().encode


def interactions(households: int | None = None, *, after: int = 0) -> Iterator[bytes]:
    """JSON documents of the first so many households, or of all, without the first `after`; oldest first."""
    chosen = _chosen(households, after)
    sources = (_records(chosen), _contacts(chosen), _redemptions(chosen), _baskets(chosen))
    return (document for _, document in merge(*sources, key=itemgetter(0)))


def count(households: int | None = None, *, after: int = 0) -> int:
    """How many interactions `interactions` yields."""
    chosen = _chosen(households, after)
    baskets = len(tables.distinct("transactions", "basket_id", of=chosen))
    others = ("demographics", "campaigns", "coupon_redemptions")
    return baskets + sum(tables.count(table, of=chosen) for table in others)


def _chosen(households: int | None, after: int) -> list[int] | None:
    return tables.households(households)[after:] if households is not None or after else None


def _baskets(chosen: list[int] | None) -> Iterator[Dated]:
    """A basket is one order. The lines of a basket stand together in the file, and baskets in the order of time."""
    products = _products()
    columns = ("basket_id", "household_id", "store_id", "transaction_timestamp")
    till_lines = tables.rows("transactions", *columns, "product_id", "quantity", "sales_value", of=chosen)
    for basket, group in groupby(till_lines, key=itemgetter(0)):
        rows = list(group)
        _, household, store, at, *_ = rows[0]
        lines = [
            Line(str(product), quantity, round(100 * sales) / 100, *products.get(product, ()))
            for _, _, _, _, product, quantity, sales in rows
        ]
        yield at, _order(basket, cards()[household], store, at, lines)


def _order(basket: int, card: Card, store: int, at: int, lines: list[Line]) -> bytes:
    scanned = basket % _CARD_SCANNED_FROM_APP_EVERY == 0
    return _json(
        {
            "message_id": f"basket:{basket}",
            "type": "track",
            "event": "order_completed",
            "occurred_at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "source": "till",
            "identifiers": _named(member_no=card.member_no, openid=card.openid if scanned else None),
            "properties": {"store_id": str(store), "currency": CURRENCY, "products": lines},
        }
    )


def _records(chosen: list[int] | None) -> Iterator[Dated]:
    """What the shop's records say of a household."""
    for household, *known in tables.rows("demographics", "household_id", *DEMOGRAPHICS, of=chosen):
        card = cards()[household]
        claims = [Claimed("member_no", card.member_no, verified=True)]
        if card.phone is not None:
            claims.append(Claimed("phone", card.phone, verified=True))
        yield _on(
            DEMOGRAPHICS_KNOWN_ON,
            message_id=f"household:{household}",
            type="identify",
            source="crm",
            identifiers=claims,
            traits=_named(**dict(zip(DEMOGRAPHICS, known, strict=True))),
        )


def _contacts(chosen: list[int] | None) -> Iterator[Dated]:
    """A household that takes part in a campaign is told so when it starts."""
    campaigns = {
        campaign: (kind, _day(starts), _day(ends))
        for campaign, kind, starts, ends in tables.rows(
            "campaign_descriptions", "campaign_id", "campaign_type", "start_date", "end_date"
        )
    }
    contacts = tables.rows("campaigns", "campaign_id", "household_id", of=chosen)
    for campaign, household in sorted(contacts, key=lambda contact: campaigns[contact[0]][1]):
        card, (kind, starts, ends) = cards()[household], campaigns[campaign]
        yield _on(
            starts,
            message_id=f"campaign:{campaign}:{household}",
            type="track",
            event="campaign_received",
            source="direct_mail",
            identifiers=_named(member_no=card.member_no, phone=card.phone),
            properties={"campaign_id": str(campaign), "campaign_type": kind, "ends_on": ends},
        )


def _redemptions(chosen: list[int] | None) -> Iterator[Dated]:
    """The data tell the day of a redemption, not its basket: several baskets of a day could be the one."""
    columns = ("redemption_date", "household_id", "coupon_upc", "campaign_id")
    for redeemed, household, coupon, campaign in sorted(tables.rows("coupon_redemptions", *columns, of=chosen)):
        card, day = cards()[household], _day(redeemed)
        yield _on(
            day,
            message_id=f"redemption:{coupon}:{campaign}:{household}:{day}",
            type="track",
            event="coupon_redeemed",
            source="till",
            identifiers=_named(member_no=card.member_no, device_id=card.device_id),
            properties={"coupon_upc": str(coupon), "campaign_id": str(campaign)},
        )


def _products() -> Mapping[int, tuple[str, str]]:
    """Category and brand of products; some that were sold are not among them. The department serves as category."""
    return {
        product: (department, brand)
        for product, department, brand in tables.rows("products", "product_id", "department", "brand")
    }


def _on(day: date, **said: Any) -> Dated:
    """An interaction of which only the day is known takes place at the shop's noon."""
    at = datetime.combine(day, _NOON, ZONE)
    return int(at.timestamp()), _json({**said, "occurred_at": at})


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _named(**values: str | None) -> dict[str, str]:
    """The values that are known."""
    return {name: value for name, value in values.items() if value is not None}
