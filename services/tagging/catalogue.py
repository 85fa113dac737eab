"""The definitions of every tenant, compiled: kept in step between replicas, and within a transaction exact."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from libs.eventlog.database import Connection
from libs.runtime.errors import InvalidArgument, Unavailable
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.compiled import Compiled, compile_definitions
from services.tagging.domain.cuts import CutMade
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.published import Published
from services.tagging.store.cuts import CutRows
from services.tagging.store.definitions import DefinitionRows

REFRESH_SECONDS: Final = 0.5


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
        self,
        tenant: str,
        version: int,
        published: Sequence[Published],
        retired: Mapping[str, bytes],
        cuts: Sequence[CutMade] = (),
    ) -> Compiled:
        """Compile definitions as published, with cuts; raises `InvalidArgument` where some read in a circle."""
        definitions = {each.name: each for one in published for each in definitions_in(one)}
        causes = {**retired, **{one.name: one.event_id for one in published}}
        return compile_definitions(definitions, self.tenants.get(tenant).zone, version, causes, cuts)

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
        published = await rows.in_states("live", "retiring", "filling", "retired")
        retired = {one.name: one.retired_by for one in published if one.retired_by is not None}
        now = {one.name: one for one in published if one.state in {"live", "retiring"}}
        then = {name: one for name, one in now.items() if one.state == "live"}
        cuts = await CutRows(rows.connection, rows.tenant).newest()
        then |= {one.name: one for one in published if one.state == "filling"}
        try:
            live = await asyncio.to_thread(self.compiled, rows.tenant, version, list(now.values()), retired, cuts)
            if then == now:
                return Catalogue(live, None)
            filling = await asyncio.to_thread(self.compiled, rows.tenant, version, list(then.values()), retired, cuts)
        except InvalidArgument as error:  # what waits for it must wait, and not be parked
            raise Unavailable(
                "definitions", f"a newer release published one that this one can't read: {error}"
            ) from error
        return Catalogue(live, filling)
