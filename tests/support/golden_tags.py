"""What somebody must have of every tag: all that happened, read from the beginning as naively as it is meant."""

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
from services.tagging.catalogue import Compiled
from services.tagging.codec.changes import ASSIGNED, REMOVED
from services.tagging.codec.values import value_of
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.verdict import verdict

Tags = dict[str, tuple[Any, str]]
"""The value of each tag that somebody holds and what it is about."""

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
            if event.traits:
                compiled.plan.fold(features, event)
        values: dict[str, Any] = {}
        standing = compiled.standing(features, values, self.tenant.source_ranks)

        def answer(name: str) -> Answer:
            if not events:  # nothing is known of them, so they did not even not do anything
                return Answer(holds=False)
            return batch.answer(self._conditions[name], events, standing, now, zones)

        held: Tags = {}
        for tag in compiled.order:
            found = verdict(compiled.definitions[tag], answer, said.get(tag), now, zones.tenant)
            if found.value is not None:
                values[tag] = found.value
                held[tag] = found.value, found.of
        return held

    @cached_property
    def _conditions(self) -> Mapping[str, Condition]:
        return {name: one for each in self.compiled.definitions.values() for name, one in each.conditions().items()}


def tell(held: Values, event: log_pb.Event) -> None:
    """Let everybody hold what an event of the tags log says; raises `KeyError` for what is taken from nobody."""
    if event.type == ASSIGNED:
        said = pb.TagAssigned.FromString(event.payload)
        held.setdefault(event.key, {})[said.tag] = value_of(said.value), said.of
    elif event.type == REMOVED:
        del held[event.key][pb.TagRemoved.FromString(event.payload).tag]
        if not held[event.key]:
            del held[event.key]
