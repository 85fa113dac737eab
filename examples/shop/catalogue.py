"""What the shop sells. The data name no product: categories, products and prices are made up, by a fixed seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

SEED: Final = 2024

_FAVOURITE: Final = 0.7  # of sessions are about what somebody likes best
_AGAIN: Final = 0.5  # of views are of a product that was in view before


@dataclass(frozen=True, slots=True)
class Product:
    """`price` is in whole pounds."""

    product_id: str
    category: str
    price: int


PRODUCTS: Final[Mapping[str, tuple[Product, ...]]] = {
    category: tuple(Product(f"{category[:-1]}-{place}", category, price) for place, price in enumerate(prices, start=1))
    for category, prices in {
        "laptops": (399, 549, 799, 1099, 1499, 2199),
        "phones": (149, 249, 399, 599, 899, 1199),
        "cameras": (199, 349, 649, 999, 1599, 2499),
        "headphones": (29, 59, 99, 149, 249, 349),
    }.items()
}


class Browsing:
    """What one user looks at: a category for each session, in it one product after another; and what is in the cart."""

    def __init__(self, user: str) -> None:
        self._chance = Random(f"{SEED}:{user}")  # noqa: S311  invented tastes need no secrecy
        self._favourite = self._chance.choice(list(PRODUCTS))
        self._session = ""
        self._in_view: Product | None = None
        self.category = self._favourite
        self.cart: list[Product] = []

    def enter(self, session: str) -> None:
        """A session goes on, or a new one begins; what was in the cart stays there."""
        if session != self._session:
            self._session, self._in_view = session, None
            likes = self._chance.random() < _FAVOURITE
            self.category = self._favourite if likes else self._chance.choice(list(PRODUCTS))

    def view(self) -> Product:
        """Look at a product, often at that in view."""
        if self._in_view is None or self._chance.random() >= _AGAIN:
            self._in_view = self._chance.choice(PRODUCTS[self.category])
        return self._in_view

    def in_view(self) -> Product:
        """The product in view."""
        return self._in_view or self.view()

    def put(self) -> Product:
        """Put the product in view into the cart."""
        product = self.in_view()
        self.cart.append(product)
        return product

    def buy(self) -> list[Product]:
        """Buy what is in the cart; whoever carted nothing buys what is in view."""
        bought, self.cart = self.cart or [self.in_view()], []
        return bought
