"""What a definition would change, computed on the histories of some or all people."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libs.conditions.comparisons import Scalar
from libs.conditions.features import Features
from libs.people.person import Name, Person
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from services.tagging.catalogue import Catalogues
from services.tagging.compiled import Compiled, compile_apart
from services.tagging.domain.around import Around
from services.tagging.domain.definition import Definition
from services.tagging.domain.holding import Held
from services.tagging.domain.plan import TagChange, TagPlan
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People
from services.tagging.store.population import drawn, population

LOOK_AT: Final = 500
PORTION: Final = 100


@dataclass(frozen=True, slots=True)
class Previewing:
    """Answers a definition for people as if it were live, beside what they hold."""

    people: People
    histories: Histories
    catalogues: Catalogues
    tenants: Tenants
    now: Callable[[str], Micros]

    async def plan(self, tenant: str, definitions: Sequence[Definition], look_at: int = 0) -> TagPlan:
        """What the first of some definitions would change for so many people, all of them if there are no more.

        Those that stand beside it in its document are answered with it. Raises `Unavailable`.
        """
        definition = definitions[0]
        live = self.catalogues.live(tenant)
        alone = compile_apart(definitions, live, self.tenants.get(tenant).zone)
        plan = TagPlan(reads_history=bool(alone.plan.features - live.plan.features))
        async with self.people.pool.acquire() as connection:
            plan.population = await population(connection, tenant)
            # Of each version that is tried the same ones.
            sample = await drawn(connection, tenant, look_at or LOOK_AT)
        for begin in range(0, len(sample), PORTION):
            await self._portion(tenant, definition, alone, sample[begin : begin + PORTION], plan)
        return plan

    async def _portion(
        self, tenant: str, definition: Definition, alone: Compiled, sample: Sequence[bytes], plan: TagPlan
    ) -> None:
        people = await self.people.map.people(tenant, [Name(person) for person in sample])
        held = await self.people.held(tenant, [person.id for person in people])
        told = await asyncio.gather(
            *(self._after(tenant, definition, alone, person, held[person.id]) for person in people)
        )
        for person, (value, of) in zip(people, told, strict=True):
            before = held[person.id].get(definition.name)
            plan.note(TagChange(person.id, before.value if before else None, value, of))

    async def _after(
        self, tenant: str, definition: Definition, alone: Compiled, person: Person, held: Mapping[str, Held]
    ) -> tuple[Scalar | None, str]:
        features = await self.histories.folded(tenant, person, alone.plan) or Features()
        around = Around({name: one.value for name, one in held.items()})
        said = {name: one.said for name, one in (await self.people.said(tenant, person)).items()}
        asked = alone.asked(features, around, said, self.tenants.get(tenant).source_ranks, self.now(tenant))
        found = definition.verdict(asked)
        return found.value, found.of
