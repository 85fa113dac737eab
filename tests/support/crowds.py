"""Random changes of what people hold, and who holds what by the plainest means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

import numpy as np

from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import fixed
from services.tagging.membership.column import ChunkRow
from services.tagging.membership.index import Fresh, Index, Row
from services.tagging.membership.terms import VALUES, Told, is_kept, term_of

CITIES: Final = ("上海", "北京", "a=b", "")
REFERENCES: Final[Mapping[str, tuple[Scalar, ...]]] = {
    "tag:vip": (True,),
    "tag:city": CITIES,
    "tag:spent": (3, 4.5),
    "tag:note": ("short", "x" * 201, "nul\0"),
    "segment:a": (True,),
    "stage": ("new", "loyal"),
    "tier": ("gold",),
}


def person(number: int) -> bytes:
    """Somebody."""
    return number.to_bytes(16, "big")


@dataclass
class Book:
    """What everybody holds; `tell` changes something and says so, as the log of tags does."""

    chance: Random
    held: dict[bytes, dict[str, Scalar]] = field(default_factory=dict)
    position: int = 0
    references: Mapping[str, tuple[Scalar, ...]] = field(default_factory=lambda: REFERENCES)

    def tell(self, people: int = 9) -> list[Told]:
        """One change, or of somebody who became another, all of theirs."""
        who = person(self.chance.randrange(people))
        mine = self.held.setdefault(who, {})
        kind = self.chance.random()
        if kind < 0.1:
            return [self._change(who, reference, None) for reference in list(mine)]
        if kind < 0.35 and mine:
            return [self._change(who, self.chance.choice(sorted(mine)), None)]
        reference = self.chance.choice(sorted(self.references))
        return [self._change(who, reference, self.chance.choice(self.references[reference]))]

    def _change(self, who: bytes, reference: str, now: Scalar | None) -> Told:
        mine, self.position = self.held[who], self.position + 1
        former = mine.pop(reference, None)
        if now is not None:
            mine[reference] = now
        return Told(self.position, who, reference, now, former)

    def holders(self, reference: str, value: Scalar | None = None) -> set[bytes]:
        """Who holds a reference, with a value if one is given."""
        return {
            who for who, mine in self.held.items() if reference in mine and (value is None or mine[reference] == value)
        }


@dataclass
class Opened:
    """Which references have lost their values, by the same rule as the index, told the plain way."""

    book: Book
    opened: set[str] = field(default_factory=set)

    def after(self, told: Told) -> None:
        """Look at what is held once something has changed."""
        holders = self.book.holders(told.reference)
        if not holders:
            self.opened.discard(told.reference)
            return
        values = {self.book.held[who][told.reference] for who in holders}
        texts = {value for value in values if value is not True}
        if any(not is_kept(value) for value in texts) or len(texts) > VALUES:
            self.opened.add(told.reference)


def plain(index: Index, known: Mapping[bytes, int]) -> dict[str, set[bytes]]:
    """Who is in each bitmap, and who holds each number."""
    everybody = {number: who for who, number in known.items()}
    everybody |= {one.number: who for who, one in index.fresh.items()}
    found = {term: {everybody[number] for number in bitmap} for term, bitmap in index.bitmaps()}
    for reference, column in index.columns.items():
        for number, who in everybody.items():
            for value in column.of(np.array([number], np.uint32)).tolist():
                found.setdefault(f"{reference} {value}", set()).add(who)
    return found


def expected(book: Book, opened: Iterable[str]) -> dict[str, set[bytes]]:
    """Who must be."""
    found: dict[str, set[bytes]] = {}
    for who, mine in book.held.items():
        for reference, value in mine.items():
            found.setdefault(term_of(reference), set()).add(who)
            if isinstance(value, str) and reference not in opened:
                found.setdefault(term_of(reference, value), set()).add(who)
            if not isinstance(value, bool | str):
                found.setdefault(f"{reference} {fixed(value)}", set()).add(who)
    return found


@dataclass
class Shelf:
    """Where an index is stored: what the tables hold."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    chunks: dict[tuple[str, int], ChunkRow] = field(default_factory=dict)

    def store(self, index: Index, position: int) -> None:
        """Take what the index has and the shelf lacks."""
        fresh: Mapping[bytes, Fresh] = index.fresh
        self.numbers |= {who: one.number for who, one in fresh.items()}
        for row in index.unstored():
            if row.bitmap is None:
                self.rows.pop(row.term, None)
            else:
                self.rows[row.term] = row
        for one in index.unstored_chunks():
            if one.values is None:
                self.chunks.pop((one.reference, one.chunk), None)
            else:
                self.chunks[one.reference, one.chunk] = one
        index.settle(position)

    def load(self) -> Index:
        """The index as it was stored."""
        return Index.stored(len(self.numbers), self.rows.values(), self.chunks.values())
