"""Whose an identifier is: what every consumer of the identity log keeps."""

from collections.abc import Iterable, Iterator, Sequence

from libs.people.identity_events import CutMade, News, places_begun
from libs.people.person import Member, Name, Person, span_meant
from libs.people.spans import WHOLE, Cut, Span, own_id

Place = tuple[bytes, Span]
"""An identifier's key and a span of it."""


class IdentityMap:
    """(identifier, span) → (person, version), and back; and how identifiers are cut.

    The highest version of a place wins, so moves give the same map in whichever order and however often they come. A
    place that returned to being its own person keeps its row: without the row's version, a late older move would
    resurrect the merge that was undone.
    """

    __slots__ = ("_cuts", "_known_as", "_members", "_rows")

    def __init__(self) -> None:
        self._rows: dict[Place, tuple[int, bytes]] = {}
        self._members: dict[bytes, set[Place]] = {}
        self._known_as: dict[bytes, Place] = {}  # own ids of spans, which unlike those of identifiers do not say whose
        self._cuts: dict[bytes, tuple[int, Cut | None]] = {}

    def learn(self, news: News) -> None:
        """Take in what the identity log says."""
        for made in news.cuts:
            self.cut(made)
        for move in news.moves:
            self.move(*move)

    def move(self, identifier: bytes, span: Span, person: bytes, version: int) -> bool:
        """Put a place under a person; False where something as new is known already."""
        place = (identifier, span)
        before = self._rows.get(place)
        if before is not None and before[0] >= version:
            return False
        if before is not None:
            self._members[before[1]].discard(place)
        elif span != WHOLE:
            self._known_as[own_id(identifier, span)] = place
        self._rows[place] = (version, person)
        self._members.setdefault(person, set()).add(place)
        return True

    def cut(self, made: CutMade) -> None:
        """Let an identifier fall into other spans, unless something newer is known of it."""
        known = self._cuts.get(made.identifier)
        if known is None or known[0] < made.version:
            self._cuts[made.identifier] = (made.version, made.cut)
        for move in places_begun(made):
            self.move(*move)

    def person_of(self, identifier: bytes, span: Span = WHOLE) -> bytes:
        """Whose a place is: its own person's, until it is moved."""
        row = self._rows.get((identifier, span))
        return row[1] if row else own_id(identifier, span)

    def version_of(self, identifier: bytes, span: Span = WHOLE) -> int:
        """How new the map's knowledge of a place is; 0 where it was never moved."""
        row = self._rows.get((identifier, span))
        return row[0] if row else 0

    def current(self, person: bytes) -> bytes:
        """Who a OneID means today: a merged person's former id answers with the person they are now."""
        return self._current(Name(person))

    def members(self, person: bytes) -> frozenset[Place]:
        """The places that make up the person of a OneID, former ids included."""
        return self._places_of(self.current(person))

    def people(self, names: Sequence[Name]) -> list[Person]:
        """Whom names mean, with all that is theirs, in the order of the names."""
        return [self._person(self._current(name)) for name in names]

    def rows(self) -> Iterator[tuple[bytes, Span, bytes, int]]:
        """Every place that was ever moved: identifier, span, person, version."""
        for (identifier, span), (version, person) in self._rows.items():
            if version:
                yield identifier, span, person, version

    def _current(self, name: Name) -> bytes:
        identifier, span = (name.key, WHOLE) if name.at is not None else self._place_of(name.key)
        _, cut = self._cuts.get(identifier, (0, None))
        return self.person_of(identifier, span_meant(name, span, cut))

    def _person(self, person: bytes) -> Person:
        return Person(person, tuple(self._cut_as_known(sorted(self._places_of(person)))))

    def _cut_as_known(self, places: Iterable[Place]) -> Iterator[Member]:
        for identifier, span in places:
            version, cut = self._cuts.get(identifier, (0, None))
            yield Member(identifier, span, cut, version)

    def _places_of(self, person: bytes) -> frozenset[Place]:
        founding = self._place_of(person)
        own = {founding} if self.person_of(*founding) == person else set()
        return frozenset(self._members.get(person, set()) | own)

    def _place_of(self, person: bytes) -> Place:
        return self._known_as.get(person, (person, WHOLE))
