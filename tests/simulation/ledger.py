"""A consuming service as small as can be: it counts events per key, and records every count in its own log."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Final

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.checkpoint import Fenced, Step
from libs.eventlog.event import Batch, Envelope, NewEvent
from libs.eventlog.memory import MemoryLog
from libs.eventlog.verdict import DONE, Retry, Verdict
from tests.simulation.network import Link, RowLock

COUNTED: Final = "counted"


@dataclass(eq=False)
class Ledger:
    """The service's database: checkpoints, the ids counted of every key in their order, and the own log."""

    log: MemoryLog
    lock: RowLock
    positions: dict[int, int] = field(default_factory=dict)
    counted: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    deliveries: int = 0


@dataclass(eq=False, slots=True)
class Transaction:
    """What a replica has written and nobody else sees yet."""

    ledger: Ledger
    counted: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    outputs: list[NewEvent] = field(default_factory=list)

    def of(self, key: bytes) -> tuple[bytes, ...]:
        return self.counted.get(key) or self.ledger.counted.get(key, ())


class LedgerSession:
    """One replica's connection to the ledger; see `Checkpoints`."""

    def __init__(self, ledger: Ledger, link: Link) -> None:
        self.ledger = ledger
        self.link = link

    async def load(self, partitions: Sequence[int]) -> dict[int, int]:
        """See `Checkpoints.load`."""

        async def load() -> dict[int, int]:
            return {partition: self.ledger.positions.get(partition, 0) for partition in partitions}

        return await self.link.call("load checkpoints", load)

    @asynccontextmanager
    async def advance(self, steps: Sequence[Step]) -> AsyncIterator[Transaction]:
        """See `Checkpoints.advance`. The locks are held from the fence to the commit, on the server's side."""
        ledger, transaction = self.ledger, Transaction(self.ledger)
        await self.link.travel()
        token = await ledger.lock.acquire()
        try:
            self.fence(steps)
            await self.link.travel()
            yield transaction
            await self.link.travel()
            await self.commit(transaction, steps)
        finally:
            ledger.lock.release(token)
        await self.link.travel()

    def fence(self, steps: Sequence[Step]) -> None:
        """Refuse a replica that was overtaken."""
        if any(self.ledger.positions.get(step.partition, 0) != step.old for step in steps):
            self.link.network.tell("ledger: fenced")
            raise Fenced

    async def commit(self, transaction: Transaction, steps: Sequence[Step]) -> None:
        """Make everything visible at one moment."""
        ledger = self.ledger
        ledger.counted |= transaction.counted
        ledger.positions |= {step.partition: step.new for step in steps}
        await ledger.log.append(transaction.outputs)
        self.link.network.tell(f"ledger: commit {[(step.partition, step.old, step.new) for step in steps]}")


@dataclass(frozen=True, slots=True)
class Counting:
    """The handler: counts, and concludes one output from every event. Now and then it is in no mood."""

    link: Link
    chance: Random

    async def fold(self, transaction: Transaction, batches: Sequence[Batch]) -> Verdict:
        """See `Handler`."""
        for batch in batches:
            for data in batch.events:
                event = pb.Event.FromString(data)
                counted = (*transaction.of(event.key), event.id)
                transaction.counted[event.key] = counted
                transaction.outputs.append(self.output(event, len(counted)))
            await self.link.travel()
        moody = self.link.network.fail
        if moody and self.chance.random() < moody:
            return Retry("in no mood")
        return DONE

    def output(self, cause: pb.Event, count: int) -> NewEvent:
        """The same event whoever derives it: its id is a function of its cause."""
        envelope = Envelope(tenant=cause.tenant, type=COUNTED, causation_id=cause.id)
        id_ = blake2b(cause.id, digest_size=16, person=b"counted").digest()
        return envelope.seal().event(id_, cause.key, cause.occurred_at_micros, str(count).encode())
