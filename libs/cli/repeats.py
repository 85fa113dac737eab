"""Ids that stand in a log twice, found in 24 bytes of memory an event."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from portrait.log.v1 import event_pb2 as pb

from libs.runtime.clock import SECOND

Place = tuple[int, int]

SHORTEST_MEMORY: Final = 86_400 * SECOND
_IMPORTED: Final = 1 << 63
_PARTITION_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class Repeat:
    """An id recorded again although its first event stands: (partition, position) of both."""

    first: Place
    again: Place


@dataclass(slots=True)
class Ids:
    """The ids of a log, as numbers of 64 bits; that two differing ones share a number is as good as impossible."""

    _numbers: "array[int]" = field(default_factory=lambda: array("Q"))
    _places: "array[int]" = field(default_factory=lambda: array("Q"))
    _times: "array[int]" = field(default_factory=lambda: array("q"))
    _retracted: set[Place] = field(default_factory=set)

    def add(self, event: pb.Event, place: Place, recorded_at: int, retracted: Iterable[int] = ()) -> None:
        """Take an event in, and the positions that it takes back."""
        partition, position = place
        first, second = int.from_bytes(event.id[:8], "big"), int.from_bytes(event.id[8:], "big")
        self._numbers.append(first ^ second ^ crc32(event.tenant.encode()))
        self._places.append(position << _PARTITION_BITS | partition | (_IMPORTED if event.import_id else 0))
        self._times.append(recorded_at)
        self._retracted |= {(partition, gone) for gone in retracted}

    def repeats(self) -> Iterator[Repeat]:
        """What deduplication should have stopped. It forgets ids after some days, one at least, and those of imports
        never; an id that was taken back may come again.
        """
        import pyarrow as pa  # noqa: PLC0415  half a second that only this needs
        import pyarrow.compute as pc  # noqa: PLC0415

        counts = pc.value_counts(pa.array(self._numbers, pa.uint64()))
        several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
        twice = dict.fromkeys(several.to_pylist(), -1)
        order = sorted(self._find(twice), key=self._times.__getitem__)
        for at in order:
            before = twice[self._numbers[at]]
            if before >= 0 and self._is_wrong(before, at):
                yield Repeat(self._place(before), self._place(at))
            twice[self._numbers[at]] = at

    def _find(self, numbers: dict[int, int]) -> list[int]:
        return [at for at, number in enumerate(self._numbers) if number in numbers] if numbers else []

    def _is_wrong(self, first: int, again: int) -> bool:
        remembered = self._places[first] & _IMPORTED or self._times[again] - self._times[first] < SHORTEST_MEMORY
        return bool(remembered) and self._place(first) not in self._retracted

    def _place(self, at: int) -> Place:
        place = self._places[at] & ~_IMPORTED
        return place & ((1 << _PARTITION_BITS) - 1), place >> _PARTITION_BITS
