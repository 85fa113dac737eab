"""The definitions of every tenant, compiled: kept in step between replicas, and within a transaction exact."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import asyncpg
import structlog

from libs.conditions.comparisons import Scalar
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.references import evaluation_order, references
from libs.conditions.standing import Standing
from libs.conditions.tree import Trait
from libs.eventlog.database import Connection
from libs.runtime.errors import InvalidArgument, Unavailable
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.domain.definition import TagDefinition, read_definition, tag_of
from services.tagging.domain.published import PublishedTag
from services.tagging.store.definitions import DefinitionRows

REFRESH_SECONDS: Final = 0.5
ZONE: Final = "zone"
"""What conditions call the zone that somebody lives in, and the name in a plan of what keeps it."""
TIMEZONE: Final = "timezone"
"""The trait that says it."""


@dataclass(frozen=True)
class Compiled:
    """Definitions that people are answered by at one version of a tenant's catalogue; it never changes.

    `definitions` and `order`, in which they are answered, go by the keys of tags; the plan by the names of their
    conditions. `causes` are the ids of the events that published the definitions, and that retired former ones.
    """

    version: int
    plan: Plan
    order: Sequence[str]
    definitions: Mapping[str, TagDefinition]
    causes: Mapping[str, bytes]

    def tags_of(self, affected: Iterable[str]) -> set[str]:
        """The tags whose conditions a fold names as affected."""
        named = set(affected)
        if ZONE in named:
            named = (named - {ZONE}) | self.plan.readers(ZONE)
        return {tag_of(name) for name in named}

    def readers(self, reference: str) -> set[str]:
        """The tags that read "tag:vip", "trait:city", "zone" and so on."""
        return self.tags_of(self.plan.readers(reference))

    def standing(self, features: Features, tags: Mapping[str, Scalar], ranks: Mapping[str, int]) -> Standing:
        """What a person's definitions are answered beside features: their traits and zone, and tags by value.

        `ranks` are those of sources. Tags that are answered later must be put into `tags` before they are read.
        """
        traits = self.plan.traits(features, ranks)
        zone = traits.get(TIMEZONE)
        return Standing(traits=traits, tags=tags, zone=zone if isinstance(zone, str) else "")

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each tag stands in the order."""
        return {tag: index for index, tag in enumerate(self.order)}


@dataclass(frozen=True)
class Catalogue:
    """What is live at one version of a tenant's catalogue, and what is about to be.

    `filling` is what will be live after the next flip, None if nothing is to be flipped. It may need no feature that
    `live` has not, as when tags are retired.
    """

    live: Compiled
    filling: Compiled | None


@dataclass(eq=False)
class Catalogues:
    """The catalogue of every tenant as this replica knows it, by the newest version that it has seen."""

    pool: asyncpg.Pool
    tenants: Tenants
    metrics: Metrics
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is a newer version of any catalogue: for whoever fills or evaluates."""
    _known: dict[str, Catalogue] = field(default_factory=dict, init=False)

    def live(self, tenant: str) -> Compiled:
        """What people of a tenant are answered by, as far as this replica knows; raises `NotFound` for no tenant."""
        return self._of(tenant).live

    def filling(self, tenant: str) -> Compiled | None:
        """What they will be answered by after the next flip, as far as this replica knows; None if nothing changes."""
        return self._of(tenant).filling

    async def within(self, connection: Connection, tenant: str) -> Catalogue:
        """The catalogue as the caller's transaction sees it.

        Who folds reads it behind the lock of the checkpoints, which a flip holds, too: then nobody folds by a plan that
        lacks what is live already.
        """
        known = self._of(tenant)
        rows = DefinitionRows(connection, tenant)
        version = await rows.version()
        if version != known.live.version:
            known = await self._read(rows, version)
            self._keep(tenant, known)
        return known

    async def refresh(self) -> None:
        """Let the newest version of every tenant's catalogue stand."""
        async with self.pool.acquire() as connection:
            for tenant, version in await connection.fetch("SELECT tenant, version FROM catalogues"):
                if tenant in self.tenants and version > self._of(tenant).live.version:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        rows = DefinitionRows(connection, tenant)
                        self._keep(tenant, await self._read(rows, await rows.version()))

    async def run(self) -> None:
        """Keep in step with what any replica publishes until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001  the database is away, or a newer release published something
                structlog.get_logger().warning("definitions_not_refreshed", error=repr(error))
            self.metrics.heartbeat("definitions")
            await asyncio.sleep(REFRESH_SECONDS)

    def compiled(
        self, tenant: str, version: int, tags: Sequence[PublishedTag], retired: Mapping[str, bytes]
    ) -> Compiled:
        """Compile definitions as published; raises `InvalidArgument` where they read one another in a circle."""
        definitions = {one.tag: read_definition(one.document, one.version) for one in tags}
        causes = {**retired, **{one.tag: one.event_id for one in tags}}
        return compile_definitions(definitions, self.tenants.get(tenant).zone, version, causes)

    def _of(self, tenant: str) -> Catalogue:
        known = self._known.get(tenant)
        if known is None:
            known = self._known[tenant] = Catalogue(self.compiled(tenant, 0, [], {}), None)
        return known

    def _keep(self, tenant: str, catalogue: Catalogue) -> None:
        if catalogue.live.version > self._of(tenant).live.version:
            self._known[tenant] = catalogue
            self.changed.set()
            told = {"live": len(catalogue.live.definitions), "version": catalogue.live.version}
            structlog.get_logger().info("definitions_in_force", tenant=tenant, **told)

    async def _read(self, rows: DefinitionRows, version: int) -> Catalogue:
        tags = await rows.in_states("live", "retiring", "filling", "retired")
        retired = {one.tag: one.retired_by for one in tags if one.retired_by is not None}
        now = {one.tag: one for one in tags if one.state in {"live", "retiring"}}
        then = {tag: one for tag, one in now.items() if one.state == "live"}
        then |= {one.tag: one for one in tags if one.state == "filling"}
        try:
            live = await asyncio.to_thread(self.compiled, rows.tenant, version, list(now.values()), retired)
            if then == now:
                return Catalogue(live, None)
            filling = await asyncio.to_thread(self.compiled, rows.tenant, version, list(then.values()), retired)
        except InvalidArgument as error:  # what waits for it must wait, and not be parked
            raise Unavailable(
                "definitions", f"a newer release published one that this one can't read: {error}"
            ) from error
        return Catalogue(live, filling)


def compile_definitions(
    definitions: Mapping[str, TagDefinition], zone: str, version: int, causes: Mapping[str, bytes]
) -> Compiled:
    """Definitions as one plan; raises `InvalidArgument` where they read one another in a circle."""
    conditions = {name: one for definition in definitions.values() for name, one in definition.conditions().items()}
    if any(ZONE in references(one) for one in conditions.values()):
        conditions[ZONE] = Trait(TIMEZONE)
    order = evaluation_order({f"tag:{key}": definition.everything() for key, definition in definitions.items()})
    return Compiled(version, Plan(conditions, zone), [name.removeprefix("tag:") for name in order], definitions, causes)
