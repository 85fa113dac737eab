"""What people held at a past moment, as the log of tags tells it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from libs.conditions.features import Features
from libs.conditions.references import references
from libs.eventlog.event import Recorded
from libs.eventlog.postgres import PostgresLog
from libs.runtime.clock import Micros
from services.tagging.codec.hearing import told_in
from services.tagging.domain.holding import Held, Holding
from services.tagging.domain.names import EVERYONE, name_of
from services.tagging.membership.terms import Told
from services.tagging.operations.running import Progress
from services.tagging.operations.walking import Portion
from services.tagging.queries.question import Question

_AT_ONCE: Final = 5_000


@dataclass(slots=True)
class _Past:
    """What somebody held of what matters, and how much they held at all."""

    holding: Holding = field(default_factory=Holding)
    things: int = 0


@dataclass(frozen=True, slots=True)
class Rewinding:
    """Reads the log of tags up to a moment, one partition in memory at a time and of it only what a condition reads."""

    log: PostgresLog

    async def portions(
        self, question: Question, as_of: Micros, heads: dict[int, int], progress: Progress
    ) -> AsyncIterator[Portion]:
        """Everybody who held anything at a moment, by what was recorded up to some heads."""
        read = {*references(question.condition), EVERYONE}
        for partition, head in heads.items():
            past = await self._past(partition, head, question.tenant.id, as_of, read, progress)
            told = any(EVERYONE in one.holding.tags for one in past.values())
            some = [
                (person, one.holding)
                for person, one in sorted(past.items())
                if (EVERYONE in one.holding.tags if told else one.things)
            ]
            for begin in range(0, len(some), _AT_ONCE):
                those = some[begin : begin + _AT_ONCE]
                met = {person: one for person, one in those if question.holds(Features(), one, as_of)}
                yield Portion(len(those), met)

    async def _past(
        self, partition: int, head: int, tenant: str, as_of: Micros, read: set[str], progress: Progress
    ) -> dict[bytes, _Past]:
        past: dict[bytes, _Past] = {}
        async for batch in self.log.stream(partition, 0):
            for recorded in batch.until(head).recorded():
                if recorded.event.tenant == tenant and recorded.event.occurred_at_micros <= as_of:
                    told = told_in(recorded.event, recorded.position)
                    if told is not None:
                        _take(past, told, recorded, read)
            progress.looked_at += len(batch.events)
            if batch.last_position >= head:
                break
        return past


def _take(past: dict[bytes, _Past], told: Told, recorded: Recorded, read: set[str]) -> None:
    one = past.get(told.person)
    if one is None:
        one = past[told.person] = _Past()
    one.things += (told.now is not None) - (told.former is not None)
    if told.reference in read:
        name = name_of(told.reference)
        if told.now is None:
            one.holding.tags.pop(name, None)
        else:
            one.holding.tags[name] = Held(told.now, "", told.since, recorded.event.id, 0, "rule", 1.0)
