"""Two hundred definitions about the traffic of `load`, and what forty events leave of somebody who is answered by them.

The mix is that of `tag_eval`: 75 % counts and sums over windows, 20 % traits, 5 % sequences. Categories make five
departments, so that an event affects as many definitions as there.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from portrait.log.v1 import event_pb2 as log_pb

from libs.conditions.features import Features, encode
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.clock import SECOND, Micros
from libs.runtime.tenants import Tenants
from services.tagging.answering import Answering, Known
from services.tagging.codec.interactions import event_of
from services.tagging.compiled import Compiled, compile_definitions
from services.tagging.domain.holding import Holding
from services.tagging.domain.kinds import read_definitions
from services.tagging.store.due import Due
from tests.bench.load import SEED, message_ids, templates
from tests.bench.preload import TENANT

DEFINITIONS: Final = 200
HISTORIES: Final = 2_000
"""So many different ones are shared by all people, because folding one for each would take longer than measuring."""
EVENTS: Final = 40
PROBED: Final = "probed"
"""An event that nobody but a probe sends, and the tag of whoever had one."""

_DEPARTMENTS: Final = 5
_CATEGORIES: Final = 24
_EVENTS: Final = ("product_viewed", "product_added", "content_viewed", "order_completed")


def documents(more: Mapping[str, Any]) -> dict[str, str]:
    """Documents of tags, by key: 200 with those whose conditions are given."""
    chance = random.Random(SEED)
    conditions = {f"bench_{n}": _condition(n, chance) for n in range(DEFINITIONS - len(more))}
    return {key: _document(key, one) for key, one in {**conditions, **more}.items()}


def compiled(of: Mapping[str, str]) -> Compiled:
    """Documents as one catalogue of the tenant that benchmarks are about."""
    definitions = {one.name: one for document in of.values() for one in read_definitions(document, 1)}
    return compile_definitions(definitions, Tenants.demo().get(TENANT).zone, 1, {key: bytes(16) for key in of})


@dataclass(frozen=True, slots=True)
class History:
    """The features of forty events, and what whoever did that holds."""

    state: bytes
    holding: Holding


def histories(catalogue: Compiled, now: Micros) -> Iterator[History]:
    """What so many different people are, as answered at a moment; their events lie in the 60 days before."""
    chance = random.Random(SEED)
    shapes = templates(chance, [datetime.fromtimestamp(now / SECOND, UTC).isoformat()])
    answering = Answering(TENANT, catalogue, now)
    for number in range(HISTORIES):
        features = Features()
        for id_ in message_ids(now // 1000, EVENTS):
            event = log_pb.Event(
                id=bytes.fromhex(id_.replace(b"-", b"").decode()),
                type=INTERACTION_RECORDED,
                occurred_at_micros=now - chance.randrange(1, 60 * 86_400) * SECOND,
                payload=chance.choice(shapes).document(id_, number),
            )
            happened = event_of(event, catalogue.plan)
            if happened is not None:
                catalogue.plan.fold(features, happened)
        due = Due(number.to_bytes(16), now, None, frozenset(), None)
        holding, _ = answering.answered(due, Known(features, {}, {}), Holding())
        yield History(encode(features), holding)


def _document(key: str, condition: Any) -> str:
    said = {"title": {"en": key}, "category": "behaviour", "owner": "bench", "description": "measured"}
    return json.dumps({"tag": key, **said, "value": "flag", "source": "rule", "when": condition})


def _condition(n: int, chance: random.Random) -> dict[str, Any]:
    of = {"category": {"in": [f"category-{one}" for one in range(n // 20 % _DEPARTMENTS, _CATEGORIES, _DEPARTMENTS)]}}
    name, kind = chance.choice(_EVENTS), n % 20
    if kind == 0:
        first, other = {"event": "product_added", "where": of}, {"event": "coupon_redeemed", "where": of}
        return {"sequence": {"first": first, "then_not": other, "waited": "1h", "same": "product_id", "during": "7d"}}
    if kind in {1, 2, 3, 4}:
        return {"trait": {f"trait_{n // 20}": {"in": [f"v{n % 7}", "v1"]}}}
    ordered = name == "order_completed"
    where = {"products": {"any": of}} if ordered else of
    did: dict[str, Any] = {"event": name, "where": where, "within": chance.choice(["7d", "30d", "30d", "90d", "24h"])}
    if kind % 3 == 0:
        did["sum"] = {"of": "total" if ordered else "price", "at_least": chance.choice([50, 200, 1000])}
    elif kind % 7 == 0:
        did |= {"per": "brand", "times": 2}
    else:
        did["times"] = chance.choice([1, 2, 3, 5])
    if kind % 5 == 0:
        return {"all": [{"did": did}, {"did_not": {"event": "coupon_redeemed", "where": of, "within": "7d"}}]}
    return {"did": did}
