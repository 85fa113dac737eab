"""Counting events per key, and saying so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from libs.eventlog.database import Connection
from libs.eventlog.event import Batch, Envelope, NewEvent, Recorded
from libs.eventlog.verdict import Done, Output, Park, Verdict

LOG: Final = "counts"
CONSUMER: Final = "counts"
POISON: Final = "poison"

# Sorted by key, so that two transactions never wait for each other in a circle.
_ADD: Final = """
    INSERT INTO counts (tenant, key, count)
    SELECT tenant, key, more FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS added(tenant, key, more)
    ORDER BY tenant, key
    ON CONFLICT (tenant, key) DO UPDATE SET count = counts.count + excluded.count
    RETURNING tenant, key, count"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Folds events into a count per key, and answers with one `count_changed` for each of them.

    Events of type `poison` are parked, unless it is a release that takes them. `each` is what an event counts.
    """

    takes_poison: bool = False
    each: int = 1

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """Count, in the transaction that moves the checkpoints."""
        placed = [(batch.partition, recorded) for batch in batches for recorded in batch.recorded()]
        if not self.takes_poison and any(recorded.event.type == POISON for _, recorded in placed):
            return Park("poison")
        added = Counter((recorded.event.tenant, recorded.event.key) for _, recorded in placed)
        tenants, keys = zip(*added, strict=True)
        rows = await connection.fetch(_ADD, tenants, keys, [self.each * more for more in added.values()])
        counts = {(tenant, key): count - self.each * added[tenant, key] for tenant, key, count in rows}
        outputs = []
        for partition, recorded in placed:
            key = (recorded.event.tenant, recorded.event.key)
            counts[key] += self.each
            outputs.append(Output(partition, recorded.position, _changed(partition, recorded, counts[key])))
        return Done(outputs)


def _changed(partition: int, recorded: Recorded, count: int) -> NewEvent:
    """The same event whoever derives it: its id is a function of its cause.

    Of the place of the cause too, because an id that was retracted may stand in the log again.
    """
    cause = recorded.event
    envelope = Envelope(
        tenant=cause.tenant, type="count_changed", mode=cause.mode, causation_id=cause.id, traceparent=cause.traceparent
    )
    place = f"{partition} {recorded.position}".encode()
    id_ = blake2b(cause.id + place, digest_size=16, person=b"count_changed").digest()
    return envelope.seal().event(id_, cause.key, cause.occurred_at_micros, str(count).encode())
