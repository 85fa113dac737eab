"""Evidence and decisions in memory, found by the identifiers that they are about."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from libs.people.spans import Span
from services.identity.domain.decisions import Decisions, IdentityDecision, evolve, subjects
from services.identity.domain.evidence import Evidence, Key, Login, Pair, Seen, Sight, Together

Name = TypeVar("Name")
Row = TypeVar("Row")


class News(msgspec.Struct, frozen=True):
    """Rows of evidence as they stand now, None where there is nothing left, and decisions that were made."""

    seen: Mapping[Key, Seen | None] = {}
    pairs: Mapping[Pair, Together | None] = {}
    logins: Mapping[Login, Sight | None] = {}
    decisions: tuple[IdentityDecision, ...] = ()


class Knowledge:
    """All that is known about one tenant's people, with the indexes that its tables have."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self.decisions = Decisions()
        self._beside: dict[Key, set[Key]] = {}
        self._decided: dict[Key, set[Key]] = {}
        self._sessions: dict[Key, set[tuple[Key, Span]]] = {}
        self._accounts: dict[tuple[Key, Span], set[Key]] = {}

    def take(self, news: News) -> None:
        """Put the rows in place of those that stood."""
        _replace(self.evidence.seen, news.seen)
        _replace(self.evidence.pairs, news.pairs)
        _replace(self.evidence.logins, news.logins)
        for (a, b), together in news.pairs.items():
            _index(self._beside, a, b, together is not None)
            _index(self._beside, b, a, together is not None)
        for (key, session, account), sight in news.logins.items():
            _index(self._sessions, account, (key, session), sight is not None)
            _index(self._accounts, (key, session), account, sight is not None)
        for decision in news.decisions:
            evolve(self.decisions, decision)
            keys = [one.key for one in subjects(decision)]
            for key in keys:
                self._decided.setdefault(key, set()).update(keys)

    def hold(self, evidence: Evidence, decisions: Decisions) -> None:
        """Put in what was read of a larger store: rows and registers that stand."""
        self.take(News(evidence.seen, evidence.pairs, evidence.logins))
        held = self.decisions
        held.links.update(decisions.links)
        held.forbidden.update(decisions.forbidden)
        held.blocked.update(decisions.blocked)
        held.types.update(decisions.types)
        for both in (*decisions.links, *decisions.forbidden, *((key,) for key in decisions.blocked)):
            for key in both:
                self._decided.setdefault(key, set()).update(both)

    def beside(self, key: Key) -> frozenset[Key]:
        """The identifiers seen with one."""
        return frozenset(self._beside.get(key, ()))

    def decided_with(self, key: Key) -> frozenset[Key]:
        """The identifiers that stand in a decision with one."""
        return frozenset(self._decided.get(key, ()))

    def accounts(self, key: Key, session: Span) -> frozenset[Key]:
        """What was logged in within a session of an identifier."""
        return frozenset(self._accounts.get((key, session), ()))

    def around(self, keys: Iterable[Key]) -> tuple[Evidence, Decisions]:
        """What a `Neighbourhood` wants to read of some identifiers."""
        evidence, decisions = Evidence(), Decisions()
        reached: set[Key] = set()
        for key in keys:
            reached |= {key, *self.beside(key)}
            for other in self.beside(key):
                both = (key, other) if key < other else (other, key)
                evidence.pairs[both] = self.evidence.pairs[both]
            for place in self._sessions.get(key, ()):
                for account in self.accounts(*place):
                    reached |= {place[0], account}
                    evidence.logins[*place, account] = self.evidence.logins[*place, account]
            for other in self._decided.get(key, ()):
                reached.add(other)
        evidence.seen = {key: self.evidence.seen[key] for key in reached if key in self.evidence.seen}
        for key in reached:
            self._decided_about(key, decisions)
        return evidence, decisions

    def _decided_about(self, key: Key, into: Decisions) -> None:
        known = self.decisions
        for other in self._decided.get(key, ()):
            both = (key, other) if key < other else (other, key)
            if both in known.links:
                into.links[both] = known.links[both]
            if both in known.forbidden:
                into.forbidden[both] = known.forbidden[both]
            into.types[other] = known.types[other]
        if key in known.blocked:
            into.blocked[key] = known.blocked[key]


def _replace(rows: dict[Name, Row], news: Mapping[Name, Row | None]) -> None:
    for name, row in news.items():
        if row is None:
            rows.pop(name, None)
        else:
            rows[name] = row


def _index(index: dict[Name, set[Row]], name: Name, entry: Row, present: bool) -> None:
    entries = index.setdefault(name, set())
    if present:
        entries.add(entry)
    else:
        entries.discard(entry)
