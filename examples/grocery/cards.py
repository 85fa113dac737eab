"""Who the card holders are. Their numbers are the data's; phones, devices and openids are made up, by a fixed seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Final

SEED: Final = 2017

_CARDS: Final = 2_500
_PHONES: Final = range(2_000_000, 10_000_000)  # a local number in the United States never begins with 0 or 1
_HAVE_PHONE, _HAVE_OPENID, _HAVE_DEVICE, _BORROW_DEVICE = 0.8, 0.45, 0.6, 0.03


@dataclass(frozen=True, slots=True)
class Card:
    """A card and what its holder can be recognised by besides; a device may be that of another household."""

    member_no: str
    phone: str | None
    openid: str | None
    device_id: str | None


@cache
def cards() -> Mapping[int, Card]:
    """Every card by its number, 1 to 2,500."""
    chance = Random(SEED)  # noqa: S311  invented people need no secrecy
    phones = chance.sample(_PHONES, _CARDS)
    devices: list[str] = []
    made: dict[int, Card] = {}
    for number, phone in enumerate(phones, start=1):
        has_phone, has_openid = chance.random() < _HAVE_PHONE, chance.random() < _HAVE_OPENID
        made[number] = Card(
            member_no=str(number),
            phone=f"+1212{phone}" if has_phone else None,
            openid=f"o6_{''.join(chance.choices(ascii_letters + digits, k=25))}" if has_openid else None,
            device_id=_device(chance, devices) if chance.random() < _HAVE_DEVICE else None,
        )
    return MappingProxyType(made)


def _device(chance: Random, devices: list[str]) -> str:
    if devices and chance.random() < _BORROW_DEVICE:
        return chance.choice(devices)
    devices.append(f"{chance.getrandbits(128):032x}")
    return devices[-1]
