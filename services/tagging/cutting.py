"""Cuts: when a day, a week or a month has begun, everybody is measured anew, and ranked by that until the next.

Everybody is measured as of the beginning of that day, before anything of it, so a cut is the same whenever it is made.
It is told on the log, and everybody becomes due for it. Killed anywhere, a cut is made again or was made; of two
replicas that make it, one does.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from libs.conditions.states import Daily
from libs.eventlog.database import Connection
from libs.eventlog.event import Envelope, NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.people.keys import Keyring
from libs.runtime.clock import Clock, Micros
from libs.runtime.tenants import Tenant, Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.catalogue import Catalogues
from services.tagging.codec.publications import CUT_MADE, cut_payload
from services.tagging.compiled import Compiled
from services.tagging.courses import Course, Courses
from services.tagging.domain.cuts import CutMade, boundary, cut_id, measure_of
from services.tagging.domain.layers import Row
from services.tagging.domain.ranking import number_at_cut, thresholds
from services.tagging.domain.score import ByRank, Days
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.store import refolds
from services.tagging.store.cuts import CutRows
from services.tagging.store.definitions import DefinitionRows
from services.tagging.store.marks import MarkRows
from services.tagging.store.population import kept_of_everybody

LOOK_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 2.0
PORTION: Final = 1_000
_LARGEST: Final = 2**62

_sum: Final = Daily(int.__add__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cut that is to be made: of a score, as of the beginning of a day."""

    score: ScoreDefinition
    rank: ByRank
    day: int


@dataclass(frozen=True, slots=True)
class Cutting:
    """Makes the cuts of all tenants while `held` names the one partition of its lease.

    `now` says what time it is for a tenant: the moment up to which everything was read.
    """

    pool: asyncpg.Pool
    log: PostgresLog
    catalogues: Catalogues
    courses: Courses
    tenants: Tenants
    now: Callable[[str], Micros | None]
    clock: Clock
    metrics: Metrics
    held: Collection[int]
    portion: int = PORTION

    async def run(self) -> None:
        """Look whether it is time for a cut until cancelled; outages are waited out."""
        while True:
            try:
                for tenant in self.tenants if self.held else ():
                    await self.turn(tenant)
            except Exception as error:  # noqa: BLE001  else nobody would ever be ranked anew
                structlog.get_logger().warning("cut_waits", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)
            self.metrics.heartbeat("cuts")
            await asyncio.sleep(LOOK_SECONDS)

    async def turn(self, tenant: Tenant) -> bool:
        """Make the cuts whose time has come; whether any was made. Waits while anything is to be folded anew."""
        now = self.now(tenant.id)
        if now is None or not wanted(self.catalogues.live(tenant.id), now):  # which asks no table
            return False
        async with self.pool.acquire() as connection:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                if await refolds.are_there(connection, tenant.id):
                    return False
                course = await self.courses.live(connection, tenant.id)
                cuts = wanted(course.compiled, now)
                numbers = await self._measured(connection, tenant.id, course, cuts)
            async with connection.transaction():
                return await self._make(connection, tenant, course.compiled, cuts, numbers)

    async def _measured(
        self, connection: Connection, tenant: str, course: Course, cuts: Sequence[Wanted]
    ) -> list[list[int]]:
        """What is measured of everybody for each cut, in order."""
        numbers: list[list[int]] = [[] for _ in cuts]
        async for people in kept_of_everybody(connection, tenant, course.read, self.portion):
            await asyncio.to_thread(_measure, course, cuts, people.values(), numbers)
        for those in numbers:
            await asyncio.to_thread(those.sort)
        return numbers

    async def _make(
        self,
        connection: Connection,
        tenant: Tenant,
        compiled: Compiled,
        cuts: Sequence[Wanted],
        numbers: Sequence[Sequence[int]],
    ) -> bool:
        definitions, rows = DefinitionRows(connection, tenant.id), CutRows(connection, tenant.id)
        if await definitions.hold() != compiled.version:  # published meanwhile, or cut by another replica: look again
            return False
        made: dict[CutMade, Wanted] = {}
        for one, those in zip(cuts, numbers, strict=True):
            measure = measure_of(one.rank)
            cut = CutMade(
                one.score.key,
                measure,
                one.day,
                thresholds(those, one.rank.parts),
                len(those),
                await rows.count(one.score.key) + 1,
                cut_id(tenant.id, one.score.key, measure, one.day),
            )
            if await rows.add(cut):
                made[cut] = one
        if not made:
            return False
        await definitions.touch()
        # The first cut belongs to the definition, which was published just now; a later one is news.
        for first in (True, False):
            names = [one.score.name for one in made.values() if (one.score.cut is None) == first]
            if names:
                await MarkRows(connection, tenant.id).begin(names, backfill=first)
        await self.log.append_in(connection, [self._told(tenant, cut, one.rank) for cut, one in made.items()])
        for cut in made:
            told = {"tag": cut.tag, "day": cut.day, "population": cut.population}
            structlog.get_logger().info("cut_made", tenant=tenant.id, **told)
        return True

    def _told(self, tenant: Tenant, cut: CutMade, rank: ByRank) -> NewEvent:
        key = Keyring(tenant.secret).key("definition", "tag", cut.tag)
        seal = Envelope(tenant.id, CUT_MADE).seal()
        return seal.event(cut.event_id, key, self.clock.now(), cut_payload(cut, rank.parts))


def wanted(compiled: Compiled, now: Micros) -> list[Wanted]:
    """The cuts whose time has come, and that are not made."""
    found, today = [], compiled.plan.zones.tenant.day(now)
    for score in compiled.scores.values():
        if isinstance(score.score, ByRank):
            day = boundary(score.score.cut, today)
            if score.cut is None or score.cut.day < day:
                found.append(Wanted(score, score.score, day))
    return found


def _measure(
    course: Course, cuts: Sequence[Wanted], people: Iterable[Sequence[Row]], numbers: Sequence[list[int]]
) -> None:
    """Note the numbers of some people for each cut."""
    zone = course.plan.zones.tenant.zone.key
    for rows in people:
        parts = course.layers.parts(rows)
        for one, those in zip(cuts, numbers, strict=True):
            days = _united([one.score.days(part, zone) for part in parts])
            number = number_at_cut(one.rank, days, one.day)
            if number is not None:
                those.append(max(-_LARGEST, min(number, _LARGEST)))


def _united(parts: Sequence[Sequence[Mapping[int, int]]]) -> Sequence[Days]:
    """The days of a person, of those of their places; the same as combining all that is kept, and that is much more."""
    united, *others = parts
    for other in others:
        united = [_both(one, more) for one, more in zip(united, other, strict=True)]
    return united


def _both(one: Mapping[int, int], other: Mapping[int, int]) -> Days:
    return _sum.united(dict(one), dict(other)) if one and other else one or other
