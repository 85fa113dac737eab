"""Scores of people: computed when they are read, from what is kept, or for a past moment from what had happened."""

from collections.abc import Callable
from dataclasses import dataclass

from libs.conditions.features import Features
from libs.people.person import Person
from libs.people.spans import own_id
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from services.tagging.compiled import Compiled, compile_definitions
from services.tagging.courses import Courses
from services.tagging.domain.around import Around
from services.tagging.domain.explanation import Measured
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People
from services.tagging.store.cuts import CutRows
from services.tagging.store.features import FeatureRows


@dataclass(frozen=True, slots=True)
class Scoring:
    """Reads the scores of a person, by key of the tag."""

    people: People
    histories: Histories
    courses: Courses
    tenants: Tenants
    now: Callable[[str], Micros]

    async def scores(self, tenant: str, person: Person) -> dict[str, Measured]:
        """What they are now."""
        if not self.courses.catalogues.live(tenant).scores:
            return {}
        places = [own_id(member.identifier, member.span) for member in person.members]
        pool = self.people.pool
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            course = await self.courses.live(connection, tenant)
            rows = await FeatureRows(connection, tenant).load(places, course.read)
        parts = course.layers.parts([row for those in rows.values() for row in those])
        features = course.plan.combine(parts) if parts else None
        return _measured(course.compiled, features, self.now(tenant))

    async def scores_then(self, tenant: str, person: Person, as_of: Micros) -> dict[str, Measured]:
        """What the policies of today say of what had happened by a moment, by the cuts that stood then.

        Raises `Unavailable`.
        """
        live = self.courses.catalogues.live(tenant)
        if not live.scores:
            return {}
        day = live.plan.zones.tenant.day(as_of)
        async with self.people.pool.acquire() as connection:
            cuts = await CutRows(connection, tenant).newest(day)
        then = compile_definitions(live.scores, self.tenants.get(tenant).zone, 0, {}, cuts)
        features = await self.histories.folded(tenant, person, then.plan, as_of)
        return _measured(then, features, as_of)


def _measured(compiled: Compiled, features: Features | None, now: Micros) -> dict[str, Measured]:
    asked = compiled.asked(features, Around({}), {}, {}, now)
    found = {score.key: (score.scored(asked), score.version) for score in compiled.scores.values()}
    return {key: Measured(scored, version) for key, (scored, version) in sorted(found.items()) if scored is not None}
