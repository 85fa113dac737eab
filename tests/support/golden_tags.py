"""What somebody must have by every definition: all that happened, read from the beginning as naively as it is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as pb

from libs.conditions import batch
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.standing import Answer
from libs.conditions.tree import Condition
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenant
from services.tagging.codec.changes import (
    ASSIGNED,
    ENTERED,
    LEFT,
    REMOVED,
    SCORE_MOVED,
    STAGE_ENTERED,
    TIER_CHANGED,
)
from services.tagging.codec.values import value_of
from services.tagging.compiled import Compiled
from services.tagging.domain.around import Around
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.names import STAGE

Tags = dict[str, tuple[Any, str]]
"""The value that somebody holds by each definition, and what it is about."""

Values = dict[bytes, Tags]
"""What everybody holds of whom anything is known, by person."""


@dataclass(frozen=True)
class GoldenTags:
    """A tenant's definitions, answered straight from histories."""

    tenant: Tenant
    compiled: Compiled

    def held(self, events: Sequence[Event], said: Mapping[str, ByHand], now: Micros) -> Tags:
        """What somebody must hold at a moment to whom these events happened, and of whom this was said by hand."""
        compiled, zones = self.compiled, self.compiled.plan.zones
        features = Features()
        for event in events:
            # Stages and scores are found in what is kept by the day; tests of their own hold them to histories.
            if event.traits or STAGE in compiled.definitions or compiled.scores:
                compiled.plan.fold(features, event)
        around = Around({})
        asked = compiled.asked(features if events else None, around, said, self.tenant.source_ranks, now)

        def answer(name: str) -> Answer:
            if not events:  # nothing is known of them, so they did not even not do anything
                return Answer(holds=False)
            return batch.answer(self._conditions[name], events, asked.standing, now, zones)

        held: Tags = {}
        for name in compiled.order:
            found = compiled.definitions[name].verdict(asked._replace(answer=answer))
            if found.value is not None:
                around.let(name, found.value)
                held[name] = found.value, found.of
        return held

    @cached_property
    def _conditions(self) -> Mapping[str, Condition]:
        return {name: one for each in self.compiled.definitions.values() for name, one in each.conditions().items()}


def tell(held: Values, event: log_pb.Event) -> None:
    """Let everybody hold what an event of the tags log says; raises `KeyError` for what is taken from nobody."""
    name, now = told_of(event)
    if now is not None:
        held.setdefault(event.key, {})[name] = now
    elif name:
        del held[event.key][name]
        if not held[event.key]:
            del held[event.key]


def told_of(event: log_pb.Event) -> tuple[str, tuple[Any, str] | None]:  # noqa: PLR0911  one for each type
    """Of which definition an event tells, and what its person holds by it now."""
    match event.type:
        case type_ if type_ == ASSIGNED:
            said = pb.TagAssigned.FromString(event.payload)
            return said.tag, (value_of(said.value), said.of)
        case type_ if type_ == REMOVED:
            return pb.TagRemoved.FromString(event.payload).tag, None
        case type_ if type_ == ENTERED:
            return f"segment:{pb.SegmentEntered.FromString(event.payload).segment}", (True, "")
        case type_ if type_ == LEFT:
            return f"segment:{pb.SegmentLeft.FromString(event.payload).segment}", None
        case type_ if type_ == STAGE_ENTERED:
            stage = pb.StageEntered.FromString(event.payload).stage
            return "stage", (stage, "") if stage else None
        case type_ if type_ == TIER_CHANGED:
            tier = pb.TierChanged.FromString(event.payload).tier
            return "tier", (tier, "") if tier else None
        case type_ if type_ == SCORE_MOVED:
            moved = pb.ScoreMoved.FromString(event.payload)
            return f"score:{moved.tag}", (moved.level, "") if moved.level else None
        case _:
            return "", None
