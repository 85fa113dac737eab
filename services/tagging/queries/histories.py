"""Everything that happened to people, from the log of whoever owns it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from libs.conditions.event import Event
from libs.eventlog.event import Recorded
from libs.eventlog.log import KeySource
from libs.eventlog.projection import standing
from libs.people.person import Member, Person
from libs.people.placing import Placing
from libs.people.spans import WHOLE
from services.tagging.codec.interactions import event_of

AT_ONCE: Final = 16
"""Anchors that are read at the same time; each is a call."""


@dataclass(frozen=True, slots=True)
class Histories:
    """Reads the events of people; what was taken back or erased is not among them."""

    anchors: KeySource
    placing: Placing
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def of(self, tenant: str, person: Person) -> list[Event]:
        """The events of all places of a person, in no order; raises `Unavailable`."""
        by_anchor: dict[bytes, list[Member]] = {}
        for member in person.members:
            by_anchor.setdefault(member.identifier, []).append(member)
        parts = await asyncio.gather(*(self._of(tenant, anchor, those) for anchor, those in by_anchor.items()))
        return [event for part in parts for event in part]

    async def _of(self, tenant: str, anchor: bytes, members: Sequence[Member]) -> list[Event]:
        known: list[Recorded] = []
        async with self._few:
            async for page in self.anchors.read_key(tenant, anchor):
                known += page
        count = standing(known)
        cut = members[0].cut
        if cut is not None:
            spans = await self.placing.parted(cut, count)
            count = [one for member in members for one in spans.get(member.span, ())]
        elif all(member.span != WHOLE for member in members):
            return []  # a part of what is not cut any more has nothing: all of it lies in the whole
        return [event for one in count if (event := _read(one)) is not None]


def _read(recorded: Recorded) -> Event | None:
    """What can't be read is parked where it is folded, and is not counted here either."""
    try:
        return event_of(recorded.event)
    except msgspec.DecodeError:
        return None
