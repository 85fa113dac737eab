"""Following who is who: what the identity log says goes into the map, and anchors that it cuts are folded anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from portrait.ops.v1 import projections_service_pb2 as ops_pb

from libs.eventlog.checkpoint import PostgresCheckpoints
from libs.eventlog.consumer import Consumer
from libs.eventlog.database import Connection
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.event import Batch
from libs.eventlog.folding import AppendsIn, Folding, OwnLog
from libs.eventlog.service import Standing
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import DONE, Verdict
from libs.people.identity_events import LOG as IDENTITY
from libs.people.identity_events import news_in
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.runtime.clock import Clock

MAP: Final = "identity_map"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Following:
    """The fold of the identity log; `cut` hears of the anchors that are cut otherwise once it is committed."""

    map: PostgresIdentityMap
    cut: Callable[[KeyOfTenant], None]

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """Learn what some batches say, in the transaction that moves the checkpoints."""
        news = news_in(recorded.event for batch in batches for recorded in batch.recorded())
        await self.map.learn(connection, news)
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


def standing_of_map(consumer: Consumer[Connection]) -> Standing:
    """How the map fares; of the partitions that are this replica's."""
    lag = consumer.lag
    return Standing(MAP, VERSION, ops_pb.PROJECTION_KIND_CONSUMER, IDENTITY, lag.events, lag.seconds)
