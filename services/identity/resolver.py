"""One transaction's change of mind about one tenant's people: the order of steps of `Identities`, over tables.

The tenant's resolver is locked before anything is read that decides, and evidence is written under that lock: so of
two transactions that each add an edge, the later one reads the former's.
"""

import sys
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from libs.people.identifiers import IdentifierRules
from libs.people.spans import WHOLE
from libs.runtime.clock import Micros
from services.identity.domain.anchors import ByAnchor, Differences, EvidenceChange
from services.identity.domain.changes import IdentifierMoved, IdentityChange, PersonsMerged, changes, regrouped
from services.identity.domain.decisions import Blocked, IdentityDecision, Unblocked, subjects
from services.identity.domain.evidence import Evidence, Key, combine
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD, Either
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.leaves import Leaves, leaves, without
from services.identity.domain.naming import PersonId
from services.identity.domain.neighbourhood import Neighbourhood
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Mark
from services.identity.domain.touch import touched
from services.identity.region import Region
from services.identity.store.resolved import Known
from services.identity.store.tenant import IdentityStore

Name = TypeVar("Name")
Row = TypeVar("Row")

PORTION: Final = 500
"""Identifiers of the slow lane that one transaction resolves."""


class Cause(NamedTuple):
    """The event that changed something; of several, the last one recorded is the cause."""

    recorded_at: Micros
    event_id: bytes


class Causes(dict[Key, Cause]):
    """What touched which identifier."""

    def of(self, keys: Collection[Key]) -> bytes:
        """The event that changed a neighbourhood; some is touched by what was said of others alone."""
        named = [self[key] for key in keys if key in self]
        return max(named or self.values()).event_id


class Before(NamedTuple):
    """What was known of all that news speaks of, as far as it tells whether the news matters."""

    knowledge: Knowledge
    known: Mapping[Key, Known]

    @property
    def marks(self) -> Mapping[Key, Mark]:
        """Who joins nobody, and why."""
        return {key: one.mark for key, one in self.known.items() if one.mark is not None}

    @property
    def screened(self) -> frozenset[Key]:
        """Whose values the rules refuse."""
        return frozenset(key for key, one in self.known.items() if one.screened)

    def is_plain(self, key: Key) -> bool:
        """See `leaves`."""
        one = self.known[key]
        return one.mark is None and one.cut is None and not one.waiting and not one.screened

    def person_of(self, key: Key) -> PersonId:
        """Whose an identifier was."""
        return self.known[key].person or key

    def joining(self, leaf: Key, stem: Key, cause: bytes) -> IdentifierMoved:
        """That a leaf becomes of the same person as its neighbour."""
        return IdentifierMoved(leaf, WHOLE, leaf, self.person_of(stem), self.known[leaf].version + 1, cause)


