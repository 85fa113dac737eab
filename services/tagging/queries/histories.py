"""Everything that happened to people, from the log of whoever owns it.

Histories may be long. So they are read by page, with a turn for others after each; of most people few events are held,
and of who has more, one at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec

from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.eventlog.event import Recorded
from libs.eventlog.log import KeySource
from libs.eventlog.projection import blanked_positions, retracted_positions
from libs.people.person import Member, Person
from libs.people.placing import Placing
from libs.people.spans import WHOLE
from libs.runtime.clock import Micros
from libs.runtime.errors import FailedPrecondition
from services.tagging.codec.interactions import event_of

AT_ONCE: Final = 16
"""People whose histories are read at the same time."""
FEW_EVENTS: Final = 5_000
MOST_EVENTS: Final = 200_000
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Histories:
    """Reads the events of people; what was taken back or erased is not among them."""

    anchors: KeySource
    placing: Placing
    few: int = FEW_EVENTS
    most: int = MOST_EVENTS
    _several: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def of(self, tenant: str, person: Person) -> AsyncIterator[list[Event]]:
        """The events of all places of a person, in no order, held until the end.

        Raises `Unavailable`, and `FailedPrecondition` if there are more than `most`.
        """
        async with self._several:
            events = await self._at_most(self.few, tenant, person)
            if events is not None:
                yield events
                return
        async with self._alone:
            events = await self._at_most(self.most, tenant, person)
            if events is None:
                told = f"more than {self.most:,} events of this person would have to be held at once"
                raise FailedPrecondition("TOO_MUCH_HISTORY", told)
            yield events

    async def folded(self, tenant: str, person: Person, plan: Plan, until: Micros | None = None) -> Features | None:
        """What a plan keeps of all that happened to a person, or until a moment; None if nothing did.

        However much happened, few events are held. Raises `Unavailable`.
        """
        features, found = Features(), False
        async with self._several:
            events = await self._at_most(self.few, tenant, person)
            async for page in self._by_page(tenant, person) if events is None else _pages(events):
                for event in page:
                    if until is None or event.occurred_at <= until:
                        plan.fold(features, event)
                        found = True
                await asyncio.sleep(0)
        return features if found else None

    async def _at_most(self, most: int, tenant: str, person: Person) -> list[Event] | None:
        """The events of a person, read once; None if there are more."""
        found: list[Event] = []
        for anchor, members in _by_anchor(person):
            held: dict[int, Event] = {}
            gone: set[int] = set()
            async for page in self.anchors.read_key(tenant, anchor):
                gone |= retracted_positions(page) | blanked_positions(page)
                held |= await self._read(page, members)
                if len(found) + len(held) > most:
                    return None
                await asyncio.sleep(0)
            found += [event for position, event in held.items() if position not in gone]
        return found

    async def _by_page(self, tenant: str, person: Person) -> AsyncIterator[list[Event]]:
        """The same, read twice, because the last that happened may take back the first."""
        for anchor, members in _by_anchor(person):
            gone: set[int] = set()
            async for page in self.anchors.read_key(tenant, anchor):
                gone |= retracted_positions(page) | blanked_positions(page)
                await asyncio.sleep(0)
            async for page in self.anchors.read_key(tenant, anchor):
                events = await self._read(page, members)
                yield [event for position, event in events.items() if position not in gone]

    async def _read(self, page: Sequence[Recorded], members: Sequence[Member]) -> dict[int, Event]:
        """What of a page of an anchor is of those members, by position."""
        cut, those = members[0].cut, page
        if cut is not None:
            spans = await self.placing.parted(cut, page)
            those = [one for member in members for one in spans.get(member.span, ())]
        return {one.position: event for one in those if (event := _event(one)) is not None}


def _by_anchor(person: Person) -> Iterator[tuple[bytes, list[Member]]]:
    """The anchors that have something of a person, with their places there."""
    by_anchor: dict[bytes, list[Member]] = {}
    for member in person.members:
        by_anchor.setdefault(member.identifier, []).append(member)
    for anchor, members in by_anchor.items():
        # A part of what is not cut any more has nothing: all of it lies in the whole.
        if members[0].cut is not None or any(member.span == WHOLE for member in members):
            yield anchor, members


async def _pages(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    for begin in range(0, len(events), PAGE):
        yield events[begin : begin + PAGE]


def _event(recorded: Recorded) -> Event | None:
    """What can't be read is parked where it is folded, and is not counted here either."""
    try:
        return event_of(recorded.event)
    except msgspec.DecodeError:
        return None
