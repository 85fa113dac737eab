"""The part of a tenant's people that a change may concern, read from tables step by step and settled in memory."""

from collections.abc import Collection, Iterable
from typing import Final

from services.identity.domain.evidence import Key
from services.identity.domain.knowledge import Knowledge
from services.identity.domain.neighbourhood import Neighbourhood
from services.identity.domain.resolution import Resolution
from services.identity.domain.resolved import Resolved
from services.identity.store.resolved import Known, Place
from services.identity.store.tenant import IdentityStore

READ_AHEAD: Final = 4
"""Steps from what is touched that are read for all of it at once: nearly every neighbourhood ends within them."""

AT_ONCE: Final = 1_000
"""Identifiers around which is read with one statement, lest what it answers keep the event loop busy for long."""


class Region:
    """Evidence, decisions and what stands, of as many identifiers as were asked for.

    Nothing in it is older than the lock under which (or the snapshot in which) it is read, so it must not outlive the
    transaction. What was read
    once is not read again: since then it may have been settled here, and tables only hear of that at the end.
    """

    def __init__(self, store: IdentityStore) -> None:
        self.knowledge = Knowledge()
        self.resolved = Resolved()
        self.versions: dict[Key, int] = {}
        """The last ones given to each identifier's changes."""
        self.waiting: set[Key] = set()
        self.screened: frozenset[Key] = frozenset()
        self._store = store
        self._read: set[Key] = set()
        self._stood: set[Key] = set()
        self._places: set[Place] = set()

    async def read_ahead(self, keys: Collection[Key], most: int) -> None:
        """Read what the neighbourhoods of identifiers will ask for, all at once: around these and around those that
        they join, as long as that is not many more, and what stands about all of them.
        """
        front = set(keys)
        for _ in range(READ_AHEAD):
            if not front or len(front) > len(keys) + most:
                break
            await self.read(front)
            marks, knowledge = self.resolved.marks, self.knowledge
            joining = [key for key in front if key not in marks]
            reached = {other for key in joining for other in knowledge.beside(key) | knowledge.decided_with(key)}
            front = {other for other in reached if other not in marks} - self._read
        await self.stand(self._read)

    async def read(self, keys: Collection[Key]) -> None:
        """Read what is known around identifiers."""
        missing = set(keys) - self._read
        self._read |= missing
        unread = list(missing)
        for start in range(0, len(unread), AT_ONCE):
            around = await self._store.around(unread[start : start + AT_ONCE])
            self.knowledge.hold(around.evidence, around.decisions)
            self._know(around.known.values())

    def tell(self, around: Neighbourhood) -> None:
        """Tell a neighbourhood what was read around its unread identifiers."""
        evidence, decisions = self.knowledge.around(around.unread)
        marks, spoken_of = self.resolved.marks, evidence.seen.keys() | decisions.types.keys()
        known = {key: marks[key] for key in spoken_of if key in marks}
        around.read(evidence, decisions, known, self.screened)

    async def know(self, keys: Collection[Key]) -> None:
        """Read what stands about identifiers by themselves, and nothing around them."""
        self._know((await self._store.resolved.known(keys)).values())

    async def stand(self, inside: Collection[Key], places: Iterable[Place] = ()) -> None:
        """Read what stands about identifiers that were read, and about spans, whose identifiers need not have been."""
        rows, missing = self._store.resolved, set(inside) - self._stood
        spans = {}
        if missing:
            refused = (await rows.refused(missing)).refused
            fresh = {both: why for both, why in refused.items() if self._stood.isdisjoint(both)}
            self.resolved.hold(Resolution(refused=fresh))
            self._stood |= missing
            spans = await rows.spans_tied(missing)
        spans |= await rows.spans_at(set(places) - self._places - spans.keys())
        spans = {place: tied for place, tied in spans.items() if place not in self._places}
        self._places.update(places, spans)
        if not spans:
            return
        self.resolved.hold(Resolution(spans=spans))
        self._know((await rows.known({key for key, _ in spans} - self.versions.keys())).values())

    def _know(self, known: Iterable[Known]) -> None:
        fresh = [one for one in known if one.key not in self.versions]
        self.versions.update((one.key, one.version) for one in fresh)
        self.waiting.update(one.key for one in fresh if one.waiting)
        self.screened |= {one.key for one in fresh if one.screened}
        self.resolved.hold(
            Resolution(
                people={one.key: one.person for one in fresh if one.person is not None},
                cuts={one.key: one.cut for one in fresh if one.cut is not None},
                marks={one.key: one.mark for one in fresh if one.mark is not None},
            )
        )
