"""The versions of a tenant's rules in tables, which of them is in force, and what it refuses."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key


class PublishedRules(msgspec.Struct, frozen=True):
    """One version as it was published."""

    version: int
    document: str
    event_id: bytes
    published_at: Micros


# Whoever publishes holds the row exclusively, everybody else shares it: so nobody judges by rules that are going.
_HOLD: Final = "SELECT version FROM rules_in_force WHERE tenant = $1 FOR SHARE"

_IN_FORCE: Final = "SELECT version FROM rules_in_force WHERE tenant = $1"

_HOLD_ALONE: Final = "SELECT version FROM rules_in_force WHERE tenant = $1 FOR UPDATE"

_BEGIN: Final = "INSERT INTO rules_in_force (tenant, version) VALUES ($1, 0) ON CONFLICT DO NOTHING"

_PUBLISHED: Final = """
    SELECT version, document, event_id, published_at FROM rules WHERE tenant = $1 AND version > $2 ORDER BY version"""

_PUBLISH: Final = """
    INSERT INTO rules (tenant, version, document, event_id, published_at) VALUES ($1, $2, $3, $4, $5)"""

_PUT_IN_FORCE: Final = "UPDATE rules_in_force SET version = $2 WHERE tenant = $1"

_VALUES: Final = """
    SELECT DISTINCT key, type, value FROM identifiers WHERE tenant = $1 AND type = ANY($2::text[])
    UNION
    SELECT key, type, value FROM subjects WHERE tenant = $1 AND type = ANY($2::text[])"""

_SCREEN: Final = """
    INSERT INTO screened (tenant, key) SELECT $1, key FROM unnest($2::uuid[]) AS more(key) ORDER BY key
    ON CONFLICT DO NOTHING"""

_UNSCREEN: Final = "DELETE FROM screened WHERE tenant = $1 AND key = ANY($2::uuid[])"


@dataclass(frozen=True, slots=True)
class RulesRows:
    """The rules of one tenant."""

    connection: Connection
    tenant: str

    async def hold(self, *, alone: bool = False) -> int:
        """The version in force, until the transaction ends; `alone` is for whoever is about to publish another one.

        The first of a transaction's locks but for its checkpoints.
        """
        query = _HOLD_ALONE if alone else _HOLD
        version: int | None = await self.connection.fetchval(query, self.tenant)
        if version is None:
            await self.connection.execute(_BEGIN, self.tenant)
            version = await self.connection.fetchval(query, self.tenant)
        return version or 0

    async def in_force(self) -> int:
        """The version in force at the moment, for whoever only asks."""
        version: int | None = await self.connection.fetchval(_IN_FORCE, self.tenant)
        return version or 0

    async def published(self, after: int = 0) -> list[PublishedRules]:
        """Every version that was published, behind one of them."""
        return [PublishedRules(*row) for row in await self.connection.fetch(_PUBLISHED, self.tenant, after)]

    async def publish(self, rules: PublishedRules) -> None:
        """Put a version in force; only for whoever holds the rules alone."""
        told = (rules.version, rules.document, rules.event_id, rules.published_at)
        await self.connection.execute(_PUBLISH, self.tenant, *told)
        await self.connection.execute(_PUT_IN_FORCE, self.tenant, rules.version)

    async def values(self, types: Collection[str]) -> list[tuple[Key, str, str]]:
        """Key, type and normal form of every identifier of some types."""
        return [tuple(row) for row in await self.connection.fetch(_VALUES, self.tenant, list(types))]

    async def screen(self, refused: Iterable[Key], passed: Iterable[Key] = ()) -> None:
        """Note which identifiers the rules in force refuse, and which no longer."""
        for statement, keys in ((_SCREEN, list(refused)), (_UNSCREEN, list(passed))):
            if keys:
                await self.connection.execute(statement, self.tenant, keys)
