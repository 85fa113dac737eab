"""Neighbourhoods that are too large to be resolved under the tenant's lock: resolved apart, while all others go on.

One is read in a snapshot and resolved in a thread. Meanwhile every transaction of the tenant notes in the journal what
it does. What was found is then written in portions, each under the lock for a moment, unless somebody has resolved a
part of the neighbourhood in between: then it is no more what it was, and is read again. That does not go on for ever:
only what has left a large neighbourhood can be resolved with a small one. What is merely new since waits on, and the
next time is found as well. A process that dies in between leaves everybody waiting who waited.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from libs.eventlog.database import Connection
from libs.eventlog.transactions import Transactions
from libs.runtime.clock import Clock
from services.identity.codec.events import Causing, following
from services.identity.domain.changes import IdentityChange, regrouped
from services.identity.domain.evidence import Key
from services.identity.domain.identities import Either
from services.identity.domain.neighbourhood import Neighbourhood
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.resolved import Resolved
from services.identity.region import AT_ONCE, Region
from services.identity.resolver import PORTION, Resolver
from services.identity.rulebook import Rulebook
from services.identity.store.tenant import IdentityStore

_LOCK: Final = 0x41504152  # advisory lock, with the tenant, of whoever resolves apart

_TAKE: Final = "SELECT pg_try_advisory_lock($1, hashtext($2))"
_LEAVE: Final = "SELECT pg_advisory_unlock($1, hashtext($2))"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A neighbourhood and what stood about it, as read by some rules after so many transactions of the tenant."""

    rules: int
    version: int
    around: Neighbourhood
    waiting: AbstractSet[Key]
    before: Resolution
    cause: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be put in place for `moved`, who are those of whom it says anything else than what stood."""

    after: Resolved
    moved: Sequence[Key]
    regrouped: Sequence[IdentityChange]


@dataclass(frozen=True, slots=True)
class Apart:
    """Resolves what is too large, one neighbourhood of a tenant at a time."""

    transactions: Transactions
    rulebook: Rulebook
    clock: Clock

    async def settle(self, tenant: str) -> bool:
        """Resolve the one that has waited longest; False if there is none, or another replica is at it, or it changed
        its shape meanwhile.
        """
        async with self._alone(tenant) as connection:
            if connection is None or not await self.begin(tenant):
                return False
            snapshot = await self.look(connection, tenant)
            return snapshot is not None and await self.write(tenant, snapshot, await asyncio.to_thread(find, snapshot))

    async def look(self, connection: Connection, tenant: str) -> Snapshot | None:
        """Read the neighbourhood that has waited longest, as it is at one moment; None if none waits any more."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            store = IdentityStore(connection, tenant)
            version, rules = await store.journal.version(), await store.rules.in_force()
            reading = await self.rulebook.reading(store.rules, rules)
            for seed, cause in (await store.waiting.next(1, oversized=True)).items():
                region = Region(store)
                touched = Either({seed}, region.waiting)
                around = Neighbourhood(seed, touched, reading.rules, frozenset(), sys.maxsize)
                while around.unread:
                    await region.read(around.unread)
                    await asyncio.to_thread(region.tell, around)
                for some in _portions(sorted(around.inside), AT_ONCE):
                    await region.stand(some)
                waiting, before = around.inside & (region.waiting | {seed}), region.resolved.within(around.inside)
                return Snapshot(rules, version, around, waiting, before, cause)
        return None

    async def write(self, tenant: str, snapshot: Snapshot, found: Found) -> bool:
        """Put in place what was found; False where it is not what it would be now."""
        portions = list(_portions(found.moved, PORTION)) or [()]
        for keys in portions:
            first, last = keys is portions[0], keys is portions[-1]

            async def work(
                connection: Connection, keys: Sequence[Key] = keys, *, first: bool = first, last: bool = last
            ) -> bool:
                return await self._put(IdentityStore(connection, tenant), snapshot, found, keys, first, last)

            if not await self.transactions.run(work):
                return False
        return True

    async def begin(self, tenant: str) -> bool:
        """Have a journal kept if there is a neighbourhood to resolve, and otherwise none."""

        async def work(connection: Connection) -> bool:
            store = IdentityStore(connection, tenant)
            waits = bool(await store.waiting.next(1, oversized=True))
            if waits or await store.journal.is_open():
                await store.waiting.lock()
                await (store.journal.open() if waits else store.journal.close())
            return waits

        return await self.transactions.run(work)

    async def _put(
        self, store: IdentityStore, snapshot: Snapshot, found: Found, keys: Sequence[Key], first: bool, last: bool
    ) -> bool:
        rules = await store.rules.hold()
        reading = await self.rulebook.reading(store.rules, rules)
        await store.waiting.lock()
        entries, inside = await store.journal.since(snapshot.version), snapshot.around.inside
        if rules != snapshot.rules or any(not entry.settled.isdisjoint(inside) for entry in entries):
            await store.journal.close()
            return False
        now, cause = self.clock.now(), snapshot.cause
        resolver = Resolver(store, reading.rules, now, followed=False)
        changes = await resolver.put(frozenset(keys), found.after.within(keys), cause)
        if first:
            changes += found.regrouped
        if last:
            # A mark that was right for whoever came since may have changed here: so all of them are looked at again.
            news = [entry.named for entry in entries if not entry.named.isdisjoint(inside)]
            again = frozenset[Key]().union(*news)
            await store.waiting.done(snapshot.waiting - again)
            await store.waiting.put_again(again, cause, now)
            await store.journal.close()
        if changes:
            causes = {cause: Causing(cause, now)}
            await self.transactions.log.append_in(store.connection, following(store.tenant, changes, causes))
        return True

    @asynccontextmanager
    async def _alone(self, tenant: str) -> AsyncIterator[Connection | None]:
        """A connection, if no other replica is at this tenant; the server lets go of the lock when that is gone."""
        async with self.transactions.pool.acquire() as connection:
            if not await connection.fetchval(_TAKE, _LOCK, tenant):
                yield None
                return
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute(_LEAVE, _LOCK, tenant)


def find(snapshot: Snapshot) -> Found:
    """Resolve a neighbourhood, and compare that with what stood about it."""
    around, before, cause = snapshot.around, snapshot.before, snapshot.cause
    found = resolve(around.case, around.inside, around.given)
    after = Resolved()
    after.hold(found)
    regroups = {key for key in around.inside if before.people.get(key) != found.people.get(key)}
    moved = {
        *regroups,
        *(key for key in around.inside if before.cuts.get(key) != found.cuts.get(key)),
        *(key for key in around.inside if before.marks.get(key) != found.marks.get(key)),
    }
    for place in before.spans.keys() | found.spans.keys():
        if before.spans.get(place) != found.spans.get(place):
            moved.update(one.spans[place].to for one in (before, found) if place in one.spans)
    for both in before.refused.keys() | found.refused.keys():
        if before.refused.get(both) != found.refused.get(both):
            moved.update(both)
    # Whoever is another's comes first: with them is told who became one, and that is told by the moves.
    in_order = sorted(moved & around.inside, key=lambda key: (key not in regroups, key))
    return Found(after, in_order, regrouped(before, found, around.inside, cause))


def _portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
