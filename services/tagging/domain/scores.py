"""Scores as conditions read them: computed when one is asked for, and once."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from services.tagging.domain.asked import Asked


class Scored(Protocol):
    """What measures a person."""

    def points(self, asked: Asked) -> int | None:
        """The score of a person at a moment, in ten-thousandths; None where too little is known."""
        ...


class Scores(Mapping[str, int]):
    """The scores of a person, by key; `of` must say of whom before any is read."""

    __slots__ = ("_asked", "_known", "_scored")

    def __init__(self, scored: Mapping[str, Scored]) -> None:
        self._scored = scored
        self._known: dict[str, int | None] = {}
        self._asked: Asked | None = None

    def of(self, asked: Asked) -> Asked:
        """Let these be the scores of whoever is asked, whose standing holds them already."""
        self._asked = asked
        return asked

    def __getitem__(self, key: str) -> int:
        if key not in self._known:
            assert self._asked is not None
            self._known[key] = self._scored[key].points(self._asked)
        points = self._known[key]
        if points is None:
            raise KeyError(key)
        return points

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._scored if self.get(key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
