"""The numbers that people hold of one tag, by the numbers of people: what distributions are read from."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import LARGEST, fixed

CHUNK: Final = 4_096
"""People whose numbers are stored together: 32 KB, written again when one of them changes."""

_NONE: Final = -(2**63)
assert -LARGEST > _NONE, "no number looks like none"


class ChunkRow(NamedTuple):
    """A chunk of a column as it is stored; without values, it is no more."""

    reference: str
    chunk: int
    values: bytes | None


class Column:
    """Ten-thousandths by the number of a person, and how many people have one.

    `changed` says at which position of the log a chunk changed last, of those that are stored otherwise or not at all.
    """

    __slots__ = ("_values", "changed", "held")

    def __init__(self) -> None:
        self._values: NDArray[np.int64] = np.empty(0, np.int64)
        self.held = 0
        self.changed: dict[int, int] = {}

    def load(self, chunk: int, values: bytes) -> None:
        """Take over a chunk as it was stored."""
        self._reach((chunk + 1) * CHUNK - 1)
        mine = self._values[chunk * CHUNK : (chunk + 1) * CHUNK]
        mine[:] = np.frombuffer(values, "<i8")
        self.held += int(np.count_nonzero(mine != _NONE))

    def copy(self) -> "Column":
        """One with the same numbers, which stays as it is."""
        copied = Column()
        copied._values, copied.held = self._values.copy(), self.held
        return copied

    def put(self, person: int, value: Scalar | None, position: int) -> None:
        """Let somebody hold a number from a position of the log on; nothing, if the value is no number."""
        number = None if isinstance(value, bool | str) else fixed(value)
        if number is None and person >= len(self._values):
            return
        self._reach(person)
        had = self._values[person] != _NONE
        self._values[person] = _NONE if number is None else number
        self.held += (number is not None) - int(had)
        self.changed[person // CHUNK] = position

    def of(self, people: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The numbers of those people who have one, in the order of people."""
        found = self._values[people[: np.searchsorted(people, len(self._values))]]
        some: NDArray[np.int64] = found[found != _NONE]
        return some

    def unstored(self, reference: str) -> Iterator[ChunkRow]:
        """Every chunk that is stored otherwise, or not at all."""
        for chunk in self.changed:
            values = self._values[chunk * CHUNK : (chunk + 1) * CHUNK]
            some = bool(np.any(values != _NONE))
            yield ChunkRow(reference, chunk, values.astype("<i8").tobytes() if some else None)

    def settle(self, position: int) -> None:
        """Let go of what is stored: everything as it was at a position."""
        self.changed = {chunk: at for chunk, at in self.changed.items() if at > position}

    def _reach(self, person: int) -> None:
        if person >= len(self._values):
            chunks = max(person // CHUNK + 1, 2 * len(self._values) // CHUNK)
            more = np.full(chunks * CHUNK - len(self._values), _NONE, np.int64)
            self._values = np.concatenate((self._values, more))
