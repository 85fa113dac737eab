"""`identity_replay` and `unmerge`: who is who, resolved by the pure functions alone, and in tables."""

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from libs.devstack.postgres import PostgresServer
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, uuid7
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.transactions import Transactions
from libs.people.identifiers import DEFAULT_RULES
from libs.people.identity_events import LOG as IDENTITY
from libs.people.keys import Keyring
from libs.runtime.clock import SystemClock
from libs.runtime.tenants import Tenants
from services.identity.deciding import Deciding
from services.identity.domain.decisions import Decisions, Linked, LinkLeft, Of, Unlinked
from services.identity.domain.identities import Identities
from services.identity.domain.knowledge import News
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Case
from services.identity.migrations import SCRIPTS
from services.identity.rulebook import Rulebook
from tests.bench import components
from tests.bench.crowd import evidence_of
from tests.bench.known import acquaint, values
from tests.bench.load import SEED
from tests.bench.preload import TENANT
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PARTITIONS, PEOPLE

ROUNDS: Final = 3
UNMERGES: Final = 2_000
UNMERGES_IN_TABLES: Final = 500
UNMERGE_PEOPLE: Final = min(PEOPLE, 20_000)

Answer = TypeVar("Answer")


async def replay() -> None:
    """Resolve all evidence at once under the shipped rules; beside it, components without any rules."""
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
    work("unmerge", seed=SEED, people=UNMERGE_PEOPLE, unmerges=UNMERGES)
    evidence = evidence_of(UNMERGE_PEOPLE, SEED)
    identities = Identities(DEFAULT_RULES)
    identities.observe(evidence, b"")
    identities.settle()
    phones = sorted(key for key, seen in evidence.seen.items() if seen.type == "phone")
    graph, bare = components.graph_of(evidence), list[float]()
    chance, delays = random.Random(SEED), list[float]()
    with _frozen():
        for turn in range(UNMERGES):
            a, b = (Of(key, "phone") for key in chance.sample(phones, 2))
            identities.learn(News(decisions=(Linked(turn.to_bytes(16), 2 * turn, a=a, b=b),)), b"")
            undone = News(decisions=(LinkLeft(turn.to_bytes(16), 2 * turn + 1, a=a, b=b),))
            delays.append(_milliseconds(partial(identities.learn, undone, b"")))
            bare.append(_milliseconds(partial(components.part, graph, a.key, b.key)))
    told = "networkx finds the two parts, for which a kiosk's visitors are one"
    _tell("p50_ms", delays, bare, 0.5, None, told)
    _tell("p99_ms", delays, bare, 0.99, 5, told)
    await _unmerge_in_tables()


async def _unmerge_in_tables() -> None:
    """The same where it is real: until the moves are in the log, for good; the baseline is one event into that log."""
    delays, bare = list[float](), list[float]()
    chance, clock, tenants = random.Random(SEED), SystemClock(), Tenants.demo()
    keyring = Keyring(tenants.get(TENANT).secret)
    async with _tables() as url, open_pool(url, size=2, scans=False) as pool:
        ranges = Ranges(pool)
        await ranges.cover(clock.now())
        log = PostgresLog(IDENTITY, PARTITIONS, pool, clock, ranges)
        deciding = Deciding(Transactions(pool, log), Rulebook(tenants), tenants, clock, asyncio.Event())
        for _ in range(UNMERGES_IN_TABLES):
            ones = [values(person)["phone"] for person in chance.sample(range(UNMERGE_PEOPLE), 2)]
            told = {keyring.key("person", "phone", one): one for one in ones}
            a, b = (Of(key, "phone") for key in told)
            await deciding.decide(TENANT, Linked(b"", 0, a=a, b=b), told)
            began = time.perf_counter()
            outcome = await deciding.decide(TENANT, Unlinked(b"", 0, a=a, b=b), told)
            delays.append((time.perf_counter() - began) * 1000)
            assert outcome.changes
            event = Envelope(TENANT, "nothing").seal().event(uuid7(clock.now()), a.key, clock.now(), b"")
            began = time.perf_counter()
            await log.append([event])
            bare.append((time.perf_counter() - began) * 1000)
    _tell("in_tables_p50_ms", delays, bare, 0.5, None, "one event appended to the same log")
    _tell("in_tables_p99_ms", delays, bare, 0.99, 5, "one event appended to the same log")


def _tell(metric: str, delays: list[float], bare: list[float], share: float, target: float | None, told: str) -> None:
    value, baseline = percentile(delays, share), percentile(bare, share)
    Figure("unmerge", metric, value, "ms", baseline, target, "lower", f"baseline: {told}").print()


@asynccontextmanager
async def _tables() -> AsyncIterator[str]:
    """Where the tables of identity are that know so many people."""
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        async with PostgresServer(Path(folder) / "postgres") as server:
            await server.create_database("identity", role="identity")
            url = server.dsn("identity", "identity")
            await migrate(url, SCRIPTS, partitions=PARTITIONS)
            await acquaint(url, UNMERGE_PEOPLE)
            yield url


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


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
