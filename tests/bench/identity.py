"""`identity_replay` and `unmerge`: who is who, resolved in memory by the pure functions alone."""

import gc
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import networkx
import numpy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from libs.people.identifiers import DEFAULT_RULES
from services.identity.domain.decisions import Decisions, Linked, LinkLeft, Of
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.identities import Identities
from services.identity.domain.knowledge import News
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Case
from tests.bench.crowd import evidence_of
from tests.bench.load import SEED
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PEOPLE

ROUNDS: Final = 3
UNMERGES: Final = 2_000
UNMERGE_PEOPLE: Final = 20_000


async def identity_replay() -> None:
    """Resolve all evidence at once under the shipped rules; beside it, components without any rules."""
    evidence = evidence_of(PEOPLE, SEED)
    edges = len(evidence.pairs)
    work("identity_replay", seed=SEED, people=PEOPLE, identifiers=len(evidence.seen), edges=edges, rounds=ROUNDS)
    case = Case(evidence, Decisions(), DEFAULT_RULES)
    with _frozen():
        ours, found = _best(lambda: resolve(case))
        scipy, parts = _best(lambda: _by_scipy(evidence))
        other, as_many = _best(lambda: _by_networkx(evidence))
    assert parts == as_many, "the baselines group the same"
    detail = ", ".join(f"{what} {count:,}" for what, count in _told(found).items())
    Figure("identity_replay", "edges_per_s", edges / ours, "edges/s", target=120_000, detail=detail).print()
    for name, seconds in (("scipy", scipy), ("networkx", other)):
        detail = f"baseline: components by {name}, without rules, ids, cuts and refusals: {parts:,}"
        Figure("identity_replay", f"to_{name}", edges / ours, "ratio", baseline=edges / seconds, detail=detail).print()


async def unmerge() -> None:
    """Undo a link between two people, until every move that follows is known; what leads there is not timed."""
    people = min(PEOPLE, UNMERGE_PEOPLE)
    work("unmerge", seed=SEED, people=people, unmerges=UNMERGES)
    evidence = evidence_of(people, SEED)
    identities = Identities(DEFAULT_RULES)
    identities.observe(evidence, b"")
    identities.settle()
    phones = sorted(key for key, seen in evidence.seen.items() if seen.type == "phone")
    chance = random.Random(SEED)
    delays = []
    with _frozen():
        for turn in range(UNMERGES):
            one, other = (Of(key, "phone") for key in chance.sample(phones, 2))
            linked, left = (kind(turn.to_bytes(16), 2 * turn + late, a=one, b=other) for late, kind in _THERE_AND_BACK)
            identities.learn(News(decisions=(linked,)), b"")
            began = time.perf_counter()
            identities.learn(News(decisions=(left,)), b"")
            delays.append((time.perf_counter() - began) * 1000)
    Figure("unmerge", "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure("unmerge", "p99_ms", percentile(delays, 0.99), "ms", target=5, better="lower").print()


_THERE_AND_BACK: Final = ((0, Linked), (1, LinkLeft))


def _best(run: Callable[[], object]) -> tuple[float, object]:
    """The seconds of the fastest round, and what it answered."""
    fastest, answer = float("inf"), None
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = run()
        fastest = min(fastest, time.perf_counter() - began)
    return fastest, answer
