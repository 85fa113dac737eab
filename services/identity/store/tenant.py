"""All that one transaction needs of one tenant's tables."""

from collections.abc import Collection
from typing import NamedTuple

from libs.eventlog.database import Connection
from services.identity.domain.decisions import Decisions
from services.identity.domain.evidence import Evidence, Key
from services.identity.store.decisions import DecisionRows
from services.identity.store.evidence import EvidenceRows
from services.identity.store.journal import JournalRows
from services.identity.store.resolved import Known, ResolvedRows
from services.identity.store.rules import RulesRows
from services.identity.store.waiting import WaitingRows


class Around(NamedTuple):
    """What is known around some identifiers, and what stands about everybody whom that speaks of."""

    evidence: Evidence
    decisions: Decisions
    known: dict[Key, Known]


class IdentityStore:
    """One tenant's tables on one connection; in a transaction if anything is to be changed."""

    __slots__ = ("connection", "decisions", "evidence", "journal", "resolved", "rules", "tenant", "waiting")

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection = connection
        self.tenant = tenant
        self.evidence = EvidenceRows(connection, tenant)
        self.decisions = DecisionRows(connection, tenant)
        self.rules = RulesRows(connection, tenant)
        self.resolved = ResolvedRows(connection, tenant)
        self.waiting = WaitingRows(connection, tenant)
        self.journal = JournalRows(connection, tenant)

    async def around(self, keys: Collection[Key]) -> Around:
        """All pairs of some identifiers, their logins and those of the same sessions, and all decisions about anybody
        in these: what a `Neighbourhood` wants to read.
        """
        pairs = await self.evidence.pairs_around(keys)
        logins = await self.evidence.logins_around(keys)
        reached = {*keys, *(key for both in pairs for key in both)}
        reached.update(key for place, _, account in logins for key in (place, account))
        decisions = await self.decisions.about(reached)
        asked = set(keys)
        decided = {key for both in (*decisions.links, *decisions.forbidden) if asked & {*both} for key in both}
        if decided - reached:
            decisions = await self.decisions.about(reached | decided)
        known = await self.resolved.known(reached | decisions.types.keys())
        seen = {key: one.seen for key, one in known.items() if one.seen is not None}
        return Around(Evidence(seen, pairs, logins), decisions, known)
