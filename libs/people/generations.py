"""A memory of answers that can't outgrow its bound."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """Keeps at most `size` answers in two generations: when the young one is full, it replaces the old one.

    An answer asked for while old is young again, so what is in use stays; and unlike in a least-recently-used list,
    a hit among the young costs one look-up and moves nothing.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        answer = self._young.get(key)
        if answer is None and self._old:
            answer = self._old.pop(key, None)
            if answer is not None:
                self.put(key, answer)
        return answer

    def put(self, key: K, answer: V) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = answer
