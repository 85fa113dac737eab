"""Counts at once, and exactly, whoever meets a condition of the moment about what is kept: from columns in memory.

Each replica that is asked reads everybody once, behind the answers, and from then on only those who changed: whoever
changes people tells so in the same transaction, as long as anybody wants to know. Before each answer a replica reads
what was told since its last snapshot, and those people anew, in one transaction that sees one moment: the answer is
that of a walk over everybody at that moment.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from libs.conditions.tree import Condition
from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.columns.table import Table
from services.tagging.columns.taking import Taking
from services.tagging.columns.wanted import Wanted, wanted_of
from services.tagging.courses import Course, Courses
from services.tagging.domain.holding import Holding
from services.tagging.domain.layers import Layers, Row
from services.tagging.store import touched
from services.tagging.store.features import FeatureRows
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.places import persons
from services.tagging.store.population import kept_of_everybody

LOOK_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 0.02
FINISH_SECONDS: Final = 60.0
FORGET_SECONDS: Final = 60.0
PORTION: Final = 2_000
TELL_SECONDS: Final = 60.0
"""After so long it is said anew that it is wanted to know who changes."""
STALE_SECONDS: Final = 1_800.0
"""What was read longer ago is read from the beginning: what was told since may be forgotten."""
REFUSED_SECONDS: Final = 600.0
"""So long nothing is read of a tenant whose columns were too large."""

assert STALE_SECONDS + TELL_SECONDS < touched.WANTED_SECONDS, "who does not tell any more is not waited for"

_ONE_MOMENT: Final[Mapping[str, Any]] = {"isolation": "repeatable_read", "readonly": True}
_HEADS: Final = "SELECT partition, position FROM log_heads ORDER BY partition"


class Tally(NamedTuple):
    """How many people meet a condition, of how many, as of heads of the log of tags and of a moment."""

    people: int
    population: int
    positions: Mapping[int, int]
    now: Micros


class _TooLarge(Exception):
    """Columns would take more memory than there is for them."""


@dataclass(eq=False, slots=True)
class _Kept:
    """The columns of a tenant as of a snapshot, and the layers that counted in it."""

    table: Table
    layers: Layers
    snapshot: touched.Snapshot
    read_at: float
    wanted_at: float
    asked_at: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class _News(NamedTuple):
    """People as they are now, of whom some have nothing any more; and the moment at which they are so."""

    people: Collection[bytes]
    rows: Mapping[bytes, Sequence[Row]]
    holdings: Mapping[bytes, Holding]
    course: Course
    snapshot: touched.Snapshot
    read_at: float
    positions: Mapping[int, int]


@dataclass(eq=False)
class Tallying:
    """The columns of all tenants of which anything was asked of late. `most_bytes` are for all of them together."""

    pool: asyncpg.Pool
    courses: Courses
    tenants: Tenants
    now: Callable[[str], Micros]
    metrics: Metrics
    most_bytes: int
    idle_seconds: float
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _asked: dict[str, Wanted] = field(default_factory=dict, init=False)
    _refused: dict[str, float] = field(default_factory=dict, init=False)
    _forget_at: float = field(default=0.0, init=False)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set, init=False)

    async def count(self, tenant: str, condition: Condition) -> Tally | None:
        """How many people meet a condition now; None where it is in no columns, or not yet."""
        wanted = wanted_of(condition, self.tenants.get(tenant).zone)
        live = self.courses.catalogues.live(tenant).plan.features
        if wanted is None or wanted.keys() - live or not self.most_bytes:
            return None
        kept = self._kept.get(tenant)
        if kept is None or not kept.table.wanted.covers(wanted):
            self._ask(tenant, wanted)
            return None
        # Whoever asked may go away, as when a rule is edited on; what was begun is ended all the same.
        task = asyncio.create_task(self._count(tenant, kept, condition, wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def run(self) -> None:
        """Read what was asked for, keep in step and let go of what nobody asks for, until cancelled."""
        while True:
            try:
                await self.turn()
                pause = LOOK_SECONDS
            except Exception as error:  # noqa: BLE001  columns only make answers quicker: nothing may end for them
                structlog.get_logger().warning("columns_wait", error=repr(error))
                pause = PAUSE_SECONDS
            self.metrics.heartbeat("columns")
            await asyncio.sleep(pause)

    async def turn(self) -> None:
        """Do all of that once."""
        if monotonic() > self._forget_at:
            await touched.forget(self.pool)
            self._forget_at = monotonic() + FORGET_SECONDS
        for tenant, kept in list(self._kept.items()):
            if monotonic() - kept.asked_at > self.idle_seconds:
                self._let_go(tenant, kept)
            else:
                async with kept.lock:
                    await self._catch_up(tenant, kept)
        for tenant, wanted in list(self._asked.items()):
            try:
                self._kept[tenant] = await self._read(tenant, wanted)
            except _TooLarge:
                self._too_large(tenant, wanted)
            if self._asked.get(tenant) is wanted:
                del self._asked[tenant]
        self.metrics.columns_bytes.set(self._bytes())

    def _ask(self, tenant: str, wanted: Wanted) -> None:
        """Let something be read, beside what stands in columns or is to."""
        if monotonic() < self._refused.get(tenant, 0.0):
            return
        kept = self._kept.get(tenant)
        before = self._asked.get(tenant) or (Wanted() if kept is None else kept.table.wanted)
        self._asked[tenant] = before.with_(wanted)

    async def _count(self, tenant: str, kept: _Kept, condition: Condition, wanted: Wanted) -> Tally | None:
        async with kept.lock:
            news = await self._catch_up(tenant, kept)
            if news is None:
                self._ask(tenant, wanted)
                return None
            if wanted.keys() - news.course.plan.features:
                return None
            kept.asked_at, now = monotonic(), self.now(tenant)
            people = await asyncio.to_thread(kept.table.count, condition, now)
            return None if people is None else Tally(people, kept.table.people, news.positions, now)

    async def _catch_up(self, tenant: str, kept: _Kept) -> _News | None:
        """Take in whoever changed; None where all must be read anew, and then nothing is kept any more."""
        if self._kept.get(tenant) is not kept:
            return None
        news = await self._news(tenant, kept)
        if news is None:
            self._let_go(tenant, kept)
            return None
        try:
            if news.people:
                ranks = self.tenants.get(tenant).source_ranks
                await asyncio.to_thread(_replace, Taking(kept.table, kept.layers, ranks), news)
        except BaseException:  # half of them may be in
            self._let_go(tenant, kept)
            raise
        kept.snapshot, kept.read_at = news.snapshot, news.read_at
        return news

    async def _news(self, tenant: str, kept: _Kept) -> _News | None:
        began = monotonic()
        if began - kept.read_at > STALE_SECONDS:
            return None
        if began - kept.wanted_at > TELL_SECONDS:
            await touched.want(self.pool, tenant)
            kept.wanted_at = began
        async with self.pool.acquire() as connection, connection.transaction(**_ONE_MOMENT):
            snapshot = await touched.snapshot_of(connection)
            positions = {row["partition"]: row["position"] for row in await connection.fetch(_HEADS)}
            course = await self.courses.live(connection, tenant)
            if course.layers != kept.layers:  # what an older row has of a feature may not count any more
                return None
            changed = await touched.touched_since(connection, tenant, kept.snapshot)
            people = changed.kept | changed.held if kept.table.held else changed.kept
            rows, holdings = dict[bytes, Sequence[Row]](), dict[bytes, Holding]()
            for some in _portions(list(people)):
                rows |= await _rows_of(connection, tenant, some, course)
                holdings |= await _holdings_of(connection, tenant, some, kept.table)
        return _News(people, rows, holdings, course, snapshot, began, positions)

    async def _read(self, tenant: str, wanted: Wanted) -> _Kept:
        """Everybody, from the beginning."""
        began = monotonic()
        await touched.want(self.pool, tenant)
        under_way = await touched.told_from_now_on(self.pool)
        async with asyncio.timeout(FINISH_SECONDS):
            while not await touched.are_finished(self.pool, under_way):  # noqa: ASYNC110  any replica ends them
                await asyncio.sleep(WAIT_SECONDS)
        known = self.tenants.get(tenant)
        async with self.pool.acquire() as connection, connection.transaction(**_ONE_MOMENT):
            snapshot, read_at = await touched.snapshot_of(connection), monotonic()
            course = await self.courses.live(connection, tenant)
            table = Table(wanted, course.plan.zones.tenant)
            taking = Taking(table, course.layers, known.source_ranks)
            async for rows in kept_of_everybody(connection, tenant, course.read, PORTION):
                holdings = await _holdings_of(connection, tenant, list(rows), table)
                await asyncio.to_thread(taking.take_all, rows, holdings)
                if table.nbytes + self._bytes(but=tenant) > self.most_bytes:
                    raise _TooLarge
        await asyncio.to_thread(table.order)
        told = {"people": table.people, "bytes": table.nbytes, "seconds": round(monotonic() - began, 3)}
        structlog.get_logger().info("columns_read", tenant=tenant, **told)
        return _Kept(table, course.layers, snapshot, read_at, began, monotonic())

    def _too_large(self, tenant: str, wanted: Wanted) -> None:
        """Begin with nothing beside what is asked next; where nothing was beside it, not before some time."""
        structlog.get_logger().warning("columns_too_large", tenant=tenant, most_bytes=self.most_bytes)
        kept = self._kept.pop(tenant, None)
        if kept is None or kept.table.wanted.covers(wanted):
            self._refused[tenant] = monotonic() + REFUSED_SECONDS

    def _let_go(self, tenant: str, kept: _Kept) -> None:
        if self._kept.get(tenant) is kept:
            del self._kept[tenant]

    def _bytes(self, *, but: str = "") -> int:
        return sum(one.table.nbytes for tenant, one in self._kept.items() if tenant != but)


async def _rows_of(
    connection: Connection, tenant: str, people: Sequence[bytes], course: Course
) -> dict[bytes, Sequence[Row]]:
    """What counts of people; nothing of whom nothing was seen, and of who became another."""
    who = await persons(connection, tenant, people)
    places = [place for those in who.members.values() for place in those]
    rows = await FeatureRows(connection, tenant).load(places, course.read)
    found = {person: [row for place in those for row in rows.get(place, ())] for person, those in who.members.items()}
    return {person: mine for person, mine in found.items() if mine}


async def _holdings_of(
    connection: Connection, tenant: str, people: Sequence[bytes], table: Table
) -> dict[bytes, Holding]:
    return await HoldingRows(connection, tenant).load(people) if table.held else {}


def _replace(taking: Taking, news: _News) -> None:
    taking.table.drop(news.people)
    taking.take_all(news.rows, news.holdings)
    taking.table.tidy()


def _portions(people: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
    return [people[begin : begin + PORTION] for begin in range(0, len(people), PORTION)]
