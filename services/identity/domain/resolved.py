"""Who is who as resolved last, in memory: what the next change is compared with."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from libs.people.spans import Span
from services.identity.domain.evidence import Key, Pair
from services.identity.domain.resolution import Resolution
from services.identity.domain.standing import Mark

Name = TypeVar("Name")
Row = TypeVar("Row")


class Resolved:
    """One resolution of everything, in which that of a neighbourhood can be looked at and replaced."""

    def __init__(self) -> None:
        self.all = Resolution()
        self._tied: dict[Key, set[tuple[Key, Span]]] = {}
        self._refused: dict[Key, set[Pair]] = {}

    @property
    def marks(self) -> Mapping[Key, Mark]:
        return self.all.marks

    def hold(self, found: Resolution) -> None:
        """Put in what was read of a larger store: rows that stand."""
        self.replace(Resolution(), found)

    def within(self, inside: Collection[Key], places: Iterable[tuple[Key, Span]] = ()) -> Resolution:
        """What stands about some identifiers, and about some spans, which may follow others until now."""
        known = self.all
        tied = {place for key in inside for place in self._tied.get(key, ())}
        tied.update(place for place in places if place in known.spans)
        refused = {both for key in inside for both in self._refused.get(key, ())}
        return Resolution(
            people={key: known.people[key] for key in inside if key in known.people},
            spans={place: known.spans[place] for place in tied},
            cuts={key: known.cuts[key] for key in inside if key in known.cuts},
            marks={key: known.marks[key] for key in inside if key in known.marks},
            refused={both: known.refused[both] for both in refused},
        )

    def replace(self, before: Resolution, after: Resolution) -> None:
        """Put a resolution in place of the one that `within` gave for the same identifiers."""
        known = self.all
        for place, tied in before.spans.items():
            self._tied[tied.to].discard(place)
        for both in before.refused:
            for key in both:
                self._refused[key].discard(both)
        _replace(known.people, before.people, after.people)
        _replace(known.spans, before.spans, after.spans)
        _replace(known.cuts, before.cuts, after.cuts)
        _replace(known.marks, before.marks, after.marks)
        _replace(known.refused, before.refused, after.refused)
        for place, tied in after.spans.items():
            self._tied.setdefault(tied.to, set()).add(place)
        for both in after.refused:
            for key in both:
                self._refused.setdefault(key, set()).add(both)


def _replace(rows: dict[Name, Row], old: Mapping[Name, Row], new: Mapping[Name, Row]) -> None:
    for name in old.keys() - new.keys():
        del rows[name]
    rows.update(new)
