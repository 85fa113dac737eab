"""Looks at everybody, at one moment, and tells who meets a condition."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import asyncpg

from libs.conditions.features import Features
from libs.conditions.tree import Condition
from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from services.tagging.courses import Courses
from services.tagging.domain.holding import Holding
from services.tagging.domain.names import EVERYONE
from services.tagging.queries.question import Question
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.population import everybody

PORTION: Final = 500

_ONE_MOMENT: Final[Mapping[str, Any]] = {"isolation": "repeatable_read", "readonly": True}

_HEADS: Final = "SELECT partition, position FROM log_heads ORDER BY partition"
_NOBODY: Final = bytes(16)


class Portion(NamedTuple):
    """Some people: how many were looked at, and those who meet the condition with what they hold."""

    looked_at: int
    met: Mapping[bytes, Holding]


@dataclass(frozen=True, slots=True)
class Walk:
    """Everybody as of one moment; `positions` are the heads of the log of tags at it, and windows end at `now`."""

    positions: Mapping[int, int]
    now: Micros
    portions: AsyncIterator[Portion]


@dataclass(frozen=True, slots=True)
class Walking:
    """Walks over a tenant's people within one transaction, which sees nothing of what changes meanwhile."""

    pool: asyncpg.Pool
    courses: Courses
    tenants: Tenants
    now: Callable[[str], Micros]

    @asynccontextmanager
    async def over(self, tenant: str, condition: Condition) -> AsyncIterator[Walk]:
        """Everybody, held against a condition of which everything is kept."""
        async with self.pool.acquire() as connection, connection.transaction(**_ONE_MOMENT):
            heads = {row["partition"]: row["position"] for row in await connection.fetch(_HEADS)}
            live = (await self.courses.live(connection, tenant)).compiled
            question = Question.of(self.tenants.get(tenant), condition, live)
            walk = self._by_holdings if question.is_of_the_held else self._by_features
            now = self.now(tenant)
            yield Walk(heads, now, walk(connection, question, now))

    async def _by_holdings(self, connection: Connection, question: Question, now: Micros) -> AsyncIterator[Portion]:
        """The population is whoever was told to be of everyone, or where nobody ever is, whoever holds anything."""
        rows, behind = HoldingRows(connection, question.tenant.id), _NOBODY
        told = EVERYONE in (await self.courses.live(connection, question.tenant.id)).compiled.definitions
        while found := await rows.behind(behind, PORTION):
            mine = {person: one for person, one in found.items() if (EVERYONE in one.tags if told else one.tags)}
            met = {person: one for person, one in mine.items() if question.holds(Features(), one, now)}
            yield Portion(len(mine), met)
            behind = max(found)

    async def _by_features(self, connection: Connection, question: Question, now: Micros) -> AsyncIterator[Portion]:
        """The population is whoever anything was ever seen of."""
        course = await self.courses.live(connection, question.tenant.id)
        async for people in everybody(connection, question.tenant.id, PORTION):
            yield Portion(len(people), await question.met(connection, course, people, now))
