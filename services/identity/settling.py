"""The slow lane: identifiers that wait are resolved in transactions of their own, lest everybody wait with them."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from libs.eventlog.database import TROUBLE, Connection
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from services.identity.codec.events import Causing, following
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD
from services.identity.resolver import Resolver
from services.identity.rulebook import Rulebook
from services.identity.store.tenant import IdentityStore
from services.identity.store.waiting import tenants_waiting
from services.identity.transactions import Transactions

LOOK_SECONDS: Final = 1.0

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settling:
    """Works the slow lane off, portion by portion; replicas that do so at once take turns at a tenant's lock."""

    transactions: Transactions
    rulebook: Rulebook
    clock: Clock
    metrics: Metrics
    wake: asyncio.Event
    largest: int = LARGEST_NEIGHBOURHOOD

    async def run(self) -> None:
        """Resolve whatever waits, until cancelled."""
        while True:
            self.wake.clear()
            try:
                await self.settle()
            except (*TROUBLE, Unavailable) as error:
                _logger.warning("slow_lane_waits", error=repr(error))
            self.metrics.heartbeat("settling")
            try:
                await asyncio.wait_for(self.wake.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    async def settle(self) -> None:
        """Resolve all that waits at the moment, tenants in turn."""
        while waiting := await self.transactions.run(tenants_waiting):
            for tenant in waiting:
                await self.portion(tenant)

    async def portion(self, tenant: str) -> int:
        """Resolve a portion of what waits of a tenant; answers how many changes that made."""

        async def work(connection: Connection) -> int:
            store = IdentityStore(connection, tenant)
            reading = await self.rulebook.reading(store.rules, await store.rules.hold())
            await store.waiting.lock()
            now = self.clock.now()
            changes = await Resolver(store, reading.rules, now, self.largest).settle()
            causes = {one.cause: Causing(one.cause, now) for one in changes}
            if changes:
                await self.transactions.log.append_in(connection, following(tenant, changes, causes))
            return len(changes)

        return await self.transactions.run(work)
