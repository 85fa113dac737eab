"""What the till says was spent, counted on its lines and not on interactions: what portraits are held against."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from examples.grocery import tables


@dataclass(frozen=True, slots=True)
class Spent:
    """Baskets, and what they cost in cents."""

    baskets: int
    cents: int


def spent(
    households: list[int] | None = None, *, since: datetime | None = None, until: datetime | None = None
) -> Mapping[int, Spent]:
    """By household, `since` and `until` included; households that bought nothing then are missing."""
    first, last = since.timestamp() if since else float("-inf"), until.timestamp() if until else float("inf")
    baskets: set[tuple[int, int]] = set()
    cents: Counter[int] = Counter()
    columns = ("household_id", "basket_id", "transaction_timestamp", "sales_value")
    for household, basket, at, sales in tables.rows("transactions", *columns, of=households):
        if first <= at <= last:
            baskets.add((household, basket))
            cents[household] += round(100 * sales)
    counts = Counter(household for household, _ in baskets)
    return {household: Spent(counts[household], cents[household]) for household in counts}


def total(by_household: Mapping[int, Spent]) -> Spent:
    """All of them together."""
    every = by_household.values()
    return Spent(sum(one.baskets for one in every), sum(one.cents for one in every))


def redeemed(households: Sequence[int]) -> Mapping[int, Mapping[str, int]]:
    """Coupons by household and campaign; households that redeemed none are missing."""
    coupons: dict[int, Counter[str]] = defaultdict(Counter)
    for household, campaign in tables.rows("coupon_redemptions", "household_id", "campaign_id", of=list(households)):
        coupons[household][str(campaign)] += 1
    return dict(coupons)


def most_telling(households: list[int]) -> int:
    """The household that redeemed most coupons among those whose records tell something, else among all."""
    redeemed = Counter(one for (one,) in tables.rows("coupon_redemptions", "household_id", of=households))
    known = {one for (one,) in tables.rows("demographics", "household_id", of=households)}
    return min(households, key=lambda one: (one not in known, -redeemed[one], one))
