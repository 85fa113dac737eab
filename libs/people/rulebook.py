"""The identifier rules of every tenant: kept as the identity log publishes them, and in step between replicas."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from libs.eventlog.database import Connection
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, IdentifierRules
from libs.people.identity_events import RulesMade
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.people.rules_document import read_rules
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics

REFRESH_SECONDS: Final = 0.5
ANSWERS_IN_USE: Final = 200_000
ANSWERS_OF_FORMER: Final = 2_000
"""Former versions are only asked about cut anchors, and there may be many of them."""

_LEARN: Final = """
    INSERT INTO identifier_rules (tenant, version, document) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""

_NEWEST: Final = """
    SELECT DISTINCT ON (rules.tenant) rules.tenant, rules.version, rules.document
    FROM unnest($1::text[], $2::integer[]) AS known(tenant, version)
    JOIN identifier_rules AS rules ON rules.tenant = known.tenant AND rules.version > known.version
    ORDER BY rules.tenant, rules.version DESC"""

_ONE: Final = "SELECT document FROM identifier_rules WHERE tenant = $1 AND version = $2"


@dataclass(eq=False)
class Rulebook:
    """How identifiers are read, by version of the rules: by the highest now, and by the one stamped what was collected.

    Before the first version, the shipped rules stand. A version that an interaction was stamped with is in the database
    before the interaction.
    """

    pool: asyncpg.Pool
    tenants: Tenants
    metrics: Metrics
    _current: dict[str, Anchoring] = field(default_factory=dict, init=False)
    _stamped: dict[tuple[str, int], Anchoring] = field(default_factory=dict, init=False)

    def current(self, tenant: str) -> Anchoring:
        """By the rules that a tenant goes by, as far as this replica knows; raises `NotFound` if none is declared."""
        known = self._current.get(tenant)
        if known is None:
            known = self._current[tenant] = self._anchoring(tenant, DEFAULT_RULES, ANSWERS_IN_USE)
        return known

    async def at(self, tenant: str, version: int) -> Anchoring:
        """By the version that an interaction is stamped with, of which this replica may not have heard yet.

        Raises `LookupError` for one that was never published, because by others it would be read differently.
        """
        current = self.current(tenant)
        if version == current.rules.version:
            return current
        known = self._stamped.get((tenant, version))
        if known is None:
            rules = await self._rules(tenant, version)
            known = self._stamped[tenant, version] = self._anchoring(tenant, rules, ANSWERS_OF_FORMER)
        return known

    async def learn(self, connection: Connection, published: Sequence[RulesMade]) -> None:
        """Keep what was published, in the caller's transaction; raises `InvalidArgument` for what only a newer release
        can read.
        """
        for made in sorted(published):
            read_rules(made.document, made.version)
            await connection.execute(_LEARN, *made)

    async def refresh(self) -> None:
        """Let the highest version of every tenant stand."""
        known = {tenant.id: self.current(tenant.id).rules.version for tenant in self.tenants}
        for row in await self.pool.fetch(_NEWEST, list(known), list(known.values())):
            rules = read_rules(row["document"], row["version"])
            self._current[row["tenant"]] = self._anchoring(row["tenant"], rules, ANSWERS_IN_USE)
            structlog.get_logger().info("rules_in_force", tenant=row["tenant"], version=rules.version)

    async def run(self) -> None:
        """Keep in step with what any replica learns until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001  the database is away, or a newer release learnt of rules
                structlog.get_logger().warning("rules_not_refreshed", error=repr(error))
            self.metrics.heartbeat("rules")
            await asyncio.sleep(REFRESH_SECONDS)

    async def _rules(self, tenant: str, version: int) -> IdentifierRules:
        if version == DEFAULT_RULES.version:
            return DEFAULT_RULES
        document: str | None = await self.pool.fetchval(_ONE, tenant, version)
        if document is None:
            raise LookupError(f"version {version} of the identifier rules of {tenant} was never published")
        return read_rules(document, version)

    def _anchoring(self, tenant: str, rules: IdentifierRules, answers: int) -> Anchoring:
        declared = self.tenants.get(tenant)
        return Anchoring(rules, Keyring(declared.secret), region_of(declared.locale), answers)
