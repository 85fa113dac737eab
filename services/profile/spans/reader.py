"""Reading parts of anchors: state + the part of the tail that is theirs, or their part of the whole log."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from libs.eventlog.event import Recorded
from libs.eventlog.log import KeyReader
from libs.eventlog.projection import Folded, LazyProjection, fold, needs_refold, refold
from libs.eventlog.snapshots import KeyOfTenant
from libs.people.person import Member
from libs.people.placing import Placing
from libs.people.spans import Span
from services.profile.domain.portrait import Portrait
from services.profile.spans.store import Kept, SpanStore

LONG_TAIL: Final = 16
BREATH_SPANS: Final = 16

Portraits = LazyProjection[Portrait]


class Tail(NamedTuple):
    """What of an anchor's log is not folded into its spans, by span; of all of it where `whole`."""

    spans: dict[Span, list[Recorded]]
    whole: bool
    position: int


@dataclass(frozen=True, slots=True)
class SpanReader:
    """Answers with the states of spans; listeners hear of anchors that should be folded into spans anew, or further."""

    log: KeyReader
    store: SpanStore
    placing: Placing
    listeners: list[Callable[[KeyOfTenant], None]] = field(default_factory=list)

    async def read(self, projection: Portraits, tenant: str, members: Sequence[Member]) -> list[Folded[Portrait]]:
        """State of every member, each a part of a cut anchor, in their order; `position` is that of the anchor."""
        kept = await self.store.load(projection.name, tenant, members)
        anchors = {member.identifier: (member, one) for member, one in zip(members, kept, strict=True)}
        tails = await asyncio.gather(*(self._tail(tenant, member, one) for member, one in anchors.values()))
        tail_of = dict(zip(anchors, tails, strict=True))
        states = []
        for index, (member, one) in enumerate(zip(members, kept, strict=True)):
            states.append(await self._state(projection, tail_of[member.identifier], member.span, one))
            if index % BREATH_SPANS == BREATH_SPANS - 1:
                await asyncio.sleep(0)  # let others have the loop
        return states

    async def read_at(
        self, projection: Portraits, tenant: str, member: Member, *, as_of: int | None, known_at: int | None
    ) -> Folded[Portrait]:
        """The same as of a past moment, see `LazyReader.read_at`."""
        events = (await self.events(tenant, member)).get(member.span, [])
        await projection.prepare(events)
        return refold(projection, events, as_of=as_of, known_at=known_at)

    async def events(self, tenant: str, member: Member) -> dict[Span, list[Recorded]]:
        """All of an anchor's log, by span."""
        log = await self.log.read_key(tenant, member.identifier)
        return await self.placing.parted(member.cut, log) if member.cut else {member.span: log}

    async def _tail(self, tenant: str, member: Member, kept: Kept | None) -> Tail:
        assert member.cut is not None, "an anchor that is not cut is read as a whole"
        events = await self.log.read_key(tenant, member.identifier, after=kept.position if kept else 0)
        anew = kept is not None and needs_refold(events)
        if kept is None or anew or len(events) > LONG_TAIL:
            for listener in self.listeners:
                listener((tenant, member.identifier))
        if anew:
            events = await self.log.read_key(tenant, member.identifier)
        position = events[-1].position if events else kept.position if kept else 0
        return Tail(await self.placing.parted(member.cut, events), kept is None or anew, position)

    async def _state(self, projection: Portraits, tail: Tail, span: Span, kept: Kept | None) -> Folded[Portrait]:
        events = tail.spans.get(span, [])
        await projection.prepare(events)
        if tail.whole:
            folded = refold(projection, events)
        else:
            folded = fold(projection, partial(begun, projection, kept.state if kept else None), events)
        if folded.parked is None:
            folded.position = tail.position
        return folded


def begun(projection: Portraits, state: bytes | None) -> Folded[Portrait]:
    """What to fold onto."""
    return Folded(projection.initial() if state is None else projection.decode(state))
