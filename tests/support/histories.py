"""Histories of customers as they may go: events, some of them poison, retractions, and compaction in between."""

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

from hypothesis import strategies as st

from libs.eventlog.projection import Folded, LazyProjection, refold
from tests.support.logs import Store, added, key_of, retracted
from tests.support.tally import MENDED, POISON, TALLY, Tally

NAMES: Final = ("ann", "bob")
_runs: Final = count()


@dataclass(frozen=True, slots=True)
class Move:
    """Something happens to a customer; `number` is the amount added, or which of their events is taken back."""

    what: Literal["add", "poison", "retract", "compact", "race"]
    name: str
    number: int


def histories(max_size: int = 25) -> st.SearchStrategy[list[Move]]:
    """Histories of two customers, who may share a partition."""
    whats = st.sampled_from(["add", "add", "add", "poison", "retract", "compact", "race"])
    return st.lists(st.builds(Move, whats, st.sampled_from(NAMES), st.integers(1, 9)), max_size=max_size)


@dataclass(frozen=True, slots=True)
class Play:
    """Plays a history on a store with customers of its own, and holds every read equal to a fold of the whole log."""

    store: Store
    run: int

    @classmethod
    def on(cls, store: Store) -> "Play":
        return cls(store, next(_runs))

    async def through(self, moves: list[Move]) -> None:
        for move in moves:
            await self._make(move)
            await self._agrees(TALLY)
        await self._agrees(MENDED)
        await self._compact(MENDED, *NAMES)
        await self._agrees(MENDED)
        for one in await self.store.snapshots.load([self._key(name) for name in NAMES]):
            assert not one.parked
            assert not one.tail

    async def _make(self, move: Move) -> None:
        name = self._name(move.name)
        match move.what:
            case "add":
                await self.store.log.append([added(name, move.number)])
            case "poison":
                await self.store.log.append([added(name, POISON)])
            case "retract":
                recorded = await self.store.log.read_key(*self._key(move.name))
                positions = [one.position for one in recorded][-move.number :][:2]
                await self.store.log.append([retracted(name, *positions)])
            case "compact":
                await self._compact(TALLY, move.name)
            case "race":
                compactings = (self._compact(TALLY, *NAMES) for _ in range(2))
                await asyncio.gather(*compactings, self.store.log.append([added(name, move.number)]))

    async def _compact(self, projection: LazyProjection[Tally], *names: str) -> None:
        compactor = self.store.compactor(projection)
        compactor.request([self._key(name) for name in names])
        await compactor.compact_all()

    async def _agrees(self, projection: LazyProjection[Tally]) -> None:
        read = await self.store.reader(projection).read([self._key(name) for name in NAMES])
        for name, lazy in zip(NAMES, read, strict=True):
            whole = refold(projection, await self.store.log.read_key(*self._key(name)))
            assert _said(lazy) == _said(whole)

    def _name(self, name: str) -> str:
        return f"{name} of run {self.run}"

    def _key(self, name: str) -> tuple[str, bytes]:
        return "demo", key_of(self._name(name))


def _said(folded: Folded[Tally]) -> tuple[Tally, int, int, int | None]:
    parked = folded.parked.recorded.position if folded.parked else None
    return folded.state, folded.position, folded.recorded_at, parked
