"""A condition of the moment, compiled, and answered for people one by one."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.references import leaves, references
from libs.conditions.tree import Condition, Did, Sequence, Trait
from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenant
from services.tagging.compiled import TIMEZONE, ZONE, Compiled
from services.tagging.courses import Course
from services.tagging.domain.around import Around
from services.tagging.domain.holding import Holding
from services.tagging.domain.names import kind_of
from services.tagging.store.features import FeatureRows
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.places import persons

_ASKED: Final = "asked"


@dataclass(frozen=True, slots=True)
class Question:
    """A condition of a tenant, with the scores that it may read; it never changes."""

    tenant: Tenant
    condition: Condition
    compiled: Compiled

    @classmethod
    def of(cls, tenant: Tenant, condition: Condition, live: Compiled) -> "Question":
        """Compile a condition beside what is live."""
        scores = {name: one for name, one in live.definitions.items() if kind_of(name) == "score"}
        conditions = {name: part for one in scores.values() for name, part in one.conditions().items()}
        conditions[_ASKED] = condition
        if any(ZONE in references(one) for one in conditions.values()):
            conditions[ZONE] = Trait(TIMEZONE)
        return cls(tenant, condition, Compiled(live.version, Plan(conditions, tenant.zone), [], scores, {}))

    @property
    def is_of_the_held(self) -> bool:
        """Whether it asks for nothing but tags, segments, stages and tiers."""
        scores = any(one.startswith("score:") for one in references(self.condition))
        return not scores and not any(isinstance(leaf, Did | Sequence | Trait) for leaf in leaves(self.condition))

    def lacks(self, live: Compiled) -> bool:
        """Whether it asks for something of what happened that nobody keeps."""
        return bool(self.compiled.plan.features - live.plan.features)

    def holds(self, features: Features, holding: Holding, now: Micros) -> bool:
        """Whether somebody meets it who holds this, and of whom this is kept, at a moment."""
        around = Around({name: held.value for name, held in holding.tags.items()})
        asked = self.compiled.asked(features, around, {}, self.tenant.source_ranks, now)
        return asked.answer(_ASKED).holds

    async def met(
        self, connection: Connection, course: Course, people: Collection[bytes], now: Micros
    ) -> dict[bytes, Holding]:
        """Those of some people who meet it by what is kept of them, with what they hold.

        Of whom no event was ever seen meets nothing, and neither does who became another.
        """
        tenant = self.tenant.id
        who = await persons(connection, tenant, people)
        places = [place for those in who.members.values() for place in those]
        rows = await FeatureRows(connection, tenant).load(places, course.read)
        holdings = await HoldingRows(connection, tenant).load(list(who.members))
        found: dict[bytes, Holding] = {}
        for person, those in who.members.items():
            mine = [row for place in those for row in rows.get(place, ())]
            if not mine:
                continue
            features = self.compiled.plan.combine(course.layers.parts(mine))
            holding = holdings.get(person) or Holding()
            if self.holds(features, holding, now):
                found[person] = holding
        return found
