"""Who has which of the shop's tags, counted on the till's rows: what the tagging service is held against."""

# ruff: noqa: PLR2004  the numbers are those of the definitions in `tags/`; names for them would only be farther away

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, Self

from examples.grocery import tables
from examples.grocery.conversion import ZONE

_STAPLES_OF_EVERYBODY: Final = {"GROCERY", "DRUG GM", "COUPON", "MISCELLANEOUS"}


class _Line(NamedTuple):
    basket: int
    product: int
    department: str | None
    brand: str | None
    cents: int


@dataclass(slots=True)
class Household:
    """What the shop's rows say of one household; days are the shop's."""

    children: str | None = None
    lines: dict[date, list[_Line]] = field(default_factory=lambda: defaultdict(list))
    campaigns: dict[int, date] = field(default_factory=dict)
    coupons: list[tuple[date, int]] = field(default_factory=list)

    def within(self, days: int, today: date) -> Iterable[_Line]:
        """The lines of so many days, today included."""
        return (line for day, lines in self.lines.items() if (today - day).days < days for line in lines)

    def baskets(self, days: int, today: date, department: str = "") -> int:
        """The baskets of so many days, or those of them with something from a department."""
        lines = self.within(days, today)
        return len({line.basket for line in lines if department in {"", line.department}})

    def cents(self, days: int, today: date) -> int:
        """What was spent in so many days."""
        return sum(line.cents for line in self.within(days, today))

    def own_brand(self, days: int, today: date) -> list[int]:
        """The products of the shop's own brand, by line."""
        return [line.product for line in self.within(days, today) if line.brand == "Private"]

    def redeemed(self, days: int, today: date) -> int:
        """Coupons of so many days."""
        return sum((today - day).days < days for day, _ in self.coupons)


@dataclass(frozen=True, slots=True)
class PriceSensitive:
    """The part of a definition that the demo edits: so many lines of the own brand within so many days."""

    lines: int = 40
    days: int = 60

    def holds(self, one: Household, today: date) -> bool:
        """Whether a household has the tag."""
        return one.redeemed(90, today) >= 2 or len(one.own_brand(self.days, today)) >= self.lines


@dataclass(frozen=True, slots=True)
class Households:
    """Some households, by number."""

    by_number: Mapping[int, Household]

    @classmethod
    def read(cls, numbers: Sequence[int]) -> Self:
        """Read their rows."""
        found, those = {number: Household() for number in numbers}, list(numbers)
        for number, children in tables.rows("demographics", "household_id", "kids_count", of=those):
            found[number].children = children
        starts = dict(tables.rows("campaign_descriptions", "campaign_id", "start_date"))
        for number, campaign in tables.rows("campaigns", "household_id", "campaign_id", of=those):
            found[number].campaigns[campaign] = _utc_day(starts[campaign])
        columns = ("household_id", "redemption_date", "campaign_id")
        for number, redeemed, campaign in tables.rows("coupon_redemptions", *columns, of=those):
            found[number].coupons.append((_utc_day(redeemed), campaign))
        products = tables.rows("products", "product_id", "department", "brand")
        about = {product: (department, brand) for product, department, brand in products}
        bought = ("household_id", "transaction_timestamp", "basket_id", "product_id", "sales_value")
        for number, at, basket, product, sales in tables.rows("transactions", *bought, of=those):
            department, brand = about.get(product, (None, None))
            line = _Line(basket, product, department, brand, round(100 * sales))
            found[number].lines[datetime.fromtimestamp(at, ZONE).date()].append(line)
        return cls(found)

    def holders(self, today: date, edited: PriceSensitive | None = None) -> Mapping[str, set[int]]:
        """By tag, who has it at the end of what happened, on a day from then on."""
        asked = edited or PriceSensitive()
        holding: dict[str, set[int]] = defaultdict(set)
        for number, one in self.by_number.items():
            holds = {
                "about_to_leave": one.baskets(120, today) >= 8 and (today - max(one.lines)).days >= 21,
                "answers_campaigns": _answers(one, today),
                "drives": one.baskets(60, today, "FUEL") >= 2,
                "frequency": one.baskets(180, today) > 0,
                "favourite_department": _most(_departments(one, today)) >= 3,
                "household_kind": one.children is not None or _concluded_family(one, today),
                "last_basket": bool(one.lines),
                "monetary": one.baskets(180, today) > 0,
                "prefers_own_brand": len(set(one.own_brand(90, today))) >= 10,
                "price_sensitive": asked.holds(one, today),
                "recency": bool(one.lines),
                "spent_in_90_days": one.baskets(90, today) > 0,
                "staple": _most(line.product for line in one.within(60, today)) >= 4,
            }
            for tag, held in holds.items():
                holding[tag] |= {number} if held else set()
        return holding

    def spent(self, today: date) -> Mapping[int, int]:
        """Cents of 90 days, by household; without those that bought nothing."""
        return {number: one.cents(90, today) for number, one in self.by_number.items() if one.baskets(90, today)}


def _answers(one: Household, today: date) -> bool:
    return any(
        (today - one.campaigns[campaign]).days < 90 and 0 < (day - one.campaigns[campaign]).days < 21
        for day, campaign in one.coupons
        if campaign in one.campaigns
    )


def _departments(one: Household, today: date) -> Iterable[str]:
    return (
        line.department
        for line in one.within(90, today)
        if line.department is not None and line.department not in _STAPLES_OF_EVERYBODY
    )


def _concluded_family(one: Household, today: date) -> bool:
    lines = list(one.within(90, today))
    return sum(line.cents for line in lines) >= 90_000 and len({line.department for line in lines} - {None}) >= 8


def _most(values: Iterable[object]) -> int:
    return max(Counter(values).values(), default=0)


def _utc_day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
