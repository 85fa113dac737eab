"""How many people meet a condition that asks for more than is held: some of them are drawn and looked at."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.conditions.features import Features
from libs.conditions.tree import Condition
from libs.people.person import Name, Person
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from services.tagging.catalogue import Catalogues
from services.tagging.courses import Courses
from services.tagging.domain.holding import Holding
from services.tagging.domain.intervals import Estimate as Share
from services.tagging.domain.intervals import share
from services.tagging.domain.names import EVERYONE
from services.tagging.queries.crowds import EVERYBODY, Crowds
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People
from services.tagging.queries.question import Question
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.population import drawn, population

DRAWN: Final = 2_000
PORTION: Final = 500


class Estimate(NamedTuple):
    """What a sample says of a population; it is exact if everybody was looked at."""

    looked_at: int
    population: int
    share: Share


@dataclass(frozen=True, slots=True)
class Estimating:
    """Draws people by a seed and answers a condition for them as if it were published."""

    people: People
    histories: Histories
    catalogues: Catalogues
    courses: Courses
    crowds: Crowds
    tenants: Tenants
    now: Callable[[str], Micros]

    async def estimate(self, tenant: str, condition: Condition, seed: int) -> Estimate:
        """The share of those who meet a condition; raises `Unavailable`."""
        live = self.catalogues.live(tenant)
        question = Question.of(self.tenants.get(tenant), condition, live)
        some, everybody = await self._drawn(tenant, seed)
        answer = self._by_history if question.lacks(live) else self._by_features
        hits = 0
        for begin in range(0, len(some), PORTION):
            hits += await answer(question, some[begin : begin + PORTION])
        return Estimate(len(some), everybody, share(hits, len(some)) or Share(0.0, 0.0, 0.0))

    async def _drawn(self, tenant: str, seed: int) -> tuple[list[bytes], int]:
        """Some people, and how many there are."""
        if EVERYONE in self.catalogues.live(tenant).definitions:
            found = await self.crowds.sample(tenant, EVERYBODY, DRAWN, seed)
            if found is not None:
                return [member.person for member in found[0]], found[1].population
        async with self.people.pool.acquire() as connection:
            some = await drawn(connection, tenant, DRAWN, seed)
            everybody = len(some) if len(some) < DRAWN else await population(connection, tenant)
        return some, everybody

    async def _by_features(self, question: Question, some: Sequence[bytes]) -> int:
        tenant = question.tenant.id
        async with self.people.pool.acquire() as connection:
            course = await self.courses.live(connection, tenant)
            return len(await question.met(connection, course, some, self.now(tenant)))

    async def _by_history(self, question: Question, some: Sequence[bytes]) -> int:
        tenant = question.tenant.id
        people = await self.people.map.people(tenant, [Name(person) for person in some])
        async with self.people.pool.acquire() as connection:
            holdings = await HoldingRows(connection, tenant).load([person.id for person in people])

        async def meets(person: Person) -> bool:
            features = await self.histories.folded(tenant, person, question.compiled.plan) or Features()
            return question.holds(features, holdings.get(person.id) or Holding(), self.now(tenant))

        return sum(await asyncio.gather(*map(meets, people)))
