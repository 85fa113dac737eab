"""The schemas that Portrait ships: Segment's e-commerce events, and the receipts of its own messages.

Names are those of the Segment specification in snake_case. A weight says how strongly an event speaks for the item,
category, brand, content or channel that it names, on one scale:

    8   paid for it                        order_completed
    5   about to pay; acted on a message   checkout_started; message_converted
    3   took it up                         product_added, wishlist_product_added_to_cart, message_clicked
    2   wants it, or says so to others     product_added_to_wishlist, product_shared, product_reviewed
    1   looked                             product_viewed, product_clicked, product_list_viewed, message_opened
   -1   put it back; let it pass           product_removed, product_removed_from_wishlist, message_ignored
   -4   gave it back                       order_refunded
   -5   never again                        message_unsubscribed

Events that only list what the person took up before (cart_viewed, the steps of a checkout, order_updated) give no
roles, so that nothing speaks twice. An order is counted when it completes and taken back when it is refunded;
order_cancelled moves no money because shops send order_refunded with it: where one does not, it publishes
order_cancelled with the money flow REFUND.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.profile.domain.schema import TRAITS, MoneyFlow, PropertySchema, PropertyType, Role, Schema

_TYPES: Final[Mapping[Role, PropertyType]] = {"amount": "number", "price": "number", "quantity": "number"}


def _properties(*roles: tuple[Role, str]) -> tuple[PropertySchema, ...]:
    return tuple(PropertySchema(name, _TYPES.get(role, "string"), role) for role, name in roles)


_ITEM: Final = _properties(
    ("item", "product_id"),
    ("item", "sku"),
    ("category", "category"),
    ("brand", "brand"),
)
_PRICED: Final = _properties(
    ("price", "price"),
    ("quantity", "quantity"),
    ("currency", "currency"),
)
_LINES: Final = _properties(
    ("item", "products[].product_id"),
    ("item", "products[].sku"),
    ("category", "products[].category"),
    ("brand", "products[].brand"),
    ("amount", "products[].amount"),
    ("price", "products[].price"),
    ("quantity", "products[].quantity"),
)
_PLACE: Final = _properties(
    ("outlet", "outlet_id"),
    ("outlet", "store_id"),
    ("outlet", "shop_id"),
    ("channel", "channel"),
)
_TOTALS: Final = _properties(
    ("amount", "revenue"),
    ("amount", "total"),
    ("amount", "value"),
    ("amount", "amount"),
    ("currency", "currency"),
)
_CONTENT: Final = _properties(("content", "content_kind"), ("content", "content_type"))
_MESSAGE: Final = _properties(("channel", "channel"), ("content", "content_kind"))

_OTHER_ITEMS: Final = _properties(("item", "item_id"), ("item", "package_id"), ("item", "service_id"))

USUAL: Final = (*_ITEM, *_OTHER_ITEMS, *_PRICED, *_TOTALS[:-1], *_PLACE, *_CONTENT, *_LINES)
"""What an event without a schema is read by: names that mean the same wherever they turn up."""


def _event(
    name: str, description: str, *properties: PropertySchema, weight: int = 0, money_flow: MoneyFlow = ""
) -> Schema:
    return Schema(name, "event", description, properties, weight=weight, money_flow=money_flow)


def _personal(name: str) -> PropertySchema:
    return PropertySchema(name, sensitivity="personal")


_SHIPPED: Final = (
    # Browsing
    _event("products_searched", "Somebody searched for products."),
    _event("product_list_viewed", "Somebody viewed a list or category.", *_properties(("category", "category"))),
    _event("product_list_filtered", "Somebody filtered a list.", *_properties(("category", "category"))),
    _event("product_clicked", "Somebody clicked a product.", *_ITEM, *_PRICED),
    _event("product_viewed", "Somebody viewed a product.", *_ITEM, *_PRICED),
    # Promotions
    _event("promotion_viewed", "Somebody saw a promotion."),
    _event("promotion_clicked", "Somebody clicked a promotion."),
    # Cart and checkout
    _event("product_added", "Somebody put a product into the cart.", *_ITEM, *_PRICED, weight=3),
    _event("product_removed", "Somebody took a product out of the cart.", *_ITEM, *_PRICED, weight=-1),
    _event("cart_viewed", "Somebody looked into the cart."),
    _event("cart_shared", "Somebody shared the cart."),
    _event("checkout_started", "Somebody began to check out.", *_TOTALS, *_PLACE, *_LINES, weight=5),
    _event("checkout_step_viewed", "Somebody saw a step of the checkout."),
    _event("checkout_step_completed", "Somebody finished a step of the checkout."),
    _event("payment_info_entered", "Somebody entered how to pay."),
    # Orders
    _event("order_completed", "Somebody bought.", *_TOTALS, *_PLACE, *_LINES, weight=8, money_flow="order"),
    _event("order_updated", "An order changed; it is not counted anew."),
    _event("order_refunded", "Money went back.", *_TOTALS, *_PLACE, *_LINES, weight=-4, money_flow="refund"),
    _event("order_cancelled", "An order was called off; the money is order_refunded's."),
    # Coupons
    _event("coupon_entered", "Somebody entered a coupon."),
    _event("coupon_applied", "A coupon took effect."),
    _event("coupon_denied", "A coupon was refused."),
    _event("coupon_removed", "Somebody took a coupon out."),
    _event("coupon_redeemed", "A coupon was used up."),
    # Wishlist
    _event("product_added_to_wishlist", "Somebody wished for a product.", *_ITEM, *_PRICED, weight=2),
    _event("product_removed_from_wishlist", "Somebody gave up a wish.", *_ITEM, *_PRICED, weight=-1),
    _event("wishlist_product_added_to_cart", "A wish went into the cart.", *_ITEM, *_PRICED, weight=3),
    # Telling others
    _event("product_shared", "Somebody shared a product.", *_ITEM, *_PRICED, weight=2),
    _event("product_reviewed", "Somebody reviewed a product.", *_properties(("item", "product_id")), weight=2),
    # Receipts: what became of a message. Portrait's own doing says nothing about the person's taste.
    _event("message_sent", "A message went out."),
    _event("message_delivered", "A message arrived."),
    _event("message_failed", "A message could not be delivered."),
    _event("message_opened", "Somebody opened a message.", *_MESSAGE, weight=1),
    _event("message_clicked", "Somebody clicked in a message.", *_MESSAGE, weight=3),
    _event("message_converted", "Somebody did what a message asked for.", *_MESSAGE, weight=5),
    _event("message_ignored", "A message went unanswered.", *_MESSAGE, weight=-1),
    _event("message_unsubscribed", "Somebody wants no more of it.", *_MESSAGE, weight=-5),
    _event("task_completed", "An advisor did what was asked."),
    # Traits
    Schema(
        TRAITS,
        "traits",
        "What is known of a person, as in the Segment specification.",
        (
            *map(_personal, ("name", "first_name", "last_name", "username", "avatar", "email", "phone")),
            *map(_personal, ("address", "birthday", "age", "gender")),
            *map(PropertySchema, ("city", "language", "company", "title", "website", "created_at")),
        ),
    ),
)

SHIPPED: Final[Mapping[str, Schema]] = MappingProxyType({schema.name: schema for schema in _SHIPPED})
