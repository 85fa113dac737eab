"""All clicks once, as interactions."""

from collections import Counter
from datetime import datetime

import msgspec
import pytest

from examples.shop import conversion
from examples.shop.catalogue import PRODUCTS
from examples.shop.clicks import MARKERS, clicks
from examples.shop.conversion import TENANT, ZONE, count, interactions
from libs.runtime.tenants import Tenants
from tests.support.taken_in import filed_under

SHOP = Tenants.demo().get(TENANT)


class Properties(msgspec.Struct):
    session_id: str = ""
    category: str = ""
    product_id: str = ""
    price: int = 0
    total: int = 0
    products: list["Properties"] = []
    amount: int = 0


class Said(msgspec.Struct):
    message_id: str
    occurred_at: datetime
    event: str = "identify"
    properties: Properties = msgspec.field(default_factory=Properties)


@pytest.fixture(scope="module")
def said() -> list[Said]:
    return [msgspec.json.decode(document, type=Said) for document in interactions()]


def test_every_click_is_an_interaction_and_the_marks_of_faults_are_none(said: list[Said]) -> None:
    events = Counter(one.event for one in said)
    marks = sum(click.event in MARKERS for click in clicks())
    assert marks == 163
    assert events.total() - events["identify"] == 31_106 - marks
    assert (events["identify"], events["product_viewed"], events["order_completed"]) == (600, 6_851, 470)
    assert count() == len(said)


def test_what_happened_first_comes_first_and_no_id_comes_twice(said: list[Said]) -> None:
    assert [one.occurred_at for one in said] == sorted(one.occurred_at for one in said)
    assert len({one.message_id for one in said}) == len(said)


def test_an_order_costs_what_its_lines_cost_and_holds_what_the_shop_sells(said: list[Said]) -> None:
    sold = {product.product_id: product for products in PRODUCTS.values() for product in products}
    for one in said:
        if one.event == "order_completed":
            lines = one.properties.products
            assert one.properties.total == sum(line.amount for line in lines) > 0
            assert all(sold[line.product_id].price == line.amount for line in lines)


def test_a_session_is_about_one_category(said: list[Said]) -> None:
    categories: dict[str, set[str]] = {}
    for one in said:
        if one.properties.category:
            categories.setdefault(one.properties.session_id, set()).add(one.properties.category)
    assert {len(found) for found in categories.values()} == {1}


def test_the_first_users_are_the_same_as_in_the_whole() -> None:
    few = list(interactions(5))
    assert len(few) == count(5) > 0
    assert set(few) < set(interactions(40))


def test_the_shop_accepts_all_of_it() -> None:
    assert sum(filed_under(SHOP, interactions(60)).values()) == len(list(interactions(60)))


def test_it_is_the_zone_and_the_currency_of_the_tenant() -> None:
    assert (ZONE.key, conversion.CURRENCY) == (SHOP.zone, SHOP.currency)
