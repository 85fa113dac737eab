"""Who somebody was: identity as of a past time, or as known then, resolved anew from the logs.

Tables know the present alone. What they are good for is finding out where to look: evidence of then is a part of
today's, less what was taken back, which never counts in hindsight either.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from libs.eventlog.event import Recorded
from libs.eventlog.log import KeyReader
from libs.eventlog.projection import standing
from libs.runtime.clock import Micros
from libs.runtime.errors import FailedPrecondition, NotFound
from services.identity.codec.events import DECISIONS, decision_of
from services.identity.domain.decisions import Decisions, evolve
from services.identity.domain.evidence import Evidence, Key, Together, combine, observed
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.person import Identifier, Person, Place, person_in, places_of
from services.identity.domain.standing import Case, Mark, marks, stand
from services.identity.queries.people import People, identifiers
from services.identity.queries.surroundings import surroundings
from services.identity.rulebook import Reading, Rulebook
from services.identity.store.resolved import Known
from services.identity.store.rules import RulesRows

MOST_ANCHORS: Final = 2_000
"""Histories that are read for one answer; each costs a call of the service that owns them."""
AT_ONCE: Final = 16

_ANCHORS: Final = "SELECT DISTINCT anchor FROM identifiers WHERE tenant = $1 AND key = ANY($2::uuid[])"


class Histories(Protocol):
    """The interactions log, by anchor."""

    def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        """Every event of a tenant's key in order, page by page; raises `Unavailable`."""
        ...


class Moment(NamedTuple):
    """What had happened by `as_of`, and was known by `known_at`; None where there is no bound."""

    as_of: Micros | None = None
    known_at: Micros | None = None

    def holds(self, occurred_at: Micros, recorded_at: Micros) -> bool:
        """Whether something counts then."""
        return (self.as_of is None or occurred_at <= self.as_of) and self.knew(recorded_at)

    def knew(self, recorded_at: Micros) -> bool:
        """Whether something had been recorded then."""
        return self.known_at is None or recorded_at <= self.known_at


class Stood(NamedTuple):
    """What stood about an identifier then."""

    mark: Mark | None
    screened: bool
    waiting: bool = False


class AroundThen(NamedTuple):
    """See `Around`."""

    evidence: Evidence
    decisions: Decisions
    known: Mapping[Key, Stood]