class Resolver:
    """Resolves what a transaction changes; `rules` are those that it holds in force, and it holds the lock.

    What it does is noted in the journal where that is `followed`.
    """

    def __init__(
        self,
        store: IdentityStore,
        rules: IdentifierRules,
        now: Micros,
        largest: int = LARGEST_NEIGHBOURHOOD,
        *,
        followed: bool,
    ) -> None:
        self._store = store
        self._rules = rules
        self._now = now
        self._largest = largest
        self._followed = followed

    async def observe(self, change: EvidenceChange, news: Differences, causes: Causes) -> list[IdentityChange]:
        """Put evidence in place of other; the answer is what the identity log is to say of it."""
        before = await self._before(news)
        await self._store.evidence.replace(change)
        learned = await self._reread(news) if change.takes_back else _added(before.knowledge, change.after, news)
        fresh = learned.seen.keys() - before.knowledge.evidence.seen.keys()
        joined = await self._joined(before, leaves(before.knowledge, learned, self._rules, before.is_plain))
        others = without(learned, joined)
        touches = touched(before.knowledge, others, self._rules, before.screened, before.marks)
        moves = [before.joining(leaf, stem, causes[leaf].event_id) for leaf, stem in joined.items()]
        return await self._reconsider(touches, causes, fresh, news.keys, moves=moves)

    async def _joined(self, before: Before, found: Leaves) -> dict[Key, Key]:
        """The leaves for which there is room."""
        people = {before.person_of(stem) for stem in found.counted.values()}
        had = await self._store.resolved.counts(people, found.type.name) if found.type and people else {}
        return found.fitting(before.person_of, had)

    async def decide(self, decision: IdentityDecision, values: Mapping[Key, str]) -> list[IdentityChange]:
        """Let a decision stand."""
        keys = {one.key for one in subjects(decision)}
        knowledge = Knowledge()
        if not isinstance(decision, Blocked | Unblocked):
            pairs = await self._store.evidence.pairs_around(keys)
            known = await self._store.resolved.known({key for both in pairs for key in both})
            seen = {key: one.seen for key, one in known.items() if one.seen is not None}
            knowledge.hold(Evidence(seen, pairs), await self._store.decisions.about(keys))
        await self._store.decisions.record(decision, values)
        touches = touched(knowledge, News(decisions=(decision,)), self._rules, frozenset(), {})
        causes = Causes(dict.fromkeys(keys, Cause(decision.recorded_at, decision.event_id)))
        return await self._reconsider(touches, causes)

    async def settle(self) -> list[IdentityChange]:
        """Resolve a portion of the slow lane, less the neighbourhoods that are known to be too large."""
        waiting = await self._store.waiting.next(PORTION, oversized=False)
        causes = Causes({key: Cause(self._now, cause) for key, cause in waiting.items()})
        return await self._reconsider(waiting.keys(), causes, most=PORTION)

    async def put(self, inside: AbstractSet[Key], found: Resolution, cause: bytes) -> list[IdentityChange]:
        """Put in place what was found elsewhere about some identifiers and is still right."""
        region, settled = Region(self._store), _Settled()
        # And whose spans follow them: a row says all of an identifier, not only what is new.
        await region.know(inside | {key for key, _ in found.spans})
        await self._put(region, inside, found, cause, settled)
        await self._write(region, settled)
        return settled.told

    async def _before(self, news: Differences) -> Before:
        """Read what stood. A kiosk is in many pairs, of which these are but few."""
        store, keys = self._store, news.keys
        known = await store.resolved.known(keys)
        seen = {key: one.seen for key, one in known.items() if one.seen is not None}
        pairs = await store.evidence.pairs([both for both in news.pairs if seen.keys() >= {*both}])
        logins = await store.evidence.logins_at({(key, session) for key, session, _ in news.logins if key in seen})
        knowledge = Knowledge()
        knowledge.hold(Evidence(seen, pairs, logins), await store.decisions.about(keys))
        await self._read_children(knowledge, news)
        return Before(knowledge, known)

    async def _read_children(self, knowledge: Knowledge, news: Differences) -> None:
        """Read around whatever may turn out to be the child of something that was unlinked."""
        if not any(type_.parent for type_ in self._rules.types.values()):
            return
        children = {
            child
            for both in news.pairs
            for parent, child in (both, both[::-1])
            if len(knowledge.decided_with(parent)) > 1
        }
        pairs = await self._store.evidence.pairs_around(children) if children else {}
        missing = {key for both in pairs for key in both} - knowledge.evidence.seen.keys()
        known = await self._store.resolved.known(missing)
        seen = {key: one.seen for key, one in known.items() if one.seen is not None}
        knowledge.take(News(seen, pairs))

    async def _reread(self, news: Differences) -> News:
        """What is left where something was taken back."""
        store = self._store
        known = await store.resolved.known(news.seen)
        pairs = await store.evidence.pairs(news.pairs)
        logins = await store.evidence.logins_at({(key, session) for key, session, _ in news.logins})
        return News(
            {key: one.seen for key, one in known.items()},
            {both: pairs.get(both) for both in news.pairs},
            {login: logins.get(login) for login in news.logins},
        )

    async def _reconsider(
        self,
        touches: AbstractSet[Key],
        causes: Causes,
        fresh: AbstractSet[Key] = frozenset(),
        named: AbstractSet[Key] = frozenset(),
        most: int = sys.maxsize,
        moves: Iterable[IdentifierMoved] = (),
    ) -> list[IdentityChange]:
        """Resolve what is touched, and let `moves` happen of whom that leaves aside. Once `most` identifiers were
        resolved, the rest, who wait already, go on waiting.
        """
        region, settled = Region(self._store), _Settled()
        await region.read_ahead(touches, self._largest)
        rest = set(touches)
        unsettled = Either(rest, region.waiting)
        oversized: dict[Key, bytes] = {}
        for seed in sorted(touches):
            if seed not in rest:  # it was in another one's neighbourhood
                continue
            if len(settled.done) >= most:
                break
            around = Neighbourhood(seed, unsettled, self._rules, region.screened, self._largest)
            while around.unread and not around.oversized:
                await region.read(around.unread)
                region.tell(around)
            cause = causes.of(around.inside & rest)
            if around.oversized:
                oversized.update(dict.fromkeys(around.inside & rest, cause))
            else:
                found = resolve(around.case, around.inside, around.given)
                await self._put(region, around.inside, found, cause, settled)
            rest -= around.inside
        aside = {one.identifier: one for one in moves if one.identifier not in settled.done}
        settled.told += aside.values()
        settled.versions.update((key, one.version) for key, one in aside.items())
        region.resolved.hold(Resolution(people={key: one.to_person for key, one in aside.items()}))
        await self._write(region, settled)
        await self._store.waiting.done(settled.done & settled.waited)
        await self._store.waiting.put(oversized, self._now)
        if self._followed:
            await self._store.journal.note(touches | named, settled.done)
        return [*settled.told, *settled.regrouped(fresh)]

    async def _put(
        self, region: Region, inside: AbstractSet[Key], after: Resolution, cause: bytes, settled: "_Settled"
    ) -> None:
        """Put what is now found about some identifiers in place of what was found before."""
        await region.stand(inside, after.spans)
        before = region.resolved.within(inside, after.spans)
        region.resolved.replace(before, after)
        settled.waited |= inside & region.waiting
        region.waiting -= inside
        settled.add(before, after, inside, cause)
        moved: dict[Key, int] = {}
        for one in changes(before, after, region.versions, cause):
            key = one.identifier if isinstance(one, IdentifierMoved) else one.anchor
            settled.told.append(one)
            moved[key] = one.version
        settled.versions.update(moved)
        region.versions.update(moved)
        for key in before.marks.keys() | after.marks.keys():
            if before.marks.get(key) != after.marks.get(key):
                settled.versions.setdefault(key, region.versions.get(key, 0))

    async def _write(self, region: Region, settled: "_Settled") -> None:
        await self._store.resolved.replace(settled.before, settled.after, region.resolved.all, settled.versions)


