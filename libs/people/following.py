"""Following who is who: what the identity log says goes into the map, and anchors that it cuts are folded anew.

The rules that it publishes go into the rulebook.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.checkpoint import PostgresCheckpoints
from libs.eventlog.database import Connection
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.event import Batch
from libs.eventlog.folding import AppendsIn, Folding, OwnLog
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import DONE, Verdict
from libs.people.identity_events import LOG as IDENTITY
from libs.people.identity_events import news_in, rules_in
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.runtime.clock import Clock

MAP: Final = "identity_map"


@dataclass(frozen=True, slots=True)
class Following:
    """The fold of the identity log; `cut` hears of the anchors that are cut otherwise once it is committed."""

    map: PostgresIdentityMap
    rulebook: Rulebook
    cut: Callable[[KeyOfTenant], None]

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """Learn what some batches say, in the transaction that moves the checkpoints."""
        events = [recorded.event for batch in batches for recorded in batch.recorded()]
        news = news_in(events)
        await self.map.learn(connection, news)
        await self.rulebook.learn(connection, rules_in(events))
        for tenant, (_, cuts) in news.items():
            for made in cuts:
                self.cut((tenant, made.identifier))
        return DONE


def folding(
    pool: asyncpg.Pool, following: Following, log: AppendsIn[Connection], clock: Clock, parked_keys: int
) -> Folding[Connection]:
    """The transactions in which the map is kept. Nothing follows from them, so the own log gets nothing."""
    return Folding(
        MAP,
        IDENTITY,
        PostgresCheckpoints(pool, MAP, IDENTITY),
        PostgresDeadLetters(pool, MAP, IDENTITY, clock),
        following.fold,
        OwnLog(log),
        parked_keys,
    )
