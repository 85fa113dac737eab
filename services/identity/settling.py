"""The slow lane: identifiers that wait are resolved in transactions of their own, lest everybody wait with them."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from libs.eventlog.database import TROUBLE, Connection
from libs.eventlog.transactions import Transactions
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from services.identity.apart import Apart
from services.identity.codec.events import Causing, following
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD
from services.identity.resolver import Resolver
from services.identity.rulebook import Rulebook
from services.identity.store.tenant import IdentityStore
from services.identity.store.waiting import tenants_waiting

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

    @property
    def apart(self) -> Apart:
        """What resolves those that are too large for a portion."""
        return Apart(self.transactions, self.rulebook, self.clock)

    async def run(self) -> None:
        """Resolve whatever waits, until cancelled; nobody waits for a large neighbourhood, of whichever tenant."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_on(oversized=False))
            both.create_task(self._keep_on(oversized=True))

    async def settle(self) -> None:
        """Resolve all that waits at the moment, tenants in turn."""
        while await self._round(oversized=False) or await self._round(oversized=True):
            continue

    async def portion(self, tenant: str) -> bool:
        """Resolve a portion of what waits of a tenant, small neighbourhoods first; whether there was anything to do."""
        return await self.small(tenant) or await self.apart.settle(tenant)

    async def _keep_on(self, *, oversized: bool) -> None:
        while True:
            self.wake.clear()
            busy, began = False, time.monotonic()
            try:
                busy = await self._round(oversized=oversized)
            except (*TROUBLE, Unavailable) as error:
                _logger.warning("slow_lane_waits", error=repr(error))
            self.metrics.heartbeat("settling")
            if busy and oversized:  # half of the time at the most: the same process serves everybody else
                await asyncio.sleep(time.monotonic() - began)
            elif not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), LOOK_SECONDS)

    async def _round(self, *, oversized: bool) -> bool:
        """A portion of each tenant; whether there was anything to do."""
        done = [
            await (self.apart.settle(tenant) if oversized else self.small(tenant))
            for tenant in await self.transactions.run(partial(tenants_waiting, oversized=oversized))
        ]
        return any(done)

    async def small(self, tenant: str) -> bool:
        """Resolve a portion under the tenant's lock, less what is too large; whether anything of that waited."""

        async def work(connection: Connection) -> bool:
            store = IdentityStore(connection, tenant)
            if not await store.waiting.next(1, oversized=False):
                return False
            reading = await self.rulebook.reading(store.rules, await store.rules.hold())
            followed = await store.waiting.lock()
            now = self.clock.now()
            changes = await Resolver(store, reading.rules, now, self.largest, followed=followed).settle()
            causes = {one.cause: Causing(one.cause, now) for one in changes}
            if changes:
                await self.transactions.log.append_in(connection, following(tenant, changes, causes))
            return True

        return await self.transactions.run(work)