class _Settled:
    """What a transaction settled so far: what of it is yet to be written, and what is to be told."""

    def __init__(self) -> None:
        self.told: list[IdentityChange] = []
        self.done: set[Key] = set()
        self.waited: set[Key] = set()
        self.before, self.after = Resolution(), Resolution()
        self.versions: dict[Key, int] = {}
        self._was, self._now = Resolution(), Resolution()
        self._causes: dict[PersonId, bytes] = {}

    def add(self, before: Resolution, after: Resolution, inside: AbstractSet[Key], cause: bytes) -> None:
        """One more neighbourhood."""
        self.done |= inside
        _follow(self.before.spans, self.after.spans, before.spans, after.spans)
        _follow(self.before.refused, self.after.refused, before.refused, after.refused)
        self._was.people.update(before.people)
        self._now.people.update(after.people)
        self._causes.update(dict.fromkeys((*before.people.values(), *after.people.values()), cause))

    def regrouped(self, fresh: AbstractSet[Key]) -> list[IdentityChange]:
        """Who became one and who became several, each with the cause of the neighbourhood where that showed."""
        return [
            replace(one, cause=self._causes[one.into if isinstance(one, PersonsMerged) else one.person])
            for one in regrouped(self._was, self._now, self.done - fresh, b"")
        ]


def _follow(
    first: dict[Name, Row], last: dict[Name, Row], before: Mapping[Name, Row], after: Mapping[Name, Row]
) -> None:
    """Let rows that were `first` and are `last` become others. A pair at the border of two neighbourhoods is settled
    with each, so what stands before the second one may be nothing that the tables have ever held.
    """
    for name, row in before.items():
        if last.pop(name, None) is None:
            first.setdefault(name, row)
    last.update(after)


def _added(before: Knowledge, after: ByAnchor, news: Differences) -> News:
    """What is known where something was only added. Adding what counts already changes counts alone, and these decide
    nothing.
    """
    known = before.evidence
    total = Evidence(
        {key: known.seen[key] for key in news.seen if key in known.seen},
        {both: known.pairs[both] for both in news.pairs if both in known.pairs},
        {login: known.logins[login] for login in news.logins if login in known.logins},
    )
    for evidence in after.values():
        combine(
            total,
            Evidence(
                {key: seen for key, seen in evidence.seen.items() if key in news.seen},
                {both: together for both, together in evidence.pairs.items() if both in news.pairs},
                {login: sight for login, sight in evidence.logins.items() if login in news.logins},
            ),
        )
    return News(total.seen, total.pairs, total.logins)
