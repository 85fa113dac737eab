"""`identity_replay` and `unmerge`: who is who, resolved in memory by the pure functions alone."""

import gc
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from libs.people.identifiers import DEFAULT_RULES
from services.identity.domain.decisions import Decisions, Linked, LinkLeft, Of
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

Answer = TypeVar("Answer")


async def replay() -> None:
    """Resolve all evidence at once under the shipped rules; beside it, components without any rules."""
    from tests.bench import components  # noqa: PLC0415  no other benchmark needs the second that scipy takes to load

    evidence = evidence_of(PEOPLE, SEED)
    edges = len(evidence.pairs)
    work("identity_replay", seed=SEED, people=PEOPLE, identifiers=len(evidence.seen), edges=edges, rounds=ROUNDS)
    case = Case(evidence, Decisions(), DEFAULT_RULES)
    with _frozen():
        ours, found = _best(partial(resolve, case))
        theirs = {name: _best(partial(count, evidence)) for name, count in components.BY.items()}
    Figure("identity_replay", "edges_per_s", edges / ours, "edges/s", target=120_000, detail=_told(found)).print()
    for name, (seconds, parts) in theirs.items():
        detail = f"baseline: {name} finds {parts:,} components, without rules, ids, cuts and reasons"
        Figure("identity_replay", f"to_{name}", edges / ours, "ratio", baseline=edges / seconds, detail=detail).print()


async def unmerge() -> None:
    """Undo links between two people: until every move that follows is known. What leads there is not timed."""
    people = min(PEOPLE, UNMERGE_PEOPLE)
    work("unmerge", seed=SEED, people=people, unmerges=UNMERGES)
    evidence = evidence_of(people, SEED)
    identities = Identities(DEFAULT_RULES)
    identities.observe(evidence, b"")
    identities.settle()
    phones = sorted(key for key, seen in evidence.seen.items() if seen.type == "phone")
    chance, delays = random.Random(SEED), []
    with _frozen():
        for turn in range(UNMERGES):
            a, b = (Of(key, "phone") for key in chance.sample(phones, 2))
            identities.learn(News(decisions=(Linked(turn.to_bytes(16), 2 * turn, a=a, b=b),)), b"")
            undone = News(decisions=(LinkLeft(turn.to_bytes(16), 2 * turn + 1, a=a, b=b),))
            began = time.perf_counter()
            identities.learn(undone, b"")
            delays.append((time.perf_counter() - began) * 1000)
    Figure("unmerge", "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure("unmerge", "p99_ms", percentile(delays, 0.99), "ms", target=5, better="lower").print()


def _best(run: Callable[[], Answer]) -> tuple[float, Answer]:
    """The seconds of the fastest round, and what it answered."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = run()
        rounds.append(time.perf_counter() - began)
    return min(rounds), answer


@contextmanager
def _frozen() -> Iterator[None]:
    """Without the collector going through the evidence again and again, which lives in tables where it is real."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _told(found: Resolution) -> str:
    shared = sum(mark == "shared" for mark in found.marks.values())
    return (
        f"{len(found.people):,} identifiers are another's, {len(found.refused):,} pairs refused, {shared} shared, "
        f"{len(found.cuts) - shared:,} passed on"
    )
