"""What must be known in the end, by the simplest means: one pass over the log."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import Recorded
from libs.eventlog.memory import MemoryLog
from libs.eventlog.projection import RETRACTED
from tests.support.tally import POISON

Key = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Expected:
    """A tally as of the last of some events: it stands still before an event that can't be folded."""

    total: int
    positions: tuple[int, ...]
    parked_at: int


def tally(events: Sequence[Recorded]) -> Expected:
    """Fold what of a key's events is not taken back."""
    gone: set[int] = set()
    for one in events:
        if one.event.type == RETRACTED:
            gone.update(pb.Retracted.FromString(one.event.payload).positions)
    total, positions = 0, list[int]()
    for one in events:
        if one.event.type == RETRACTED or one.position in gone:
            continue
        if one.event.payload == POISON.encode():
            return Expected(total, tuple(positions), one.position)
        total += int(one.event.payload)
        positions.append(one.position)
    return Expected(total, tuple(positions), 0)


def whole(log: MemoryLog) -> dict[int, list[pb.Event]]:
    """The whole log by partition."""
    return {
        partition: [pb.Event.FromString(data) for data in log._events[partition]] for partition in range(log.partitions)
    }


def ids(log: MemoryLog, without: Collection[tuple[int, int]] = ()) -> dict[bytes, list[bytes]]:
    """Ids of every key's events in the order of the log, but for those at some places (partition, position)."""
    found: dict[bytes, list[bytes]] = {}
    for partition, events in whole(log).items():
        for position, event in enumerate(events, 1):
            if (partition, position) not in without:
                found.setdefault(event.key, []).append(event.id)
    return found
