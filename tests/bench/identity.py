"""`identity_replay` and `unmerge`: the resolver alone, on a town of people who lend each other their devices."""

import gc
import random
import time
from typing import Final, NamedTuple

from libs.people.identifiers import DAY, DEFAULT_RULES
from libs.runtime.clock import Micros
from services.identity.domain.decisions import Of, Unlinked
from services.identity.domain.decisions import Decisions
from services.identity.domain.evidence import Evidence, Key, Seen, Sight, Together, pair
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.bench.load import SEED

PEOPLE: Final = 200_000
EDGES: Final = 1_000_000
BORROWED: Final = 0.02
AT_THE_KIOSK: Final = 500


class Town(NamedTuple):
    evidence: Evidence


def build(people: int, edges: int, chance: random.Random) -> Evidence:
    evidence = Evidence()
    clock = 0
    events = iter(range(10**9))

    def known(type_: str) -> Key:
        key = chance.randbytes(16)
        evidence.seen[key] = Seen(chance.randrange(700 * DAY), type_)
        return key

    def together(a: Key, b: Key) -> None:
        at = max(evidence.seen[a].recorded_at, evidence.seen[b].recorded_at) + chance.randrange(DAY)
        sight = Sight(at, next(events).to_bytes(16), at)
        evidence.pairs[pair(a, b)] = Together(sight, sight)

    devices: list[Key] = []
    accounts: list[Key] = []
    kiosk = known("device_id")
    while len(evidence.pairs) < edges:
        account = known("user_id")
        accounts.append(account)
        mine = [known("openid"), known("phone"), *(known(t) for t in ("device_id", "cookie", "email") if chance.random() < 0.8)]
        for one in mine:
            together(account, one)
        if len(accounts) > people: break
        for one in mine[1:]:
            if chance.random() < .4:
                together(mine[0], one)
        devices += mine[2:3]
        if chance.random() < BORROWED and len(devices) > 1:
            together(account, chance.choice(devices))
        if len(accounts) <= AT_THE_KIOSK:
            together(account, kiosk)
    return evidence
