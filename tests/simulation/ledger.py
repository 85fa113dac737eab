"""A consuming service as small as can be: it counts events per key, and records every count in its own log."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Final

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.checkpoint import Fenced, Step
from libs.eventlog.dead_letters import Aside, Letter
from libs.eventlog.event import Batch, Envelope, NewEvent
from libs.eventlog.memory import MemoryLog
from libs.eventlog.memory_letters import MemoryDeadLetters
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import Done, Output, Park, Retry, Verdict
from tests.simulation.network import Link, RowLock
from tests.support.tally import POISON

COUNTED: Final = "counted"


class Died(Exception):
    """The client of a transaction is gone."""


@dataclass(eq=False)
class Ledger:
    """The service's database: checkpoints, the ids counted of every key in their order, and the own log.

    `mended` says whether the release of the moment knows what to do with poison.
    """

    log: MemoryLog
    lock: RowLock
    positions: dict[int, int] = field(default_factory=dict)
    counted: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    mended: bool = False
    _open: AbstractContextManager[MemoryTransaction] | None = None

    def mend(self) -> None:
        """Roll out a release that folds poison."""
        self.mended = True

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """What is written in the block is undone unless it ends well, also where the one who wrote it dies in it."""
        mine = self._open = MemoryTransaction().committing()
        transaction = mine.__enter__()
        try:
            yield transaction
        except BaseException:
            if self._open is mine:
                self.roll_back()
            raise
        self._open = None
        mine.__exit__(None, None, None)

    def roll_back(self) -> None:
        """Undo the transaction that is open."""
        if self._open is not None:
            self._open.__exit__(Died, Died(), None)
            self._open = None


class LedgerSession:
    """One replica's connection to the ledger; see `Checkpoints` and `Outlet`."""

    def __init__(self, ledger: Ledger, link: Link) -> None:
        self.ledger = ledger
        self.link = link

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        """See `Checkpoints.load`."""

        async def load() -> dict[int, int]:
            return {partition: self.ledger.positions.get(partition, 0) for partition in partitions}

        return await self.link.call("load checkpoints", load)

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[MemoryTransaction]:
        """See `Checkpoints.advance`."""
        async with self.locked() as transaction:
            self.fence(steps)
            self.move(transaction, steps)
            await self.link.travel()
            yield transaction
            await self.link.travel()
        self.link.network.tell(f"ledger: commit {[(step.partition, step.old, step.new) for step in steps]}")
        await self.link.travel()

    @asynccontextmanager
    async def hold(self, partition: int) -> AsyncIterator[MemoryTransaction]:
        """See `Checkpoints.hold`."""
        async with self.locked() as transaction:
            await self.link.travel()
            yield transaction
            await self.link.travel()
        self.link.network.tell("ledger: commit")
        await self.link.travel()

    @asynccontextmanager
    async def savepoint(self, connection: MemoryTransaction) -> AsyncIterator[None]:
        """See `Checkpoints.savepoint`."""
        with connection.savepoint():
            yield

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[MemoryTransaction]:
        """A transaction; the locks are held to its end, on the server's side."""
        await self.link.travel()
        token = await self.ledger.lock.acquire()
        try:
            with self.ledger.transaction() as transaction:
                yield transaction
        finally:
            self.ledger.lock.release(token)

    def fence(self, steps: Sequence[Step]) -> None:
        """Refuse a replica that was overtaken."""
        if any(self.ledger.positions.get(step.partition, 0) != step.old for step in steps):
            self.link.network.tell("ledger: fenced")
            raise Fenced

    def move(self, transaction: MemoryTransaction, steps: Sequence[Step]) -> None:
        """Move the checkpoints when the transaction commits."""
        transaction.at_commit(lambda: self.ledger.positions.update({step.partition: step.new for step in steps}))

    async def emit(self, connection: MemoryTransaction, outputs: Sequence[Output]) -> None:
        """See `Outlet.emit`."""
        await self.ledger.log.append_in(connection, [output.event for output in outputs])


@dataclass(eq=False)
class LinkedLetters(MemoryDeadLetters):
    """The dead letters of the service, at the far end of a link."""

    link: Link

    async def aside(self, connection: MemoryTransaction, steps: Sequence[Step]) -> Aside:
        return await self.link.call("aside", lambda: super(LinkedLetters, self).aside(connection, steps))

    async def park(self, transaction: MemoryTransaction, letters: Sequence[Letter]) -> None:
        what = f"park {[(one.partition, one.position, one.kind.value) for one in letters]}"
        await self.link.call(what, lambda: super(LinkedLetters, self).park(transaction, letters))

    async def waiting(self, connection: MemoryTransaction, key: KeyOfTenant, limit: int) -> list[Letter]:
        return await self.link.call("waiting", lambda: super(LinkedLetters, self).waiting(connection, key, limit))

    async def remove(self, transaction: MemoryTransaction, letters: Sequence[Letter]) -> None:
        what = f"remove {[(one.partition, one.position) for one in letters]}"
        await self.link.call(what, lambda: super(LinkedLetters, self).remove(transaction, letters))

    async def drop(self, transaction: MemoryTransaction, letter: Letter, why: str, request_id: str) -> None:
        what = f"drop {letter.partition}:{letter.position}"
        await self.link.call(what, lambda: super(LinkedLetters, self).drop(transaction, letter, why, request_id))

    async def failed(self, key: KeyOfTenant) -> Letter | None:
        return await self.link.call("failed", lambda: super(LinkedLetters, self).failed(key))

    def rows(self) -> list[Letter]:
        """Every letter, in the order of the log."""
        return [self._rows[place] for place in sorted(self._rows)]


@dataclass(frozen=True, slots=True)
class Counting:
    """The handler: counts, and concludes one output from every event. Now and then it is in no mood."""

    ledger: Ledger
    link: Link
    chance: Random

    async def fold(self, transaction: MemoryTransaction, batches: Sequence[Batch]) -> Verdict:
        """See `Handler`."""
        outputs = []
        for batch in batches:
            for position, data in enumerate(batch.events, batch.first_position):
                event = pb.Event.FromString(data)
                if event.payload == POISON.encode() and not self.ledger.mended:
                    return Park("poison")
                count = self.count(transaction, event)
                outputs.append(Output(batch.partition, position, _counted(event, count)))
            await self.link.travel()
        moody = self.link.network.fail
        if moody and self.chance.random() < moody:
            return Retry("in no mood")
        return Done(outputs)

    def count(self, transaction: MemoryTransaction, event: pb.Event) -> int:
        """Count one event of its key, unless the transaction is undone; answers with the count."""
        counted, key = self.ledger.counted, event.key
        before = counted.get(key, ())
        counted[key] = (*before, event.id)
        transaction.undo_by(lambda: counted.update({key: before}))
        return len(before) + 1


def _counted(cause: pb.Event, count: int) -> NewEvent:
    """The same event whoever derives it: its id is a function of its cause."""
    envelope = Envelope(tenant=cause.tenant, type=COUNTED, causation_id=cause.id)
    id_ = blake2b(cause.id, digest_size=16, person=b"counted").digest()
    return envelope.seal().event(id_, cause.key, cause.occurred_at_micros, str(count).encode())
