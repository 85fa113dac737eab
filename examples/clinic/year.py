"""What a customer does in a year: looks, is advised, tested and treated, pays, and comes back or not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from examples.clinic.people import SEED, Visitor

ZONE: Final = ZoneInfo("Asia/Shanghai")
BEGINS: Final = datetime(2025, 1, 1, 10, tzinfo=ZONE)
DAYS: Final = 365

PACKAGES: Final = {
    "skincare": {"hydration": 680, "cleansing": 480, "repair": 980},
    "laser": {"photon": 1880, "picosecond": 3980},
    "injection": {"botulinum": 2680, "hyaluronic": 4980},
}
"""Packages by category, with their price in yuan."""

DOCTORS: Final = ("d_chen", "d_lin", "d_wu", "d_zhao")

_COUPON: Final = 0.8
_NEARLY_ALWAYS: Final = 0.85
_STAYS_AWAY: Final = 0.35


class Happened(NamedTuple):
    """Something that a customer did, where it was recorded, and what is known of it."""

    at: datetime
    name: str
    source: str
    properties: dict[str, Any]


def year_of(visitor: Visitor) -> Iterator[Happened]:
    """All of it but the registration, in any order."""
    chance = Random(f"{SEED}:{visitor.member_no}")  # noqa: S311  invented lives need no secrecy
    joined = BEGINS + timedelta(days=chance.randrange(240), minutes=chance.randrange(600))
    yield from _comes_to_know(visitor, chance, joined)
    yield from _is_tested(visitor, chance, joined + timedelta(days=chance.randint(1, 9)))
    for _ in range(chance.randint(0, 8)):
        at = joined + timedelta(days=chance.randrange(DAYS - (joined - BEGINS).days), minutes=chance.randrange(480))
        yield _package(at, chance, "package_viewed", _category(visitor, chance))
    day = chance.randint(3, 20)
    every = 18 if visitor.likes_care else 75
    while (at := joined + timedelta(days=day, minutes=chance.randrange(480))) < BEGINS + timedelta(days=DAYS):
        yield from _visits(visitor, chance, at)
        day += max(7, round(chance.gauss(every, every / 5)))
        if not visitor.likes_care and chance.random() < _STAYS_AWAY:
            break


def _comes_to_know(visitor: Visitor, chance: Random, joined: datetime) -> Iterator[Happened]:
    if visitor.external_userid is not None:
        yield Happened(
            joined + timedelta(hours=2), "advisor_added", "wecom", {"advisor_id": f"a{chance.randint(1, 8)}"}
        )
    for _ in range(chance.randint(1, 4)):
        at = joined + timedelta(days=chance.randrange(10), minutes=chance.randrange(600))
        yield _package(at, chance, "package_viewed", _category(visitor, chance))
    for _ in range(chance.randint(3, 6) if visitor.trusts_names else chance.randint(0, 1)):
        at = joined + timedelta(days=chance.randrange(12), minutes=chance.randrange(600))
        yield Happened(at, "doctor_reviews_read", "mini_program", {"doctor_id": chance.choice(DOCTORS)})


def _is_tested(visitor: Visitor, chance: Random, at: datetime) -> Iterator[Happened]:
    # The device errs now and then, and skin changes; what was tested last counts.
    first = visitor.skin if chance.random() < _NEARLY_ALWAYS else "combination"
    yield Happened(at, "skin_tested", "skin_analyser", {"skin_type": first, "moisture": chance.randint(20, 60)})
    again = at + timedelta(days=chance.randint(60, 120))
    if again < BEGINS + timedelta(days=DAYS):
        yield Happened(
            again, "skin_tested", "skin_analyser", {"skin_type": visitor.skin, "moisture": chance.randint(20, 60)}
        )


def _visits(visitor: Visitor, chance: Random, at: datetime) -> Iterator[Happened]:
    category = _category(visitor, chance)
    booked = at - timedelta(days=2)
    yield _package(booked - timedelta(hours=3), chance, "package_viewed", category)
    yield Happened(booked, "consultation_booked", "mini_program", {"doctor_id": chance.choice(DOCTORS)})
    asked = ["effect"]
    asked += ["price"] if visitor.counts_money and chance.random() < _NEARLY_ALWAYS else []
    asked += ["doctor"] if visitor.trusts_names and chance.random() < _NEARLY_ALWAYS else []
    yield Happened(
        at, "consultation_completed", "consultation", {"asked_about": asked, "doctor_id": chance.choice(DOCTORS)}
    )
    coupon = visitor.counts_money and chance.random() < _NEARLY_ALWAYS
    package, price = chance.choice(list(PACKAGES[category].items()))
    paid = round(price * _COUPON) if coupon else price
    line = {"package_id": package, "category": category, "amount": paid}
    order: dict[str, Any] = {"currency": "CNY", "total": paid, "products": [line]}
    yield Happened(at + timedelta(hours=1), "order_completed", "till", order | ({"coupon": "C20"} if coupon else {}))
    yield Happened(at + timedelta(hours=2), "treatment_done", "crm", {"package_id": package, "category": category})


def _package(at: datetime, chance: Random, name: str, category: str) -> Happened:
    package, price = chance.choice(list(PACKAGES[category].items()))
    return Happened(at, name, "mini_program", {"package_id": package, "category": category, "price": price})


def _category(visitor: Visitor, chance: Random) -> str:
    if visitor.likes_care and chance.random() < _NEARLY_ALWAYS:
        return "skincare"
    return chance.choice(list(PACKAGES))


def utc(at: datetime) -> str:
    """The moment as producers write it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
