"""Who is who, kept up to date in memory: each change resolves its neighbourhood anew, and tells what moved.

This is the order of steps that a transaction of the service takes under the tenant's resolver lock, with dictionaries
in the place of tables; and as it holds no state but what can be derived, it ends where resolving everything at once
ends, whatever the order and the batches of what it learns.
"""

import sys
from collections import Counter
from collections.abc import Container, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from libs.people.identifiers import IdentifierRules
from libs.people.spans import WHOLE
from services.identity.domain.changes import AnchorCut, IdentifierMoved, IdentityChange, changes, regrouped
from services.identity.domain.evidence import Evidence, Key, combine
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.leaves import Leaves, leaves, without
from services.identity.domain.naming import PersonId
from services.identity.domain.neighbourhood import Neighbourhood
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.resolved import Resolved
from services.identity.domain.standing import Case
from services.identity.domain.touch import touched

LARGEST_NEIGHBOURHOOD: Final = 5_000
NOBODY: Final[Mapping[Key, Key]] = {}


class Identities:
    """The people of one tenant. `versions` are the last ones given to each identifier's changes."""

    def __init__(
        self,
        rules: IdentifierRules,
        screened: frozenset[Key] = frozenset(),
        largest: int = LARGEST_NEIGHBOURHOOD,
        versions: Mapping[Key, int] | None = None,
    ) -> None:
        self.rules = rules
        self.screened = screened
        self.knowledge = Knowledge()
        self.resolved = Resolved()
        self.versions: dict[Key, int] = dict(versions or {})
        self.waiting: dict[Key, bytes] = {}
        """The slow lane: what touched a neighbourhood that is too large to be resolved in passing, with its cause."""
        self._largest = largest

    @property
    def case(self) -> Case:
        """Everything known."""
        return Case(self.knowledge.evidence, self.knowledge.decisions, self.rules, self.screened)

    def observe(self, evidence: Evidence, cause: bytes) -> list[IdentityChange]:
        """Learn more evidence."""
        known = self.knowledge.evidence
        total = Evidence(
            {key: known.seen[key] for key in evidence.seen if key in known.seen},
            {both: known.pairs[both] for both in evidence.pairs if both in known.pairs},
            {login: known.logins[login] for login in evidence.logins if login in known.logins},
        )
        combine(total, evidence)
        return self.learn(News(total.seen, total.pairs, total.logins), cause)

    def learn(self, news: News, cause: bytes) -> list[IdentityChange]:
        """Take in what is known now; the answer is what the identity log is to say of it."""
        # Not the difference of the keys: Python would look at each of those known, who are everybody.
        fresh = {key for key in news.seen if key not in self.knowledge.evidence.seen}
        found = leaves(self.knowledge, news, self.rules, self._is_plain)
        joined = found.fitting(self.resolved.all.person_of, self._counts(found) if found.counted else {})
        touches = touched(self.knowledge, without(news, joined), self.rules, self.screened, self.resolved.marks)
        self.knowledge.take(news)
        return self._reconsider(touches, fresh, cause, self._largest, joined)

    def publish(self, rules: IdentifierRules, screened: frozenset[Key], cause: bytes) -> list[IdentityChange]:
        """Go by other rules, for all that was ever seen."""
        self.rules, self.screened = rules, screened
        everybody = {*self.knowledge.evidence.seen, *self.knowledge.decisions.types}
        return self._reconsider(everybody, set(), cause, self._largest)

    def settle(self) -> list[IdentityChange]:
        """Resolve what waits in the slow lane."""
        told: list[IdentityChange] = []
        while self.waiting:
            key, cause = next(iter(self.waiting.items()))
            told += self._reconsider({key}, set(), cause, sys.maxsize)
        return told

    def _is_plain(self, key: Key) -> bool:
        found = self.resolved.all
        return not (key in found.marks or key in found.cuts or key in self.waiting or key in self.screened)

    def _counts(self, found: Leaves) -> Counter[PersonId]:
        """How many of the counted type each person has, those of which they have but a part included."""
        stands, types = self.resolved.all, {key: seen.type for key, seen in self.knowledge.evidence.seen.items()}
        of_type = [key for key, name in types.items() if found.type and name == found.type.name]
        whole = {(key, stands.person_of(key)) for key in (*of_type, *(self.knowledge.decisions.types.keys() - types))}
        parts = {(key, tied.person) for (key, _), tied in stands.spans.items()}
        return Counter(person for _, person in whole | parts)

    def _reconsider(
        self,
        touches: AbstractSet[Key],
        fresh: AbstractSet[Key],
        cause: bytes,
        largest: int,
        joined: Mapping[Key, Key] = NOBODY,
    ) -> list[IdentityChange]:
        told: list[IdentityChange] = []
        was, now = Resolution(), Resolution()
        rest, done = set(touches), set[Key]()
        unsettled = Either(rest, self.waiting)
        for seed in sorted(touches):
            if seed not in rest:  # it was in another one's neighbourhood
                continue
            around = self._neighbourhood(seed, unsettled, largest)
            if around.oversized:
                self.waiting.update(dict.fromkeys(around.inside & rest, cause))
            else:
                before, after = self._resolve(around)
                told += self._number(changes(before, after, self.versions, cause))
                was.people.update(before.people)
                now.people.update(after.people)
                done |= around.inside
            rest -= around.inside
        # Whoever is in a neighbourhood was resolved with it.
        told += (self._join(leaf, stem, cause) for leaf, stem in joined.items() if leaf not in done)
        return [*told, *regrouped(was, now, done - fresh, cause)]

    def _join(self, leaf: Key, stem: Key, cause: bytes) -> IdentifierMoved:
        """Let a leaf be of the same person as its neighbour."""
        person = self.resolved.all.person_of(stem)
        self.resolved.hold(Resolution(people={leaf: person}))
        self.versions[leaf] = version = self.versions.get(leaf, 0) + 1
        return IdentifierMoved(leaf, WHOLE, leaf, person, version, cause)

    def _neighbourhood(self, seed: Key, touches: Container[Key], largest: int) -> Neighbourhood:
        around = Neighbourhood(seed, touches, self.rules, self.screened, largest)
        while around.unread and not around.oversized:
            evidence, decisions = self.knowledge.around(around.unread)
            marks, spoken_of = self.resolved.marks, evidence.seen.keys() | decisions.types.keys()
            around.read(evidence, decisions, {key: marks[key] for key in spoken_of if key in marks})
        return around

    def _resolve(self, around: Neighbourhood) -> tuple[Resolution, Resolution]:
        """What was found before about a neighbourhood and what is now, which from here on stands."""
        after = resolve(around.case, around.inside, around.given)
        before = self.resolved.within(around.inside, after.spans)
        self.resolved.replace(before, after)
        for key in around.inside & self.waiting.keys():
            del self.waiting[key]
        return before, after

    def _number(self, told: list[IdentifierMoved | AnchorCut]) -> list[IdentifierMoved | AnchorCut]:
        for one in told:
            self.versions[one.identifier if isinstance(one, IdentifierMoved) else one.anchor] = one.version
        return told


@dataclass(frozen=True, slots=True)
class Either:
    """What one of two containers holds, as they are at the moment: a union would copy them for each neighbourhood."""

    one: Container[Key]
    other: Container[Key]

    def __contains__(self, key: object) -> bool:
        return key in self.one or key in self.other
