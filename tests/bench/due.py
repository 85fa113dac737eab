"""`due`: answering whom time alone may change, by the service's own evaluation on its tables, and one process of it.

Everybody did one thing: hour windows end spread over an hour, day windows all at one midnight. It is the moment that a
clock of the benchmark says. How late somebody is answered is counted from when their window ended.
"""

import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event
from libs.conditions.features import decode
from libs.conditions.features import encode as features_encode
from libs.conditions.windows import HOUR
from libs.devstack.postgres import PostgresServer
from libs.eventlog.database import open_pool
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import SECOND, Micros, SystemClock
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.answering import Answering, Known
from services.tagging.catalogue import Catalogues
from services.tagging.codec.changes import LOG
from services.tagging.compiled import Compiled
from services.tagging.courses import Courses
from services.tagging.domain.holding import encode
from services.tagging.evaluating import Evaluating
from services.tagging.migrations import SCRIPTS
from services.tagging.store.due import Due
from tests.bench.definitions import DEFINITIONS, PROBED, compiled, documents, histories
from tests.bench.preload import TENANT
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PARTITIONS, PEOPLE
from tests.bench.tagged import AT_ONCE, keep, publish

SECONDS: Final = 60.0
MIDNIGHT_SECONDS: Final = 900.0
"""Within which a million people are to be answered; fewer have less."""
MILLION: Final = 1_000_000

_TIMED: Final = {
    "hours": {"did": {"event": PROBED, "within": "24h"}},
    "days": {"did": {"event": PROBED, "within": "2d"}},
}
_SKIP: Final = "UPDATE due SET at = $2 WHERE tenant = $1 AND at < $2"
_NEXT: Final = "SELECT min(at) FROM due WHERE tenant = $1"


async def run(people: int = PEOPLE, seconds: float = SECONDS) -> None:
    """Answer hour windows as they end for some seconds, and then everybody at midnight."""
    work("due", people=people, seconds=seconds, definitions=DEFINITIONS)
    of = documents(_TIMED)
    catalogue, tenant = compiled(of), Tenants.demo().get(TENANT)
    calendar = Calendar(tenant.zone)
    today = calendar.day(time.time_ns() // 1000)
    noon = calendar.start_of(today) + 12 * HOUR
    async with _tables() as url, open_pool(url, size=4, scans=False) as pool:
        async with pool.acquire() as connection:
            await publish(connection, of)
        ends = await _fill(pool, catalogue, people, noon)
        clock = _Clock(noon)
        evaluating = await _evaluating(pool, clock)
        late = await _answered(evaluating, clock, ends, noon + int(seconds * SECOND))
        told = f"{len(late):,} of {people:,} people, {people / 3600:.0f} a second"
        Figure("due", "p99_s", percentile(late, 0.99), "s", target=60, better="lower", detail=told).print()
        midnight = calendar.start_of(today + 1)
        await pool.execute(_SKIP, TENANT, midnight, timeout=600)
        await pool.execute("VACUUM ANALYZE", timeout=600)
        clock.begun, clock.since = midnight, time.perf_counter()
        late = await _answered(evaluating, clock, [midnight] * people, midnight)
    goal = MIDNIGHT_SECONDS * people / MILLION
    told = f"{people / late[-1]:,.0f} people a second; the target is 15 minutes for a million"
    Figure("due", "midnight_s", late[-1], "s", target=goal, better="lower", detail=told).print()


class _Clock:
    """A moment from which time goes on as it does."""

    def __init__(self, begun: Micros) -> None:
        self.begun, self.since = begun, time.perf_counter()

    def now(self, _: str) -> Micros:
        """The moment for a tenant."""
        return self.begun + int((time.perf_counter() - self.since) * SECOND)


async def _evaluating(pool: asyncpg.Pool, clock: _Clock) -> Evaluating:
    system, metrics, tenants, ranges = SystemClock(), Metrics(), Tenants.demo(), Ranges(pool)
    await ranges.cover(system.now())
    catalogues = Catalogues(pool, tenants, metrics)
    await catalogues.refresh()
    log = PostgresLog(LOG, PARTITIONS, pool, system, ranges)
    return Evaluating(pool, log, Courses(catalogues), tenants, clock.now, metrics)


async def _answered(evaluating: Evaluating, clock: _Clock, ends: Sequence[Micros], until: Micros) -> list[float]:
    """How many seconds late each was answered whose window ended by a moment; `ends` are in order.

    Those who are longest due are answered first: whoever was due before the next one is has been.
    """
    late: list[float] = []
    wanted = bisect_left(ends, until + 1)
    tenant = evaluating.tenants.get(TENANT)
    while len(late) < wanted:
        if not await evaluating.portion(tenant):
            time.sleep(0.001)  # noqa: ASYNC251  nothing else runs here
            continue
        now = clock.now(TENANT)
        next_ = await evaluating.pool.fetchval(_NEXT, TENANT)
        reached = len(ends) if next_ is None or next_ > now else bisect_left(ends, next_)
        if ends[0] == next_:  # all at one moment, and some of them still wait
            reached = len(late) + evaluating.size
        reached = min(reached, bisect_left(ends, now + 1))
        late += [(now - end) / SECOND for end in ends[len(late) : reached]]
    return late


async def _fill(pool: asyncpg.Pool, catalogue: Compiled, people: int, noon: Micros) -> list[Micros]:
    """Let people have done something a day before, each a little later than the one before; when their hours end."""
    ends: list[Micros] = []
    kept = []
    before, answering = list(histories(catalogue, noon)), Answering(TENANT, catalogue, noon)
    for person in range(people):
        key, history = person.to_bytes(16), before[person % len(before)]
        features = decode(history.state)
        at = noon - 24 * HOUR + person * HOUR // people + 1
        catalogue.plan.fold(features, Event(key, PROBED, at, {}, {}, "app"))
        due = Due(key, noon, frozenset(_TIMED), frozenset(), None)
        holding, _ = answering.answered(due, Known(features, {}, {}), history.holding)
        end = holding.next_change()
        assert end is not None, "two windows will end"
        ends.append(end)
        kept.append((key, features_encode(features), holding.revision, encode(holding), end))
        if len(kept) == AT_ONCE or person == people - 1:
            async with pool.acquire() as connection:
                await keep(connection, kept)
            kept.clear()
    await pool.execute("VACUUM ANALYZE", timeout=600)
    return sorted(ends)


@asynccontextmanager
async def _tables() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        async with PostgresServer(Path(folder) / "postgres", settings={"shared_buffers": "1GB"}) as server:
            await server.create_database("tagging", role="tagging")
            url = server.dsn("tagging", "tagging")
            await migrate(url, SCRIPTS, partitions=PARTITIONS)
            yield url
