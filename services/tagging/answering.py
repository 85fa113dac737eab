"""What somebody has by each definition at a moment, and what of that is news."""

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from libs.conditions.features import Features
from libs.runtime.clock import Micros
from services.tagging.compiled import Compiled
from services.tagging.domain.around import Around
from services.tagging.domain.asked import Asked
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.holding import Change, Held, Holding, event_id, is_news
from services.tagging.domain.names import EVERYONE
from services.tagging.domain.verdict import Verdict
from services.tagging.store.due import Due


class Known(NamedTuple):
    """All that is known of a person: `features` are None for one of whom no event was ever seen, who holds what was
    said of them and nothing else.
    """

    features: Features | None
    said: Mapping[str, ByHand]
    ranks: Mapping[str, int]


class Answering(NamedTuple):
    """By what people of a tenant are answered, as of a moment."""

    tenant: str
    compiled: Compiled
    now: Micros

    def answered(self, due: Due, known: Known, before: Holding) -> tuple[Holding, list[Change]]:
        """What somebody who is due holds now, and what is to be told of that."""
        holding, changes = before.copy(), list[Change]()
        holding.revision += 1
        compiled, tags, moments = self.compiled, holding.tags, holding.changes
        order, definitions, readers = compiled.order, compiled.definitions, compiled.readers
        around = Around({name: tags[name].value for name in readers if name in tags})
        asked = compiled.asked(known.features, around, known.said, known.ranks, self.now)
        waiting = self._waiting(due, before, asked)  # a heap, so sorted
        answered = -1
        while waiting:
            place = heappop(waiting)
            if place == answered:
                continue
            answered, name = place, order[place]
            definition = definitions[name]
            found, held = definition.verdict(asked), tags.get(name)
            if found.changes_at is None:
                moments.pop(name, None)
            else:
                moments[name] = found.changes_at
            news = is_news(found, held)
            if news:
                changes.append(self._change(due, holding, name, found, definition.version))
            elif held is not None:
                tags[name] = _renewed(held, found, definition.version)
            if name in readers and (news or not definition.tells_all):
                around.let(name, found.value)
                for reader in readers[name]:
                    heappush(waiting, reader)
        changes += self._retired(due, holding)
        if due.historical:
            changes = [one._replace(historical=not self._by_time(due, before, one.name)) for one in changes]
        if not changes:
            holding.revision = before.revision
        return holding, changes

    def released(self, due: Due, before: Holding, became: bytes) -> tuple[Holding, list[Change]]:
        """What is to be told of somebody who is another person now, and holds nothing any more."""
        holding, changes = before.copy(), list[Change]()
        holding.revision += 1
        for name in sorted(before.tags):
            gone = Verdict(None, against="merged")
            change = self._change(due, holding, name, gone, before.tags[name].version)
            changes.append(change._replace(became=became, historical=due.historical))
        holding.changes.clear()
        return holding, changes

    def _retired(self, due: Due, holding: Holding) -> list[Change]:
        """What is to be told of definitions that are no more."""
        known = self.compiled.definitions.keys()
        if holding.tags.keys() <= known and holding.changes.keys() <= known:
            return []  # the rule
        for name in holding.changes.keys() - known:
            del holding.changes[name]
        gone = Verdict(None, against="retired")
        names = sorted(holding.tags.keys() - known)
        return [self._change(due, holding, name, gone, holding.tags[name].version) for name in names]

    def _waiting(self, due: Due, before: Holding, asked: Asked) -> list[int]:
        """The places of what is to be answered: what something happened to, and what the time has come for."""
        place = self.compiled.place
        if due.affected is None:
            return list(range(len(place)))
        come = [name for name, at in before.changes.items() if at <= self.now]
        waiting = {place[name] for name in (*due.affected, *come) if name in place}
        # Nothing that happens names this as affected: it is about being known at all.
        if EVERYONE in place and asked.known != (EVERYONE in before.tags):
            waiting.add(place[EVERYONE])
        return sorted(waiting)

    def _by_time(self, due: Due, before: Holding, name: str) -> bool:
        """Whether the time of a definition had come, and nothing happened to it."""
        at = before.changes.get(name)
        return at is not None and at <= self.now and due.affected is not None and name not in due.affected

    def _change(self, due: Due, holding: Holding, name: str, found: Verdict, version: int) -> Change:
        """Let a holding say what was found, and tell of it."""
        former = holding.tags.pop(name, None)
        id_ = event_id(self.tenant, due.person, holding.revision, name)
        now = None
        if found.value is not None:
            now = holding.tags[name] = Held(
                found.value,
                found.of,
                self.now if found.since is None else found.since,
                id_,
                version,
                found.origin,
                found.confidence,
                found.changes_at,
            )
        against = found.against
        if against == "condition" and former is not None and former.origin in {"by_hand", "imported"}:
            against = "cleared"
        backfill = name in due.backfill
        cause = found.set_by or (self.compiled.cause(name) if backfill or against == "retired" else due.cause)
        return Change(name, now, former, against, version, backfill, id_, cause or b"", points=found.points)


def _renewed(held: Held, found: Verdict, version: int) -> Held:
    """The same, held for other reasons or for longer."""
    since = held.since if found.since is None else found.since
    return Held(held.value, held.of, since, held.event_id, version, found.origin, found.confidence, found.changes_at)