@dataclass(slots=True)
class Hindsight:
    """A tenant's evidence and decisions of a past moment, read as far as a neighbourhood asks; see `Source`."""

    people: People
    histories: Histories
    decided: KeyReader
    rulebook: Rulebook
    reading: Reading
    tenant: str
    then: Moment
    _knowledge: Knowledge = field(default_factory=Knowledge)
    _folded: Evidence = field(default_factory=Evidence)
    _read: set[Key] = field(default_factory=set)

    async def around(self, keys: Collection[Key]) -> AroundThen:
        """See `Source.around`."""
        async with self.people.reading(self.tenant) as store:
            now = await store.around(keys)
        await self._read_histories(keys)
        decisions = await self._decisions_then(now.decisions)
        evidence, _ = self._knowledge.around(keys)
        reached = evidence.seen.keys() | decisions.types.keys() | set(keys)
        screened = self._screened(now.known.values())
        found = await self._marks(reached - set(keys), decisions, screened)
        stood = {key: Stood(found.get(key), key in screened) for key in reached}
        return AroundThen(evidence, decisions, stood)

    def _screened(self, known: Iterable[Known]) -> frozenset[Key]:
        """Those whose values the rules of then refuse."""
        return frozenset(self.reading.refused((one.key, one.type, one.value) for one in known if one.type))

    async def _read_histories(self, keys: Collection[Key]) -> None:
        """Fold every interaction that speaks of some identifiers, and all else that is filed with those."""
        rows = await self.people.pool.fetch(_ANCHORS, self.tenant, list(keys))
        # Its own name, too: whatever was taken back since left no row, and yet was known then.
        anchors = {anchor for (anchor,) in rows}.union(keys) - self._read
        self._read |= anchors
        if len(self._read) > MOST_ANCHORS:
            told = f"more than {MOST_ANCHORS:,} histories would have to be read to tell who this was"
            raise FailedPrecondition("TOO_MUCH_HISTORY", told)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def fold(anchor: Key) -> Evidence:
            async with at_once:
                return await self._history(anchor)

        for evidence in await asyncio.gather(*map(fold, anchors)):
            combine(self._folded, evidence)
        self._knowledge.take(News(self._folded.seen, self._folded.pairs, self._folded.logins))

    async def _history(self, anchor: Key) -> Evidence:
        events = [one async for page in self.histories.read_key(self.tenant, anchor) for one in page]
        evidence = Evidence()
        async with self.people.pool.acquire() as connection:
            rows = RulesRows(connection, self.tenant)
            for one in standing(events, as_of=self.then.as_of, known_at=self.then.known_at):
                reading = await self.rulebook.reading(rows, one.event.rules_version)
                sighting = reading.sighting(one, {})
                if sighting is not None:
                    combine(evidence, observed(sighting))
        return evidence

    async def _decisions_then(self, now: Decisions) -> Decisions:
        """The registers as they stood: what was decided since hides what was before, which the log has."""
        if self.then.known_at is None:
            return now
        knew = self.then.knew
        then = Decisions(
            {both: one for both, one in now.links.items() if knew(one.recorded_at)},
            {both: one for both, one in now.forbidden.items() if knew(one.recorded_at)},
            {key: one for key, one in now.blocked.items() if knew(one.recorded_at)},
        )
        filed = {
            min(both)
            for both in (now.links.keys() - then.links.keys()) | (now.forbidden.keys() - then.forbidden.keys())
        }
        for key in sorted(filed | (now.blocked.keys() - then.blocked.keys())):
            for recorded in await self.decided.read_key(self.tenant, key):
                if recorded.event.type in DECISIONS:
                    decision, _ = decision_of(recorded)
                    if knew(decision.recorded_at):
                        evolve(then, decision)
        spoken_of = {key for both in (*then.links, *then.forbidden) for key in both} | then.blocked.keys()
        then.types.update((key, now.types[key]) for key in spoken_of if key in now.types)
        return then

    async def _marks(self, keys: Collection[Key], decisions: Decisions, screened: frozenset[Key]) -> Mapping[Key, Mark]:
        """Which of some identifiers, at which a neighbourhood may end, were blocked or shared.

        Whether a pair was seen by then, its first sight tells without its history. Only where that was recorded too
        late, another one may have been known.
        """
        limited = {key for key in keys if self._may_be_shared(key)}
        async with self.people.reading(self.tenant) as store:
            pairs = await store.evidence.pairs_around(limited) if limited else {}
            known = await store.resolved.known({key for both in pairs for key in both})
        doubtful = {key for both, one in pairs.items() if self._is_doubtful(one) for key in both} & limited
        if doubtful:
            await self._read_histories(doubtful)
        certain = {
            both: one for both, one in pairs.items() if self.then.holds(one.first.occurred_at, one.first.recorded_at)
        }
        certain.update({both: one for both, one in self._folded.pairs.items() if not doubtful.isdisjoint(both)})
        seen = {key: one.seen for key, one in known.items() if one.seen is not None} | self._folded.seen
        case = Case(Evidence(seen, certain), decisions, self.reading.rules, screened)
        standing, _ = stand(case)
        found = marks(standing, case.blocked())
        return {key: mark for key, mark in found.items() if key in keys}

    def _may_be_shared(self, key: Key) -> bool:
        seen = self._folded.seen.get(key)
        type_ = self.reading.rules.types.get(seen.type) if seen else None
        return type_ is not None and type_.people is not None

    def _is_doubtful(self, together: Together) -> bool:
        first = together.first
        return (self.then.as_of is None or first.occurred_at <= self.then.as_of) and not self.then.knew(
            first.recorded_at
        )


async def person_then(
    people: People,
    histories: Histories,
    decided: KeyReader,
    rulebook: Rulebook,
    tenant: str,
    place: Place,
    then: Moment,
) -> Person:
    """Whoever a place belonged to at a moment; raises `NotFound` for an identifier that had not been seen by then."""
    reading = await _reading_then(people, rulebook, tenant, then)
    source = Hindsight(people, histories, decided, rulebook, reading, tenant, then)
    around = await surroundings(source, [place[0]], reading.rules)
    explanation = await asyncio.to_thread(around.explanation)
    person = explanation.person_of(place)
    evidence = around.case.evidence
    keys = {key for key, _ in places_of(explanation.found, person)}
    async with people.reading(tenant) as store:
        today = identifiers(await store.resolved.known(keys))
    seen = {key: evidence.seen[key] for key in keys if key in evidence.seen}
    known = {
        key: Identifier(key, one.type, one.value, seen[key].recorded_at if key in seen else None)
        for key, one in today.items()
        if key in seen or key in around.case.decisions.types
    }
    if not known:
        raise NotFound("person", place[0].hex())
    return person_in(explanation.found, person, evidence, known, reading.rules)


async def _reading_then(people: People, rulebook: Rulebook, tenant: str, then: Moment) -> Reading:
    """The rules in force by what was known then."""
    async with people.pool.acquire() as connection:
        rows = RulesRows(connection, tenant)
        version = await rows.in_force()
        if then.known_at is not None:
            known = (one.version for one in await rows.published() if then.knew(one.published_at))
            version = max(known, default=0)
        return await rulebook.reading(rows, version)
