"""Clicks as interactions, in the order of time."""

from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from examples.shop.catalogue import Browsing, Product
from examples.shop.clicks import MARKERS, Click, clicks

TENANT: Final = "shop"
ZONE: Final = ZoneInfo("Europe/London")
CURRENCY: Final = "GBP"

_PAGES: Final = {"home": "home", "promo_page": "promotion", "account_page": "account", "error_page": "error"}
_OF_CATEGORY: Final = {
    "catalog": "product_list_viewed",
    "search": "products_searched",
    "filter_results": "product_list_filtered",
}
_OF_PRODUCT: Final = {
    "compare": "products_compared",
    "wishlist_add": "product_added_to_wishlist",
    "review_page": "product_reviews_read",
}
_OF_CART: Final = {
    "cart": "cart_viewed",
    "shipping_details": "checkout_started",
    "payment_details": "payment_info_entered",
}

_json: Final = msgspec.json.Encoder().encode


def interactions(users: int | None = None) -> Iterator[bytes]:
    """JSON documents of the first so many users, or of all, oldest first. The markers of faults are not among them."""
    browsing: dict[str, Browsing] = {}
    for click in clicks(users):
        if click.user not in browsing:
            browsing[click.user] = Browsing(click.user)
            yield _signed_up(click)
        if click.event not in MARKERS:
            yield _clicked(click, browsing[click.user])


def count(users: int | None = None) -> int:
    """How many interactions `interactions` yields."""
    seen = list(clicks(users))
    return sum(click.event not in MARKERS for click in seen) + len({click.user for click in seen})


def _signed_up(click: Click) -> bytes:
    """What is known of a user from the first click on."""
    return _document(
        click,
        message_id=f"user:{click.user}",
        type="identify",
        traits={"acquisition_channel": click.channel, "registered_in": click.cohort},
    )


def _clicked(click: Click, browsing: Browsing) -> bytes:
    name, about = _meaning(click, browsing)
    return _document(
        click,
        message_id=f"click:{click.number}",
        type="track",
        event=name,
        properties={"session_id": click.session, "platform": click.platform, **about},
    )


def _meaning(click: Click, browsing: Browsing) -> tuple[str, dict[str, Any]]:  # noqa: PLR0911  a case for each kind
    browsing.enter(click.session)
    match click.event:
        case "product_view":
            return "product_viewed", _of(browsing.view())
        case "add_to_cart":
            return "product_added", _of(browsing.put())
        case "purchase":
            bought = browsing.buy()
            lines = [{"product_id": one.product_id, "category": one.category, "amount": one.price} for one in bought]
            total = sum(one.price for one in bought)
            return "order_completed", {"currency": CURRENCY, "total": total, "products": lines}
        case "support_chat":
            return "support_asked", {}
        case page if page in _PAGES:
            return "page_viewed", {"page": _PAGES[page]}
        case listed if listed in _OF_CATEGORY:
            return _OF_CATEGORY[listed], {"category": browsing.category}
        case about if about in _OF_PRODUCT:
            return _OF_PRODUCT[about], _of(browsing.in_view())
        case step:
            return _OF_CART[step], {"in_cart": len(browsing.cart)}


def _of(product: Product) -> dict[str, Any]:
    return {"product_id": product.product_id, "category": product.category, "price": product.price}


def _document(click: Click, **said: Any) -> bytes:
    at = click.at.replace(tzinfo=ZONE)
    return _json({**said, "occurred_at": at, "source": f"web_{click.platform}", "identifiers": {"user_id": click.user}})
