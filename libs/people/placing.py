"""Which span of its anchor an interaction belongs to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from libs.eventlog.event import Recorded
from libs.eventlog.projection import BLANKED, RETRACTED
from libs.people.anchor import Anchoring
from libs.people.said import INTERACTION_RECORDED, Said, read_said
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, Cut, Span, span_of

_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Placing:
    """Places interactions; `at` gives the rules of a tenant that they were stamped with."""

    at: Callable[[str, int], Awaitable[Anchoring]]

    async def parted(self, cut: Cut, events: Sequence[Recorded]) -> dict[Span, list[Recorded]]:
        """The events of an anchor by span, in order; those that take others back are in each."""
        spans: dict[Span, list[Recorded]] = {WHOLE: []}
        undoing: list[Recorded] = []
        for recorded in events:
            if recorded.event.type in {RETRACTED, BLANKED}:
                undoing.append(recorded)
            elif recorded.event.type == INTERACTION_RECORDED and recorded.event.payload:
                spans.setdefault(await self._span(cut, recorded), []).append(recorded)
        if undoing:
            for span, those in spans.items():
                spans[span] = sorted([*those, *undoing], key=lambda one: one.position)
        return spans

    async def _span(self, cut: Cut, recorded: Recorded) -> Span:
        """The span of an interaction; what can't be read lies in none, and fails where it is folded."""
        event = recorded.event
        if isinstance(cut, AtTimes):
            return span_of(cut, event.occurred_at_micros, "", None)
        beside = None
        try:
            said = read_said(event.payload)
            if isinstance(cut, ByIdentifier):
                beside = _next_strongest(said, await self.at(event.tenant, event.rules_version), event.key)
        except msgspec.DecodeError:
            said = _NOTHING
        return span_of(cut, event.occurred_at_micros, said.session, beside)


def _next_strongest(said: Said, anchoring: Anchoring, anchor: bytes) -> bytes | None:
    identified, _ = anchoring.identify_all(said.claims(), said.all_traits)
    others = [one for one in identified if one.key != anchor and one.type.kind == "person"]
    strongest = anchoring.anchor(others)
    return strongest.key if strongest else None
