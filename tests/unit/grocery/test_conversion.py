"""All of the data once, as interactions."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import msgspec
import pytest

from examples.grocery import conversion
from examples.grocery.conversion import TENANT, ZONE, count, interactions
from libs.cli.schema import schemas_in
from libs.runtime.tenants import Tenants
from services.profile.codec.schemas import schema_from
from services.profile.domain.schema_history import SchemaHistory
from tests.support.taken_in import filed_under

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "examples" / "grocery" / "schemas.yaml"
GROCERY = Tenants.demo().get(TENANT)


class Line(msgspec.Struct):
    amount: float
    quantity: int


class Properties(msgspec.Struct):
    products: list[Line] = []
    campaign_id: str = ""


class Said(msgspec.Struct):
    """What the tests read of a document."""

    message_id: str
    type: str
    occurred_at: datetime
    event: str = ""
    identifiers: dict[str, str] | list[dict[str, str | bool]] = {}
    properties: Properties = msgspec.field(default_factory=Properties)
    traits: dict[str, str] = {}

    @property
    def member_no(self) -> str:
        if isinstance(self.identifiers, dict):
            return self.identifiers["member_no"]
        return next(str(one["value"]) for one in self.identifiers if one["type"] == "member_no")

    @property
    def local_day(self) -> date:
        return self.occurred_at.astimezone(ZONE).date()


@dataclass
class Year:
    """The whole of it, added up."""

    interactions: int = 0
    ids: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    cents: int = 0
    lines: int = 0
    largest_quantity: int = 0
    in_order: bool = True
    basket_days: set[tuple[str, date]] = field(default_factory=set)
    redemption_days: list[tuple[str, date]] = field(default_factory=list)
    identified_on: set[date] = field(default_factory=set)


def added_up(documents: Iterable[bytes]) -> Year:
    year, read, last = Year(), msgspec.json.Decoder(Said).decode, None
    for document in documents:
        said = read(document)
        year.interactions += 1
        year.ids.add(said.message_id)
        year.events[said.event or said.type] += 1
        year.in_order &= last is None or last <= said.occurred_at
        last = said.occurred_at
        match said.event or said.type:
            case "order_completed":
                year.lines += len(said.properties.products)
                year.cents += sum(round(100 * line.amount) for line in said.properties.products)
                year.largest_quantity = max(year.largest_quantity, *(one.quantity for one in said.properties.products))
                year.basket_days.add((said.member_no, said.local_day))
            case "coupon_redeemed":
                year.redemption_days.append((said.member_no, said.local_day))
            case "identify":
                year.identified_on.add(said.local_day)
    return year


@pytest.fixture(scope="module")
def year() -> Year:
    return added_up(interactions())


def test_every_basket_is_an_order_and_every_line_a_line_of_one(year: Year) -> None:
    assert year.events["order_completed"] == 155_848
    assert year.lines == 1_469_307


def test_the_lines_add_up_to_what_the_till_took_and_quantities_multiply_nothing(year: Year) -> None:
    assert year.cents == 459_603_958
    assert year.largest_quantity == 89_638


def test_every_redemption_falls_on_a_day_of_a_basket_of_its_household(year: Year) -> None:
    assert year.events["coupon_redeemed"] == len(year.redemption_days) == 2_102
    assert set(year.redemption_days) <= year.basket_days


def test_records_are_known_from_the_first_day(year: Year) -> None:
    assert year.events["identify"] == 801
    assert year.identified_on == {date(2017, 1, 1)}


def test_every_contact_of_a_campaign_is_told(year: Year) -> None:
    assert year.events["campaign_received"] == 6_589


def test_nothing_else_comes_and_all_of_it_is_counted_before(year: Year) -> None:
    assert year.interactions == year.events.total() == count() == 165_340


def test_no_id_comes_twice(year: Year) -> None:
    assert len(year.ids) == year.interactions


def test_what_happened_first_comes_first(year: Year) -> None:
    assert year.in_order


def test_a_part_is_the_same_as_in_the_whole_and_is_counted_too() -> None:
    few, more = list(interactions(5)), set(interactions(40))
    assert len(few) == count(5) > 0
    assert set(few) <= more
    assert {msgspec.json.decode(one, type=Said).member_no for one in few} == {"1", "2", "3", "4", "5"}


def test_two_parts_are_the_whole_and_nothing_stands_in_both() -> None:
    first, rest = list(interactions(5)), list(interactions(9, after=5))
    assert len(rest) == count(9, after=5)
    assert sorted(first + rest) == sorted(interactions(9))


def test_another_process_makes_the_same() -> None:
    script = "from examples.grocery.conversion import interactions; print(*interactions(3), sep='\\n')"
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.splitlines() == [str(one) for one in interactions(3)]


def test_the_shop_accepts_everything_under_its_own_schemas_and_files_it_under_the_card() -> None:
    history = SchemaHistory()
    for _, schema in schemas_in([SCHEMAS]):
        history, _, _ = history.publish(schema_from(schema), 0, "")
    assert filed_under(GROCERY, interactions(60), history).keys() == {"member_no"}


def test_it_is_the_zone_and_the_currency_of_the_tenant() -> None:
    assert (ZONE.key, conversion.CURRENCY) == (GROCERY.zone, GROCERY.currency)
