"""A copy of a log, read on from where it ended, and what is wrong with its order."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.database import Connection
from libs.eventlog.event import Recorded
from libs.eventlog.projection import RETRACTED
from tests.chaos.ledger import Place

Key = tuple[str, bytes]

_READ: Final = """
    SELECT log.partition, log.position, log.recorded_at, log.event
    FROM unnest($1::smallint[], $2::bigint[]) AS mine(partition, position)
    JOIN log ON log.partition = mine.partition AND log.position > mine.position
    ORDER BY log.partition, log.position"""


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event of a log and its place."""

    place: Place
    recorded_at: int
    event: pb.Event
    data: bytes

    @property
    def recorded(self) -> Recorded:
        return Recorded(self.place[1], self.recorded_at, self.event)

    @property
    def key(self) -> Key:
        return self.event.tenant, self.event.key


@dataclass
class History:
    """The events of a log by key, in the order of the log; `wrong` is what is out of order in what was read last."""

    name: str
    partitions: int
    heads: dict[int, int] = field(init=False)
    wrong: list[str] = field(default_factory=list, init=False)
    _by_key: dict[Key, list[tuple[int, int, bytes]]] = field(default_factory=lambda: defaultdict(list), init=False)
    _recorded_at: dict[int, int] = field(init=False)
    _first: dict[tuple[str, bytes], Place] = field(default_factory=dict, init=False)
    _taken_back: set[Place] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.heads = dict.fromkeys(range(self.partitions), 0)
        self._recorded_at = dict.fromkeys(self.heads, 0)

    async def read_on(self, connection: Connection) -> list[Row]:
        """What is new since the last call."""
        self.wrong = []
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            heads = dict(map(tuple, await connection.fetch("SELECT partition, position FROM log_heads")))
            found = await connection.fetch(_READ, list(self.heads), list(self.heads.values()))
        rows = [
            Row((partition, position), recorded_at, pb.Event.FromString(data), data)
            for partition, position, recorded_at, data in found
        ]
        for row in rows:
            self._take(row)
        self.wrong += [
            f"{self.name}: the head of partition {partition} is {heads[partition]}, its last event has position {last}"
            for partition, last in self.heads.items()
            if heads[partition] != last
        ]
        return rows

    def of(self, key: Key) -> list[Recorded]:
        """Every event of a key."""
        return [Recorded(position, at, pb.Event.FromString(data)) for position, at, data in self._by_key[key]]

    def is_taken_back(self, place: Place) -> bool:
        """Whether the log holds a retraction of what stands there."""
        return place in self._taken_back

    def _take(self, row: Row) -> None:
        (partition, position), event = row.place, row.event
        if position != self.heads[partition] + 1:
            self.wrong.append(
                f"{self.name}: position {position} of partition {partition} follows {self.heads[partition]}"
            )
        if row.recorded_at < self._recorded_at[partition]:
            self.wrong.append(f"{self.name}: {row.place} was recorded before the event in front of it")
        known = self._first.get((event.tenant, event.id))
        if known is not None and known not in self._taken_back:
            self.wrong.append(f"{self.name}: the id {event.id.hex()} stands at {known} and again at {row.place}")
        self._first[event.tenant, event.id] = row.place
        if event.type == RETRACTED:
            self._taken_back |= {(partition, gone) for gone in pb.Retracted.FromString(event.payload).positions}
        self.heads[partition], self._recorded_at[partition] = position, row.recorded_at
        self._by_key[row.key].append((position, row.recorded_at, row.data))


def told(complaints: Sequence[str], most: int = 5) -> Iterator[str]:
    """The first of many complaints, and how many there are."""
    yield from complaints[:most]
    if len(complaints) > most:
        yield f"… and {len(complaints) - most} more of this kind"
