"""How somebody came to their stage: every move with its day and, from their history, its reasons."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event
from libs.conditions.explain import explain
from libs.conditions.features import Features
from libs.conditions.standing import NOBODY
from libs.conditions.windows import write_day
from libs.people.person import Name
from libs.runtime.clock import Micros
from libs.runtime.errors import NotFound
from libs.runtime.tenants import Tenants
from services.tagging.catalogue import Catalogues
from services.tagging.compiled import compile_definitions
from services.tagging.domain.explanation import MoveReason, StageExplanation
from services.tagging.domain.holding import Held
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.names import STAGE
from services.tagging.domain.stages import Course, Entered
from services.tagging.queries.explaining import leaves_of
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People

MOST_MOVES: Final = 50
"""Moves that are told at most, the newest."""


@dataclass(frozen=True, slots=True)
class Staging:
    """Explains the stages of the lifecycle that people are answered by."""

    people: People
    histories: Histories
    catalogues: Catalogues
    tenants: Tenants
    now: Callable[[str], Micros]

    async def explain(self, tenant: str, of: Name) -> StageExplanation:
        """By which moves somebody came to their stage; raises `NotFound` if no lifecycle is live, `Unavailable`."""
        definition = self.catalogues.live(tenant).definitions.get(STAGE)
        if not isinstance(definition, LifecycleDefinition):
            raise NotFound("live lifecycle", STAGE)
        person = await self.people.person(tenant, of)
        async with self.histories.of(tenant, person) as events:
            held = (await self.people.held(tenant, [person.id]))[person.id].get(STAGE)
            zone, now = self.tenants.get(tenant).zone, self.now(tenant)
            return await asyncio.to_thread(_explained, definition, zone, now, person.id, held, events)


def _explained(
    definition: LifecycleDefinition,
    zone: str,
    now: Micros,
    person: bytes,
    held: Held | None,
    events: Sequence[Event],
) -> StageExplanation:
    plan = compile_definitions({STAGE: definition}, zone, 0, {}).plan
    features = Features()
    for event in events:
        plan.fold(features, event)
    calendar = plan.zones.tenant
    course = definition.machine(zone).course(features, calendar.day(now))
    moves, ahead = (
        tuple(_reason(definition, entered, events, calendar) for entered in some)
        for some in (course.entered[-MOST_MOVES:], course.ahead)
    )
    found = course.last.stage if course.last else ""
    return StageExplanation(person, held, found, moves, ahead, _summary(course))


def _reason(
    definition: LifecycleDefinition, entered: Entered, events: Sequence[Event], calendar: Calendar
) -> MoveReason:
    begins = calendar.start_of(entered.day)
    if entered.move is None:
        return MoveReason(entered, begins, ())
    ends = calendar.start_of(entered.day + 1)
    before, now = (begins, begins) if entered.phase == "begun" else (ends, ends - 1)
    known = [event for event in events if event.occurred_at < before]
    told = explain(definition.moves[entered.move].condition, known, NOBODY, now, calendar.zone.key)
    return MoveReason(entered, begins, tuple(leaves_of(told)))


def _summary(course: Course) -> str:
    last = course.last
    if last is None:
        return "is in no stage: nothing happened that the lifecycle reads"
    since = write_day(last.day)
    said = f"is {last.stage} since {since}"
    if last.former is not None:
        by = "as time passed" if last.phase == "begun" else "by what happened"
        said = f"moved from {last.former} to {last.stage} on {since}, {by} (moves[{last.move}])"
    if course.ahead:
        said = f"{said}; will be {course.ahead[-1].stage} on {write_day(course.ahead[0].day)} unless something happens"
    return said
