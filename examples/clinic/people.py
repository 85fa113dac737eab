"""Who comes to the clinic. All of them are invented, by a fixed seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Final

SEED: Final = 2025
PEOPLE: Final = 600

_CITIES: Final = ("上海", "杭州", "南京", "苏州")
_MOBILE: Final = ("136", "138", "139", "158", "186")
_SKINS: Final = ("dry", "oily", "combination", "sensitive")
_WITH_ADVISOR, _LIKE_CARE, _COUNT_MONEY, _TRUST_NAMES = 0.6, 0.3, 0.35, 0.3  # of all
_YOUNGEST: Final = date(2004, 12, 31)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A customer. The last four are what drives them: nothing of these is ever sent, it shows in what they do."""

    member_no: str
    phone: str
    external_userid: str | None
    city: str
    birthday: date
    skin: str
    likes_care: bool
    counts_money: bool
    trusts_names: bool


@cache
def visitors() -> Sequence[Visitor]:
    """Everybody, by member number."""
    chance = Random(SEED)  # noqa: S311  invented people need no secrecy
    return tuple(
        Visitor(
            member_no=f"M{number:05d}",
            phone=f"+86{chance.choice(_MOBILE)}{chance.randrange(10**7, 10**8)}",
            external_userid=f"wm{chance.getrandbits(120):030x}" if chance.random() < _WITH_ADVISOR else None,
            city=chance.choice(_CITIES),
            birthday=_YOUNGEST - timedelta(days=chance.randrange(365 * 35)),
            skin=chance.choice(_SKINS),
            likes_care=chance.random() < _LIKE_CARE,
            counts_money=chance.random() < _COUNT_MONEY,
            trusts_names=chance.random() < _TRUST_NAMES,
        )
        for number in range(1, PEOPLE + 1)
    )
