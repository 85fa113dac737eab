"""Folding cut anchors into spans, in the background: as soon as they are cut, and when a read found much to fold."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from libs.eventlog.database import TROUBLE
from libs.eventlog.event import Recorded
from libs.eventlog.living import LivingProjection
from libs.eventlog.projection import Folded, bounded, fold, needs_refold, refold
from libs.eventlog.snapshots import KeyOfTenant
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import Cut, Span
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from services.profile.domain.portrait import Portrait
from services.profile.spans.reader import BREATH_SPANS, Portraits, SpanReader, begun
from services.profile.spans.store import Mark

PAUSE_SECONDS: Final = 0.1  # a cut is asked for before the transaction that tells of it is over
RETRY_SECONDS: Final = 1.0
TRIES: Final = 5  # each fails only if another replica was faster


class _TooFull(Exception):
    """A span holds more than is kept, and is to be folded from the whole log."""


@dataclass(eq=False)
class SpanKeeper:
    """Keeps the tails of cut anchors short, in the version of the portraits that is read."""

    reader: SpanReader
    living: LivingProjection[Portrait]
    map: PostgresIdentityMap
    metrics: Metrics
    _due: dict[KeyOfTenant, None] = field(default_factory=dict, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def request(self, *keys: KeyOfTenant) -> None:
        """Make anchors due; those that are not cut cost a look."""
        self._due.update(dict.fromkeys(keys))
        self._wake.set()

    async def run(self) -> None:
        """Fold what is due until cancelled; a database that is away only delays it."""
        log = structlog.get_logger()
        with suppress(*TROUBLE):  # it can wait for the next start
            await self.reader.store.clear([one.name for one in await self.living.versions.load()])
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(PAUSE_SECONDS)
            due, self._due = list(self._due), {}
            for place, (tenant, anchor) in enumerate(due):
                try:
                    await self.fold(tenant, anchor)
                except (*TROUBLE, Unavailable) as error:
                    log.warning("spans_delayed", error=repr(error))
                    self.request(*due[place:])
                    await asyncio.sleep(RETRY_SECONDS)
                    break
                except Exception:
                    log.exception("spans_not_folded", tenant=tenant, anchor=anchor.hex())
            self.metrics.heartbeat("spans")

    async def forget(self, keys: Sequence[KeyOfTenant]) -> None:
        """Fold anchors whose past was erased until no state holds it; raises `Unavailable` if one may still do."""
        await self.reader.store.forget_others(self.living.active.version.name, keys)
        for tenant, anchor in keys:
            for _ in range(TRIES):
                if await self.fold(tenant, anchor):
                    break
            else:
                raise Unavailable("spans", f"{anchor.hex()} can't be folded")

    async def fold(self, tenant: str, anchor: bytes) -> bool:
        """Fold an anchor into spans, as far as its log goes; false where somebody else was faster."""
        projection, store = self.living.active.reader.projection, self.reader.store
        cut, version = await self.map.cut_of(tenant, anchor)
        mark = await store.mark(projection.name, tenant, anchor)
        if cut is None:
            return mark is None or await store.end(mark)
        if mark is not None and mark.cut_version == version:
            tail = await self.reader.log.read_key(tenant, anchor, after=mark.position)
            if not needs_refold(tail):
                with suppress(_TooFull):
                    return await self._further(projection, mark, cut, tail)
        whole = await self.reader.log.read_key(tenant, anchor)
        parts, position = await self._anew(projection, cut, whole)
        return await store.replace(mark, Mark(projection.name, tenant, anchor, version, position), parts)

    async def _further(self, projection: Portraits, mark: Mark, cut: Cut, tail: Sequence[Recorded]) -> bool:
        """Fold a tail; raises `_TooFull`."""
        parted = await self.reader.placing.parted(cut, tail)
        parts = {span: those for span, those in parted.items() if those}
        held = await self.reader.store.states(mark, list(parts))
        folded: dict[Span, bytes] = {}
        for index, (span, events) in enumerate(parts.items()):
            await projection.prepare(events)
            one = fold(projection, partial(begun, projection, held.get(span)), events)
            if one.parked is not None:
                return await self._further(projection, mark, cut, _before(tail, one))
            if projection.overfull(one.state):
                raise _TooFull
            folded[span] = projection.encode(one.state)
            await _breathe(index)
        return not tail or await self.reader.store.advance(mark, tail[-1].position, folded)

    async def _anew(self, projection: Portraits, cut: Cut, whole: Sequence[Recorded]) -> tuple[dict[Span, bytes], int]:
        """The states of all spans, and the position that they are of."""
        parts: dict[Span, bytes] = {}
        for index, (span, events) in enumerate((await self.reader.placing.parted(cut, whole)).items()):
            await projection.prepare(events)
            one = bounded(projection, refold(projection, events))
            if one.parked is not None:
                return await self._anew(projection, cut, _before(whole, one))
            if one.state.interactions:
                parts[span] = projection.encode(one.state)
            await _breathe(index)
        return parts, whole[-1].position if whole else 0


def _before(events: Sequence[Recorded], folded: Folded[Portrait]) -> Sequence[Recorded]:
    """The events before the one that can't be folded: of all spans, for they share one position."""
    assert folded.parked is not None
    return [one for one in events if one.position < folded.parked.recorded.position]


async def _breathe(index: int) -> None:
    if index % BREATH_SPANS == BREATH_SPANS - 1:
        await asyncio.sleep(0)  # let others have the loop
