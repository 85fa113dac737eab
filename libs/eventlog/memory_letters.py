"""Dead letters in memory: for fast tests and simulation, under the same contract as PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from libs.eventlog.checkpoint import Step
from libs.eventlog.dead_letters import Aside, Kind, Letter, Parked
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.clock import Clock

Place = tuple[int, int]


@dataclass(eq=False)
class MemoryDeadLetters:
    """See `DeadLetters`."""

    clock: Clock
    _rows: dict[Place, Letter] = field(default_factory=dict, init=False)

    async def aside(self, _: MemoryTransaction, steps: Sequence[Step]) -> Aside:
        """See `DeadLetters.aside`."""
        over = {step.partition: step for step in steps}
        dropped = (place for place, one in self._rows.items() if one.kind is Kind.DROPPED and place[0] in over)
        return Aside(
            frozenset((one.tenant, one.key) for one in self._rows.values() if one.kind is Kind.FAILED),
            frozenset(place for place in dropped if over[place[0]].old < place[1] <= over[place[0]].new),
        )

    async def park(self, transaction: MemoryTransaction, letters: Sequence[Letter]) -> None:
        """See `DeadLetters.park`."""
        for one in letters:
            self._put(transaction, replace(one, parked_at=self.clock.now()))

    async def waiting(self, _: MemoryTransaction, key: KeyOfTenant, limit: int) -> list[Letter]:
        """See `DeadLetters.waiting`."""
        return self._of(key)[:limit]

    async def count(self, _: MemoryTransaction, key: KeyOfTenant) -> int:
        """See `DeadLetters.count`."""
        return len(self._of(key))

    async def remove(self, transaction: MemoryTransaction, letters: Sequence[Letter]) -> None:
        """See `DeadLetters.remove`."""
        gone = {(one.partition, one.position): one for one in letters}
        for place in gone:
            del self._rows[place]
        transaction.undo_by(lambda: self._rows.update(gone))

    async def blame(self, transaction: MemoryTransaction, letter: Letter, cause: str) -> None:
        """See `DeadLetters.blame`."""
        self._put(transaction, replace(letter, kind=Kind.FAILED, cause=cause))

    async def drop(self, transaction: MemoryTransaction, letter: Letter, why: str, request_id: str) -> None:
        """See `DeadLetters.drop`."""
        gone = {"dropped_at": self.clock.now(), "dropped_why": why, "request_id": request_id or None}
        self._put(transaction, replace(letter, kind=Kind.DROPPED, **gone))

    async def at(self, _: MemoryTransaction, partition: int, position: int) -> Letter | None:
        """See `DeadLetters.at`."""
        return self._rows.get((partition, position))

    async def dropped_by(self, _: MemoryTransaction, tenant: str, request_id: str) -> Letter | None:
        """See `DeadLetters.dropped_by`."""
        for one in self._rows.values():
            if (one.tenant, one.request_id, one.kind) == (tenant, request_id, Kind.DROPPED):
                return one
        return None

    async def failed(self, key: KeyOfTenant) -> Letter | None:
        """See `DeadLetters.failed`."""
        return next((one for one in self._of(key) if one.kind is Kind.FAILED), None)

    async def parked(self) -> Parked:
        """See `DeadLetters.parked`."""
        kinds = [one.kind for one in self._rows.values() if one.kind is not Kind.DROPPED]
        return Parked(len(kinds), kinds.count(Kind.FAILED))

    def _of(self, key: KeyOfTenant) -> list[Letter]:
        """The letters of a key that failed or wait, in order."""
        found = (one for one in self._rows.values() if (one.tenant, one.key) == key and one.kind is not Kind.DROPPED)
        return sorted(found, key=lambda one: one.position)

    def _put(self, transaction: MemoryTransaction, letter: Letter) -> None:
        place = (letter.partition, letter.position)
        before = self._rows.get(place)
        self._rows[place] = letter
        transaction.undo_by(lambda: self._rows.pop(place) if before is None else self._rows.update({place: before}))
