"""The lock of a tenant's resolver, and the slow lane: identifiers that are yet to be resolved anew."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key

_LOCK: Final = """
    INSERT INTO resolvers AS row (tenant, version, decided_at) VALUES ($1, 1, 0)
    ON CONFLICT (tenant) DO UPDATE SET version = row.version + 1 RETURNING row.followed"""

_MOMENT: Final = """
    UPDATE resolvers SET decided_at = greatest($2, decided_at + 1) WHERE tenant = $1 RETURNING decided_at"""

_WAIT: Final = """
    INSERT INTO waiting AS known (tenant, key, cause, since, oversized)
    SELECT $1, key, cause, $4, true FROM unnest($2::uuid[], $3::uuid[]) AS more(key, cause) ORDER BY key
    ON CONFLICT (tenant, key) DO UPDATE SET cause = excluded.cause, oversized = true"""

_WAIT_AGAIN: Final = """
    INSERT INTO waiting (tenant, key, cause, since, oversized)
    SELECT $1, key, $3, $4, false FROM unnest($2::uuid[]) AS more(key) ORDER BY key
    ON CONFLICT DO NOTHING"""

_EVERYBODY_WAITS: Final = """
    INSERT INTO waiting (tenant, key, cause, since, oversized)
    SELECT $1, key, $2, $3, false FROM (
        SELECT key FROM identifiers WHERE tenant = $1 UNION SELECT key FROM subjects WHERE tenant = $1) AS everybody
    ORDER BY key
    ON CONFLICT (tenant, key) DO UPDATE SET cause = excluded.cause"""

_NEXT: Final = """
    SELECT key, cause FROM waiting WHERE tenant = $1 AND oversized = $2 ORDER BY since, key LIMIT $3"""

_DONE: Final = "DELETE FROM waiting WHERE tenant = $1 AND key = ANY($2::uuid[])"

# With large ones also those whose journal is open: whoever had it opened may have died.
_TENANTS: Final = """
    SELECT tenant FROM resolvers WHERE $1 AND followed OR EXISTS (
        SELECT FROM waiting WHERE waiting.tenant = resolvers.tenant AND waiting.oversized = $1)"""

_COUNT: Final = "SELECT count(*) FROM waiting WHERE tenant = $1"


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """What one tenant's resolver has before it."""

    connection: Connection
    tenant: str

    async def lock(self) -> bool:
        """Make every other transaction that may change who is who wait until this one ends; answers whether what it
        does is to be noted in the journal.

        Whatever decides is to be read after this: two that each added an edge, and read before the other had
        committed, would both miss that three identifiers became one person.
        """
        followed: bool = await self.connection.fetchval(_LOCK, self.tenant)
        return followed

    async def moment(self, now: Micros) -> Micros:
        """When a decision is taken that holds the lock: now, but later than all that were taken before."""
        moment: Micros = await self.connection.fetchval(_MOMENT, self.tenant, now)
        return moment

    async def put(self, causes: Mapping[Key, bytes], now: Micros) -> None:
        """Let identifiers wait whose neighbourhoods are too large; those that do already keep their place."""
        if causes:
            await self.connection.execute(_WAIT, self.tenant, list(causes), list(causes.values()), now)

    async def put_again(self, keys: Collection[Key], cause: bytes, now: Micros) -> None:
        """Let identifiers wait, as far as they don't already."""
        if keys:
            await self.connection.execute(_WAIT_AGAIN, self.tenant, list(keys), cause, now)

    async def put_everybody(self, cause: bytes, now: Micros) -> None:
        """Let every identifier wait that was seen or decided about."""
        await self.connection.execute(_EVERYBODY_WAITS, self.tenant, cause, now)

    async def next(self, limit: int, *, oversized: bool) -> dict[Key, bytes]:
        """Those that have waited longest, each with its cause: with neighbourhoods known to be large, or others."""
        rows = await self.connection.fetch(_NEXT, self.tenant, oversized, limit)
        return {row["key"]: row["cause"] for row in rows}

    async def done(self, keys: Collection[Key]) -> None:
        """They were resolved."""
        if keys:
            await self.connection.execute(_DONE, self.tenant, list(keys))

    async def count(self) -> int:
        """How many wait."""
        waiting: int = await self.connection.fetchval(_COUNT, self.tenant)
        return waiting


async def tenants_waiting(connection: Connection, *, oversized: bool) -> list[str]:
    """The tenants of which anybody waits with a large neighbourhood (or whose journal is open), or with another."""
    return [tenant for (tenant,) in await connection.fetch(_TENANTS, oversized)]
