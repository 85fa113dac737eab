"""Numbers in a row that grows at its end: one by one as people come, and read as an array."""

from array import array
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Code = Literal["B", "i", "q"]
"""One byte, 32 bits or 64 bits with a sign."""

_LEAST: Final = 1_024


class Grown:
    """`fresh` takes what is new; `all` has everything."""

    __slots__ = ("_code", "_room", "_taken", "fresh")

    def __init__(self, code: Code) -> None:
        self._code = code
        self._room: NDArray[Any] = np.empty(0, code)
        self._taken = 0
        self.fresh: array[int] = array(code)

    def __len__(self) -> int:
        return self._taken + len(self.fresh)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, room to grow included."""
        return self._room.nbytes + len(self.fresh) * self.fresh.itemsize

    @property
    def all(self) -> NDArray[Any]:
        """Everything that is settled, good until there is more."""
        return self._room[: self._taken]

    def settle(self) -> None:
        """Put what is fresh among all."""
        size = len(self)
        if size > len(self._room):
            more = np.empty(max(size, len(self._room) + len(self._room) // 2, _LEAST), self._code)
            more[: self._taken] = self.all
            self._room = more
        if self.fresh:
            self._room[self._taken : size] = np.frombuffer(self.fresh, self._code)
            self._taken, self.fresh = size, array(self._code)

    def keep(self, kept: NDArray[Any]) -> None:
        """Let only some stand, given as they are to be."""
        self._room, self._taken = np.ascontiguousarray(kept, self._code), len(kept)
