"""Counting events per key, and saying so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.database import Connection
from libs.eventlog.event import Batch, Envelope, NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.verdict import DONE, Verdict

LOG: Final = "counts"
CONSUMER: Final = "counts"

# Sorted by key, so that two transactions never wait for each other in a circle.
_ADD: Final = """
    INSERT INTO counts (tenant, key, count)
    SELECT tenant, key, more FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS added(tenant, key, more)
    ORDER BY tenant, key
    ON CONFLICT (tenant, key) DO UPDATE SET count = counts.count + excluded.count
    RETURNING tenant, key, count"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Folds events into a count per key, and records one `count_changed` for each of them in the own log."""

    log: PostgresLog

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """Count, and record the changes, in the transaction that moves the checkpoints."""
        events = [recorded.event for batch in batches for recorded in batch.recorded()]
        added = Counter((event.tenant, event.key) for event in events)
        tenants, keys = zip(*added, strict=True)
        rows = await connection.fetch(_ADD, tenants, keys, list(added.values()))
        counts = {(tenant, key): count - added[tenant, key] for tenant, key, count in rows}
        changes = []
        for event in events:
            counts[event.tenant, event.key] += 1
            changes.append(_changed(event, counts[event.tenant, event.key]))
        await self.log.append_in(connection, changes)
        return DONE


def _changed(cause: pb.Event, count: int) -> NewEvent:
    """The same event whoever derives it: its id is a function of its cause."""
    envelope = Envelope(
        tenant=cause.tenant, type="count_changed", mode=cause.mode, causation_id=cause.id, traceparent=cause.traceparent
    )
    id_ = blake2b(cause.id, digest_size=16, person=b"count_changed").digest()
    return envelope.seal().event(id_, cause.key, cause.occurred_at_micros, str(count).encode())
