"""By what events are folded: a plan, and the layers that it finds and writes."""

from dataclasses import dataclass, field
from typing import NamedTuple

from libs.conditions.plan import Plan
from libs.eventlog.database import Connection
from services.tagging.catalogue import Catalogues
from services.tagging.compiled import Compiled
from services.tagging.domain.layers import Layers
from services.tagging.store.features import FeatureRows, live_numbers


class Course(NamedTuple):
    """The plan that a tenant's events are folded by, and the layers that are read; the newest of them is written."""

    compiled: Compiled
    plan: Plan
    layers: Layers
    read: frozenset[int]


@dataclass(frozen=True, slots=True)
class Courses:
    """What is in force of each tenant, exact within a transaction.

    Layers change together with the version of the catalogue, so they are read once for each.
    """

    catalogues: Catalogues
    _known: dict[str, Course] = field(default_factory=dict)

    async def live(self, connection: Connection, tenant: str) -> Course:
        """What the caller's transaction sees; raises `NotFound` for a tenant that is not declared."""
        compiled = (await self.catalogues.within(connection, tenant)).live
        known = self._known.get(tenant)
        if known is None or known.compiled.version != compiled.version:
            layers, _ = await FeatureRows(connection, tenant).layers()
            known = self._known[tenant] = Course(compiled, compiled.plan, layers, live_numbers(layers))
        return known
