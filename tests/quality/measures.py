"""Precision, recall and F1 of pairs, and the table in which they are held against their targets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

Id = TypeVar("Id", bytes, str)
Pairs = frozenset[tuple[Id, Id]]


@dataclass(frozen=True)
class Accuracy:
    """Of the pairs that were found, how many are right, and of the right ones, how many were found."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class Row:
    """A line of the table; `ok` is None where there is no target."""

    data: str
    way: str
    told: str
    target: str = ""
    ok: bool | None = None


def accuracy(right: int, found: int, true: int) -> Accuracy:
    return Accuracy(right / found if found else 1.0, right / true)


def accuracy_of(found: Pairs[Id], true: Pairs[Id]) -> Accuracy:
    return accuracy(len(found & true), len(found), len(true))


def pairs_within(groups: Iterable[Iterable[Id]]) -> Pairs[Id]:
    return frozenset(pair for group in groups for pair in combinations(sorted(group), 2))


def measured(data: str, way: str, of: Accuracy, target: str = "", ok: bool | None = None) -> Row:
    return Row(data, way, f"P {of.precision:.4f}  R {of.recall:.4f}  F1 {of.f1:.4f}", target, ok)


def table(rows: Sequence[Row]) -> str:
    cells = [(row.data, row.way, row.told, row.target, {None: "", True: "ok", False: "MISSED"}[row.ok]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
