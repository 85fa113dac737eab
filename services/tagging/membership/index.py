"""The index of one partition: a fold over what is told of people there, in the order of the log.

People are numbered in the order in which they first appear, so whoever folds the partition comes to the same numbers.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import BitMap

from libs.conditions.comparisons import Scalar
from services.tagging.membership.column import ChunkRow, Column
from services.tagging.membership.terms import VALUES, Told, is_kept, read_term, term_of


@dataclass(eq=False, slots=True)
class Group:
    """Who holds a reference: all of them, and by the text that they hold.

    `whole` tells that every value but `true` is among the texts. It is false once there was a number, too long a text
    or too many texts, until nobody holds the reference any more.
    """

    holders: BitMap = field(default_factory=BitMap)
    by_value: dict[str, BitMap] = field(default_factory=dict)
    whole: bool = True


class Row(NamedTuple):
    """A term as it is stored; without a bitmap, it is no more."""

    term: str
    whole: bool
    bitmap: bytes | None


class Fresh(NamedTuple):
    """A number, and the position of the log at which it was given."""

    number: int
    position: int


@dataclass(eq=False, slots=True)
class Index:
    """Bitmaps by term, numbers by reference, and how many people are numbered.

    `fresh` are numbers that are not stored yet, and at which position they were given; `changed` says at which position
    a term changed last, of those that are stored otherwise or not at all.
    """

    people: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    fresh: dict[bytes, Fresh] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    _anybody: BitMap | None = None

    @classmethod
    def stored(cls, people: int, rows: Iterable[Row], chunks: Iterable[ChunkRow] = ()) -> "Index":
        """The index as it was stored."""
        index = cls(people)
        for term, whole, bitmap in rows:
            assert bitmap is not None
            reference, value = read_term(term)
            group = index.groups.setdefault(reference, Group())
            if value is None:
                group.holders, group.whole = BitMap.deserialize(bitmap), whole
            else:
                group.by_value[value] = BitMap.deserialize(bitmap)
        for reference, chunk, values in chunks:
            assert values is not None
            index.columns.setdefault(reference, Column()).load(chunk, values)
        return index

    def excerpt(self, references: Collection[str]) -> "Index":
        """A copy of what is held of some references, which stays as it is while this index goes on."""
        copied = Index(self.people)
        for reference in references:
            if (group := self.groups.get(reference)) is not None:
                values = {value: bitmap.copy() for value, bitmap in group.by_value.items()}
                copied.groups[reference] = Group(group.holders.copy(), values, group.whole)
            if (column := self.columns.get(reference)) is not None:
                copied.columns[reference] = column.copy()
        return copied

    def unknown(self, people: Iterable[bytes]) -> set[bytes]:
        """Those of some people whose numbers `apply` must be given, if they have any."""
        return {person for person in people if person not in self.fresh}

    def apply(self, told: Iterable[Told], known: Mapping[bytes, int]) -> None:
        """Fold what is told; `known` are the stored numbers of people who are not among `fresh`."""
        for one in told:
            number = self._number(one, known)
            self._hold(one, number)
            self._measure(one, number)
        self._anybody = None

    def holders(self, reference: str) -> BitMap:
        """Who holds a reference; not to be changed."""
        group = self.groups.get(reference)
        return BitMap() if group is None else group.holders

    def anybody(self) -> BitMap:
        """Who holds anything; not to be changed."""
        if self._anybody is None:
            self._anybody = united(group.holders for group in self.groups.values())
        return self._anybody

    def bitmaps(self) -> Iterator[tuple[str, BitMap]]:
        """Every term with its bitmap."""
        for reference, group in self.groups.items():
            yield term_of(reference), group.holders
            for value, bitmap in group.by_value.items():
                yield term_of(reference, value), bitmap

    def unstored(self) -> Iterator[Row]:
        """Every term that is stored otherwise, or not at all."""
        for term in self.changed:
            reference, value = read_term(term)
            group = self.groups.get(reference)
            bitmap = None if group is None else group.holders if value is None else group.by_value.get(value)
            whole = group is None or group.whole
            yield Row(term, whole, None if bitmap is None else bitmap.serialize())

    def unstored_chunks(self) -> Iterator[ChunkRow]:
        """Every chunk of a column that is stored otherwise, or not at all."""
        for reference, column in self.columns.items():
            yield from column.unstored(reference)

    @property
    def settled(self) -> bool:
        """Whether everything is stored."""
        return not (self.fresh or self.changed or any(column.changed for column in self.columns.values()))

    def settle(self, position: int) -> None:
        """Let go of what is stored: everything as it was at a position."""
        for column in self.columns.values():
            column.settle(position)
        self.columns = {name: column for name, column in self.columns.items() if column.held or column.changed}
        self.fresh = {person: one for person, one in self.fresh.items() if one.position > position}
        self.changed = {term: at for term, at in self.changed.items() if at > position}

    def _number(self, told: Told, known: Mapping[bytes, int]) -> int:
        fresh = self.fresh.get(told.person)
        number = known.get(told.person) if fresh is None else fresh.number
        if number is None:
            number = self.people
            self.fresh[told.person] = Fresh(number, told.position)
        # What another replica has stored may be ahead of us, and is what we come to ourselves.
        self.people = max(self.people, number + 1)
        return number

    def _hold(self, told: Told, number: int) -> None:
        reference = told.reference
        group = self.groups.get(reference)
        if group is None:
            if told.now is None:
                return
            group = self.groups[reference] = Group()
        if isinstance(told.former, str) and told.former != told.now:
            self._leave_value(told, group, told.former, number)
        if told.now is None:
            self._leave(told, group, number)
            return
        if number not in group.holders:
            group.holders.add(number)
            self.changed[reference] = told.position
        if group.whole and told.now is not True:
            self._enter_value(told, group, told.now, number)

    def _measure(self, told: Told, number: int) -> None:
        column = self.columns.get(told.reference)
        if column is None:
            if told.now is None or isinstance(told.now, bool | str):
                return
            column = self.columns[told.reference] = Column()
        column.put(number, told.now, told.position)

    def _enter_value(self, told: Told, group: Group, value: Scalar, number: int) -> None:
        if not isinstance(value, str) or not is_kept(value):
            self._open(told, group)
            return
        bitmap = group.by_value.get(value)
        if bitmap is None:
            if len(group.by_value) >= VALUES:
                self._open(told, group)
                return
            bitmap = group.by_value[value] = BitMap()
        bitmap.add(number)
        self.changed[term_of(told.reference, value)] = told.position

    def _leave_value(self, told: Told, group: Group, value: str, number: int) -> None:
        bitmap = group.by_value.get(value)
        if bitmap is not None:
            bitmap.discard(number)
            self.changed[term_of(told.reference, value)] = told.position
            if not bitmap:
                del group.by_value[value]

    def _leave(self, told: Told, group: Group, number: int) -> None:
        group.holders.discard(number)
        self.changed[told.reference] = told.position
        if not group.holders:
            self._drop_values(told, group)
            del self.groups[told.reference]

    def _open(self, told: Told, group: Group) -> None:
        group.whole = False
        self.changed[told.reference] = told.position
        self._drop_values(told, group)

    def _drop_values(self, told: Told, group: Group) -> None:
        for value in group.by_value:
            self.changed[term_of(told.reference, value)] = told.position
        group.by_value.clear()


def united(bitmaps: Iterable[BitMap]) -> BitMap:
    """Everybody who is in any of some bitmaps; not to be changed, for of one alone it is that one."""
    rest = iter(bitmaps)
    first, second = next(rest, None), next(rest, None)
    if first is None or second is None:
        return BitMap() if first is None else first
    found = first | second
    for one in rest:
        found |= one
    return found
