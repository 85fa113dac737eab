"""A year of a town's identifiers: accounts, phones, members, devices and cookies, and what goes wrong with them."""

import random
from collections.abc import Iterator
from typing import Final

from libs.people.identifiers import DAY
from libs.people.keys import KEY_BYTES
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Evidence, Key, Named, Sighting, combine, observed

BORROWED: Final = 0.02
RECYCLED: Final = 0.01
AT_KIOSK: Final = 500

_YEAR: Final = 365 * DAY


def evidence_of(people: int, seed: int) -> Evidence:
    """All that was seen of so many people: about five pairs of identifiers each."""
    evidence = Evidence()
    for sighting in sightings(people, seed):
        combine(evidence, observed(sighting))
    return evidence


def sightings(people: int, seed: int) -> Iterator[Sighting]:
    """Each person logs in with phone and device, browses with a cookie, shows their card; some borrow devices, some
    get a phone that was another's, and 500 use one kiosk.
    """
    chance = random.Random(seed)
    number = 0

    def seen(at: Micros, *named: Named, login: bool = False) -> Sighting:
        nonlocal number
        number += 1
        return Sighting(number.to_bytes(16), at, number, named, "app", f"session {number}", login)

    devices: list[Key] = []
    phones: list[Key] = []
    kiosk = Named(chance.randbytes(KEY_BYTES), "device_id")
    for person in range(people):
        account, member, cookie = (chance.randbytes(KEY_BYTES) for _ in range(3))
        borrows, recycles = devices and chance.random() < BORROWED, phones and chance.random() < RECYCLED
        device = chance.choice(devices) if borrows else chance.randbytes(KEY_BYTES)
        phone = chance.choice(phones) if recycles else chance.randbytes(KEY_BYTES)
        devices.append(device)
        phones.append(phone)
        at = chance.randrange(_YEAR)
        user, machine = Named(account, "user_id"), Named(device, "device_id")
        yield seen(at, machine, Named(cookie, "cookie"))
        yield seen(at + 1, user, machine, Named(phone, "phone", verified=True), login=True)
        yield seen(at + 2, user, Named(member, "member_no"))
        if person < AT_KIOSK:
            yield seen(at + 3, user, kiosk, login=True)
