"""Whose an identifier is: what every consumer of the identity log keeps."""

from collections.abc import Iterator

from libs.people.spans import WHOLE, Span, own_id

Place = tuple[bytes, Span]
"""An identifier's key and a span of it."""


class IdentityMap:
    """(identifier, span) → (person, version), and back.

    The highest version of a place wins, so moves give the same map in whichever order and however often they come. A
    place that returned to being its own person keeps its row: without the row's version, a late older move would
    resurrect the merge that was undone.
    """

    __slots__ = ("_known_as", "_members", "_rows")

    def __init__(self) -> None:
        self._rows: dict[Place, tuple[int, bytes]] = {}
        self._members: dict[bytes, set[Place]] = {}
        self._known_as: dict[bytes, Place] = {}  # own ids of spans, which unlike those of identifiers do not say whose

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
        return self.person_of(*self._place_of(person))

    def members(self, person: bytes) -> frozenset[Place]:
        """The places that make up the person of a OneID, former ids included."""
        person = self.current(person)
        founding = self._place_of(person)
        own = {founding} if self.person_of(*founding) == person else set()
        return frozenset(self._members.get(person, set()) | own)

    def rows(self) -> Iterator[tuple[bytes, Span, bytes, int]]:
        """Every place that was ever moved: identifier, span, person, version."""
        for (identifier, span), (version, person) in self._rows.items():
            yield identifier, span, person, version

    def _place_of(self, person: bytes) -> Place:
        return self._known_as.get(person, (person, WHOLE))
