"""What somebody has of each tag at a moment, and what of that is news."""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Final, NamedTuple

from libs.conditions.comparisons import Scalar
from libs.conditions.features import Features
from libs.conditions.standing import Answer
from libs.runtime.clock import Micros
from services.tagging.catalogue import Compiled
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.holding import Change, Held, Holding, event_id, is_news
from services.tagging.domain.verdict import Verdict, verdict
from services.tagging.store.due import Due

_NO: Final = Answer(holds=False)


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
        values = {tag: held.value for tag, held in holding.tags.items()}
        answer = self._answers(known, values)
        waiting = self._asked(due, before)  # a heap, so sorted
        answered = -1
        while waiting:
            place = heappop(waiting)
            if place == answered:
                continue
            answered, tag = place, self.compiled.order[place]
            definition = self.compiled.definitions[tag]
            found = verdict(definition, answer, known.said.get(tag), self.now, self.compiled.plan.zones.tenant)
            _note(holding, tag, found)
            if is_news(found, holding.tags.get(tag)):
                changes.append(self._change(due, holding, tag, found, definition.version))
                if found.value is None:
                    values.pop(tag, None)
                else:
                    values[tag] = found.value
                for reader in self.compiled.readers(f"tag:{tag}"):
                    heappush(waiting, self.compiled.place[reader])
            elif (held := holding.tags.get(tag)) is not None:
                holding.tags[tag] = _renewed(held, found, definition.version)
        changes += self._retired(due, holding)
        if due.historical:
            changes = [one._replace(historical=not self._by_time(due, before, one.tag)) for one in changes]
        if not changes:
            holding.revision = before.revision
        return holding, changes

    def released(self, due: Due, before: Holding, became: bytes) -> tuple[Holding, list[Change]]:
        """What is to be told of somebody who is another person now, and holds nothing any more."""
        holding, changes = before.copy(), list[Change]()
        holding.revision += 1
        for tag in sorted(before.tags):
            gone = Verdict(None, against="merged")
            change = self._change(due, holding, tag, gone, before.tags[tag].version)
            changes.append(change._replace(became=became, historical=due.historical))
        holding.changes.clear()
        return holding, changes

    def _retired(self, due: Due, holding: Holding) -> list[Change]:
        """What is to be told of tags that are no more."""
        known = self.compiled.definitions  # that all are known is the rule, so no set of them all is made
        for tag in [tag for tag in holding.changes if tag not in known]:
            del holding.changes[tag]
        gone = Verdict(None, against="retired")
        tags = sorted(tag for tag in holding.tags if tag not in known)
        return [self._change(due, holding, tag, gone, holding.tags[tag].version) for tag in tags]

    def _answers(self, known: Known, values: Mapping[str, Scalar]) -> Callable[[str], Answer]:
        if known.features is None:
            return lambda _: _NO
        standing = self.compiled.standing(known.features, values, known.ranks)
        return self.compiled.plan.asking(known.features, standing, self.now)

    def _asked(self, due: Due, before: Holding) -> list[int]:
        """The places of the tags to answer: those that something happened to, and those whose time has come."""
        place = self.compiled.place
        if due.affected is None:
            return list(range(len(place)))
        come = [tag for tag, at in before.changes.items() if at <= self.now]
        return sorted({place[tag] for tag in (*due.affected, *come) if tag in place})

    def _by_time(self, due: Due, before: Holding, tag: str) -> bool:
        """Whether the time of a tag had come, and nothing happened to it."""
        at = before.changes.get(tag)
        return at is not None and at <= self.now and due.affected is not None and tag not in due.affected

    def _change(self, due: Due, holding: Holding, tag: str, found: Verdict, version: int) -> Change:
        """Let a holding say what was found, and tell of it."""
        former = holding.tags.pop(tag, None)
        id_ = event_id(self.tenant, due.person, holding.revision, tag)
        now = None
        if found.value is not None:
            now = holding.tags[tag] = Held(
                found.value,
                found.of,
                self.now,
                id_,
                version,
                found.origin,
                found.confidence,
                found.changes_at,
            )
        against = found.against
        if against == "condition" and former is not None and former.origin in {"by_hand", "imported"}:
            against = "cleared"
        backfill = tag in due.backfill
        cause = found.set_by or (self.compiled.causes.get(tag) if backfill or against == "retired" else due.cause)
        return Change(tag, now, former, against, version, backfill, id_, cause or b"")


def _note(holding: Holding, tag: str, found: Verdict) -> None:
    if found.changes_at is None:
        holding.changes.pop(tag, None)
    else:
        holding.changes[tag] = found.changes_at


def _renewed(held: Held, found: Verdict, version: int) -> Held:
    """The same tag, held for other reasons or for longer."""
    return Held(
        held.value, held.of, held.since, held.event_id, version, found.origin, found.confidence, found.changes_at
    )
