"""How somebody came to hold what they hold: what three logs tell of them in the order of time, and what the tables say.

What fails once in hundreds of rounds is seldom seen again, so that its report must tell enough to find the cause by.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from portrait.identity.v1 import events_pb2 as identity_pb
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.event import Recorded, partition_of
from libs.people.identity_events import MOVED
from libs.people.identity_map import IdentityMap
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import own_id
from services.tagging.folding import FEATURES
from tests.chaos.golden import PARTITIONS
from tests.chaos.history import History
from tests.chaos.town import TENANT
from tests.support.golden_tags import told_of

MOST_EVENTS: Final = 60  # the last of them, for what went wrong is young

_OF_PERSON: Final[Mapping[str, str]] = {
    "due": "SELECT at, affected, backfill, cause, historical FROM due WHERE tenant = $1 AND person = ANY($2::uuid[])",
    "in the map": "SELECT own_id, person, version FROM identity_map WHERE tenant = $1 AND person = ANY($2::uuid[])",
    "holding": "SELECT revision, length(state) AS bytes FROM holdings WHERE tenant = $1 AND person = ANY($2::uuid[])",
}
_OF_ANCHORS: Final[Mapping[str, str]] = {
    "features": """
        SELECT place, anchor, layer, length(state) AS bytes FROM features
        WHERE tenant = $1 AND (anchor = ANY($2::uuid[]) OR place = ANY($2::uuid[]))""",
    "cut": "SELECT identifier, kind, times FROM anchor_cuts WHERE tenant = $1 AND identifier = ANY($2::uuid[])",
    "to be folded anew": "SELECT anchor, layer FROM refolds WHERE tenant = $1 AND anchor = ANY($2::uuid[])",
    "parked": "SELECT projection, position, cause FROM dead_letters WHERE tenant = $1 AND key = ANY($2::uuid[])",
}
_REACHED: Final = "SELECT partition, position FROM checkpoints WHERE consumer = $1 ORDER BY partition"


@dataclass(frozen=True, slots=True)
class Explaining:
    """Tells of people by the logs as they were read, and by the tables of the tagging service."""

    tagging: asyncpg.Pool
    map: IdentityMap
    interactions: History
    identity: History
    tags: History

    async def of(self, person: bytes) -> AsyncIterator[str]:
        """All that there is to tell of somebody, line by line."""
        places = {own_id(*member) for member in self.map.members(person)} | {person}
        anchors = {identifier for identifier, _ in self.map.members(person)} | {person}
        yield f"how {person.hex()} came to that:"
        events = sorted(self._events(person, anchors, places), key=lambda one: one[1].recorded_at)
        if len(events) > MOST_EVENTS:
            yield f"  … {len(events) - MOST_EVENTS} events before these"
        for log, recorded in events[-MOST_EVENTS:]:
            at = datetime.fromtimestamp(recorded.recorded_at / 1e6, UTC).time().isoformat("milliseconds")
            place = f"{partition_of(recorded.event.key, PARTITIONS)}/{recorded.position}"
            yield f"  {at} {log} {place} of {recorded.event.key.hex()[:8]}: {_words(recorded.event)}"
        for queries, ids in ((_OF_PERSON, {person}), (_OF_ANCHORS, anchors)):
            for what, query in queries.items():
                rows = await self.tagging.fetch(query, TENANT, list(ids))
                yield f"  {what}: {'; '.join(map(_row, rows)) or 'nothing'}"
        reached = dict(map(tuple, await self.tagging.fetch(_REACHED, FEATURES)))
        yield f"  folded up to {reached}"

    def _events(
        self, person: bytes, anchors: Collection[bytes], places: Collection[bytes]
    ) -> Iterator[tuple[str, Recorded]]:
        for anchor in anchors:
            yield from (("interactions", one) for one in self.interactions.of((TENANT, anchor)))
            yield from (("identity", one) for one in self.identity.of((TENANT, anchor)) if _concerns(one.event, places))
        yield from (("tags", one) for one in self.tags.of((TENANT, person)))


def _concerns(event: log_pb.Event, places: Collection[bytes]) -> bool:
    return event.type != MOVED or own_id(event.key, identity_pb.Moved.FromString(event.payload).span) in places


def _words(event: log_pb.Event) -> str:
    match event.type:
        case type_ if type_ == INTERACTION_RECORDED and event.payload:
            said: dict[str, Any] = json.loads(event.payload)
            known = {name: said[name] for name in ("message_id", "event", "occurred_at", "context") if name in said}
            return f"{event.id.hex()[:8]} {known}"
        case type_ if type_ == MOVED:
            moved = identity_pb.Moved.FromString(event.payload)
            return f"{moved.span.hex() or 'all of it'} moved to {moved.to_person.hex()} as version {moved.version}"
        case _:
            name, now = told_of(event)
            return f"{event.type} {name} {now or ''} because of {event.causation_id.hex()[:8]}"


def _row(row: asyncpg.Record) -> str:
    return ", ".join(one.hex() if isinstance(one, bytes) else str(one) for one in row)
