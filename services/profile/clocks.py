"""What time it is for a tenant: by the wall, or by what has happened so far where the tenant runs on event time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.database import reaching
from libs.eventlog.event import NewEvent
from libs.runtime.clock import Clock, Micros
from libs.runtime.tenants import Tenants

_READ = "SELECT shows FROM tenant_clocks WHERE tenant = $1"

_ALL = "SELECT tenant, shows FROM tenant_clocks"

# Calls race, so the newest must win here: a clock that went back would open windows again that were closed.
_FOLLOW = """
    INSERT INTO tenant_clocks AS clock (tenant, shows) VALUES ($1, $2)
    ON CONFLICT (tenant) DO UPDATE SET shows = excluded.shows WHERE clock.shows < excluded.shows"""


@dataclass(eq=False)
class TenantClocks:
    """Clocks on event time are stored, never go back, and show the newest `occurred_at` recorded."""

    pool: asyncpg.Pool
    tenants: Tenants
    wall: Clock
    _reached: dict[str, Micros] = field(default_factory=dict, init=False)

    async def now(self, tenant: str) -> Micros:
        """The tenant's time; the wall clock's where nothing has happened yet."""
        if self.tenants.get(tenant).clock == "wall":
            return self.wall.now()
        with reaching():
            shows: Micros | None = await self.pool.fetchval(_READ, tenant)
        return self.wall.now() if shows is None else shows

    async def all(self) -> dict[str, Micros]:
        """The time of every tenant, but of those on event time to whom nothing has happened yet."""
        with reaching():
            shown = {row["tenant"]: row["shows"] for row in await self.pool.fetch(_ALL)}
        told = {one.id: self.wall.now() if one.clock == "wall" else shown.get(one.id) for one in self.tenants}
        return {tenant: now for tenant, now in told.items() if now is not None}

    async def follow(self, tenant: str, recorded: Sequence[NewEvent]) -> None:
        """Move on to the newest of recorded events. Duplicates count: their first answer may have got lost on the way
        to the clock.
        """
        if not recorded or self.tenants.get(tenant).clock == "wall":
            return
        newest = max(log_pb.Event.FromString(event.data).occurred_at_micros for event in recorded)
        if newest > self._reached.get(tenant, newest - 1):
            with reaching():
                await self.pool.execute(_FOLLOW, tenant, newest)
            self._reached[tenant] = max(newest, self._reached.get(tenant, newest))
