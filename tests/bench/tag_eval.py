"""`tag_eval`: what an event costs to be folded into features and to have every definition that it affects answered.

Python alone, one process: an anchor's bytes are decoded, the event folded, the bytes encoded, the affected definitions
answered with their next moment. Anchors are many and met at random, so that their bytes are seldom in the cache.
More definitions ask about more categories, as catalogues grow: an event of one category affects as many at each size.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.conditions.event import Event
from libs.conditions.features import Features, decode, encode
from libs.conditions.plan import Plan
from libs.conditions.reading import read_document
from libs.conditions.standing import NOBODY, Standing
from libs.conditions.windows import HOUR
from libs.runtime.clock import Micros
from tests.bench.report import Figure, work

SEED: Final = 20_260_101
SIZES: Final = (20, 200, 1000)
ANCHORS: Final = 2_000
HISTORY: Final = 40
EVENTS: Final = 6_000
ROUNDS: Final = 3
NOW: Final[Micros] = 1_795_320_000_000_000
TARGET_MICROS: Final = 25.0
TARGET_GROWTH: Final = 2.0

NAMES: Final = ("product_viewed", "product_added", "order_completed", "content_viewed")
_PER_CATEGORY: Final = 40


@dataclass(frozen=True, slots=True)
class Shop:
    """So many definitions, and what happens to them."""

    definitions: int

    @property
    def categories(self) -> list[str]:
        return [f"category-{n}" for n in range(max(1, self.definitions // _PER_CATEGORY))]

    @property
    def traits(self) -> list[str]:
        return [f"trait_{n}" for n in range(max(1, self.definitions // 20))]

    def conditions(self) -> dict[str, Any]:
        """75 % counts and sums over windows, 20 % traits, 5 % sequences."""
        chance = random.Random(SEED)
        return {f"tag:{n}": self._condition(n, chance) for n in range(self.definitions)}

    def _condition(self, n: int, chance: random.Random) -> dict[str, Any]:
        category = {"category": self.categories[n // 20 % len(self.categories)]}
        name = chance.choice(NAMES)
        kind = n % 20
        if kind == 0:
            other = {"event": "order_completed", "where": [category]}
            first = {"event": "product_added", "where": [category]}
            return {"sequence": {"first": first, "then_not": other, "waited": "1h", "same": "sku", "during": "7d"}}
        if kind in {1, 2, 3, 4}:
            return {"trait": {self.traits[n // 4 % len(self.traits)]: {"in": [f"v{n % 7}", "v1"]}}}
        within = chance.choice(["7d", "30d", "30d", "90d", "24h"])
        did: dict[str, Any] = {"event": name, "where": [category], "within": within}
        if kind % 3 == 0:
            did |= {"sum": {"of": "price", "at_least": chance.choice([50, 200, 1000])}}
        elif kind % 7 == 0:
            did |= {"per": "sku", "times": 2}
        else:
            did |= {"times": chance.choice([1, 2, 3, 5])}
        if kind % 5 == 0:
            return {
                "all": [{"did": did}, {"did_not": {"event": "order_completed", "where": [category], "within": "7d"}}]
            }
        return {"did": did}

    def event(self, number: int, at: Micros, chance: random.Random) -> Event:
        """A click, a cart, an order, or, one in twenty, what somebody says of themselves."""
        id_ = number.to_bytes(16, "big")
        if chance.random() < 0.05:
            traits = {chance.choice(self.traits): f"v{chance.randrange(7)}" for _ in range(3)}
            return Event(id_, "identified", at, {}, traits, "app")
        category = chance.choice(self.categories)
        properties = {
            "sku": f"{category}-{chance.randrange(30)}",
            "category": category,
            "price": round(chance.uniform(1, 200), 2),
            "position": chance.randrange(40),
            "title": "something of some length to be carried along",
        }
        return Event(id_, chance.choices(NAMES, (60, 15, 10, 15))[0], at, properties, {}, "app")


async def run() -> None:
    """Print µs of CPU per event at each number of definitions, and how they grow."""
    work("tag_eval", seed=SEED, anchors=ANCHORS, history=HISTORY, events=EVENTS, rounds=ROUNDS)
    micros: dict[int, float] = {}
    for size in SIZES:
        cost = min(measured(Shop(size)) for _ in range(ROUNDS))
        micros[size] = cost.micros
        detail = f"{cost.affected:.1f} definitions affected, {cost.bytes:.0f} bytes an anchor"
        target = TARGET_MICROS if size == 200 else None
        Figure("tag_eval", f"cpu_us_{size}", cost.micros, "us", target=target, better="lower", detail=detail).print()
    Figure(
        "tag_eval", "growth", micros[1000], "ratio", baseline=micros[200], target=TARGET_GROWTH, better="lower"
    ).print()


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """Means per event, and bytes per anchor."""

    micros: float
    affected: float
    bytes: float


def measured(shop: Shop) -> Cost:
    """What an event costs in a shop."""
    chance = random.Random(SEED)
    plan = Plan({key: read_document(one) for key, one in shop.conditions().items()}, "Asia/Shanghai")
    states = [encode(_begun(plan, shop, chance)) for _ in range(ANCHORS)]
    events = [(chance.randrange(ANCHORS), shop.event(n, NOW - (EVENTS - n) * 1_000_000, chance)) for n in range(EVENTS)]
    plan.answers(shop.conditions(), Features(), NOBODY, NOW)  # every definition is compiled when it is first answered
    began = time.process_time_ns()
    affected = _run(plan, states, events)
    spent = time.process_time_ns() - began
    return Cost(spent / 1000 / EVENTS, affected / EVENTS, sum(map(len, states)) / ANCHORS)


def _begun(plan: Plan, shop: Shop, chance: random.Random) -> Features:
    features = Features()
    for n in range(HISTORY):
        plan.fold(features, shop.event(n, NOW - chance.randrange(1, 60 * 24) * HOUR, chance))
    return features


def _run(plan: Plan, states: list[bytes], events: Sequence[tuple[int, Event]]) -> int:
    total = 0
    for anchor, event in events:
        features = decode(states[anchor])
        affected = plan.fold(features, event)
        states[anchor] = encode(features)
        standing = Standing(traits=plan.traits(features, {})) if event.traits else NOBODY
        plan.answers(affected, features, standing, NOW)
        total += len(affected)
    return total
