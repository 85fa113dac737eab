"""A projection that remembers the order of each key, in memory and in PostgreSQL, and events to spoil it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Protocol

import asyncpg
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.checkpoint import MemoryCheckpoints, PostgresCheckpoints
from libs.eventlog.database import Connection
from libs.eventlog.dead_letters import PARKED_KEYS, DeadLetters, PostgresDeadLetters
from libs.eventlog.event import Batch, Envelope, NewEvent, Recorded
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.memory import MemoryLog
from libs.eventlog.memory_letters import MemoryDeadLetters
from libs.eventlog.memory_transaction import MemoryTransaction
from libs.eventlog.mending import ConsumerMender, Dropping, Mended
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import Done, Output, Park, Verdict
from libs.runtime.clock import ManualClock
from tests.support.logs import NOON, PARTITIONS, StreamedLog

PROJECTION: Final = "ledger"
NOTED: Final = "noted"

Entry = tuple[str, bytes, int]
Ledger = dict[KeyOfTenant, list[int]]
Place = tuple[int, int]

TABLE: Final = """
    CREATE TABLE ledger (tenant text, key uuid, positions bigint[] NOT NULL, PRIMARY KEY (tenant, key))"""

_ADD: Final = """
    INSERT INTO ledger (tenant, key, positions)
    SELECT tenant, key, array_agg(position ORDER BY place) FROM unnest($1::text[], $2::uuid[], $3::bigint[])
      WITH ORDINALITY AS added(tenant, key, position, place) GROUP BY tenant, key ORDER BY tenant, key
    ON CONFLICT (tenant, key) DO UPDATE SET positions = ledger.positions || excluded.positions"""


class Shelf(Protocol):
    """Where the ledger is kept."""

    async def add(self, connection: Any, entries: Sequence[Entry]) -> None: ...

    async def read(self) -> Ledger: ...


@dataclass
class MemoryShelf:
    kept: Ledger = field(default_factory=dict)

    async def add(self, transaction: MemoryTransaction, entries: Sequence[Entry]) -> None:
        for tenant, key, position in entries:
            mine = self.kept.setdefault((tenant, key), [])
            mine.append(position)
            transaction.undo_by(mine.pop)

    async def read(self) -> Ledger:
        return {key: list(positions) for key, positions in self.kept.items() if positions}


@dataclass
class PostgresShelf:
    pool: asyncpg.Pool

    async def add(self, connection: Connection, entries: Sequence[Entry]) -> None:
        tenants, keys, positions = zip(*entries, strict=True)
        await connection.execute(_ADD, tenants, keys, positions)

    async def read(self) -> Ledger:
        rows = await self.pool.fetch("SELECT tenant, key, positions FROM ledger")
        return {(row["tenant"], row["key"]): row["positions"] for row in rows}


def by_verdict(reason: str) -> Verdict:
    return Park(reason)


def by_raising(reason: str) -> Verdict:
    raise ValueError(reason)


@dataclass
class Bookkeeper:
    """Notes the positions of each key, and refuses what is spoiled, after it has written all the rest."""

    shelf: Shelf
    spoiled: set[Place] = field(default_factory=set)
    refuse: Callable[[str], Verdict] = by_verdict
    trouble: Exception | None = None
    outage: int = 0
    calls: int = 0

    async def fold(self, connection: Any, batches: Sequence[Batch]) -> Verdict:
        self.calls += 1
        if self.trouble is not None:
            raise self.trouble
        if self.outage:
            self.outage -= 1
            raise ConnectionResetError
        placed = [(batch.partition, recorded) for batch in batches for recorded in batch.recorded()]
        entries = [(one.event.tenant, one.event.key, one.position) for _, one in placed]
        await self.shelf.add(connection, entries)
        for partition, one in placed:
            if (partition, one.position) in self.spoiled:
                return self.refuse(f"{partition}:{one.position} is spoiled")
        return Done([_noted(partition, one) for partition, one in placed])


def _noted(partition: int, recorded: Recorded) -> Output:
    cause = recorded.event
    id_ = blake2b(cause.id, digest_size=16, person=b"noted").digest()
    payload = str(recorded.position).encode()
    event: NewEvent = Envelope(cause.tenant, NOTED, causation_id=cause.id).seal().event(id_, cause.key, NOON, payload)
    return Output(partition, recorded.position, event)


@dataclass
class Office:
    """A consumer's transactions over a log, in one kind of store, and what came of them."""

    source: MemoryLog
    own: StreamedLog
    book: Bookkeeper
    folding: Folding[Any]
    positions: dict[int, int] = field(default_factory=dict)

    @property
    def letters(self) -> DeadLetters[Any]:
        return self.folding.letters

    @property
    def mender(self) -> ConsumerMender[Any]:
        return ConsumerMender(self.folding)

    async def fold(self, *partitions: int, events: int = 1_000) -> None:
        """Fold up to so many events of each partition (all of them if none is named) in one go."""
        if not self.positions:
            self.positions = await self.folding.checkpoints.load(range(PARTITIONS))
        after = {partition: self.positions[partition] for partition in partitions or range(PARTITIONS)}
        batches = await self.source.read(after, limit=events)
        if batches:
            await self.folding.fold(batches, self.positions)

    async def retry(self, key: KeyOfTenant) -> Mended:
        return await self.mender.retry(key)

    async def drop(self, key: KeyOfTenant, position: int, why: str = "broken", request_id: str = "") -> Mended:
        partition = int.from_bytes(key[1][:2], "big") % PARTITIONS
        return await self.mender.drop(Dropping(key, partition, position, why, request_id))

    async def ledger(self) -> Ledger:
        return await self.book.shelf.read()

    async def outputs(self) -> Ledger:
        """The positions whose outputs are in the own log, in its order."""
        noted: Ledger = {}
        for partition in range(self.own.partitions):
            async for batch in self.own.stream(partition, 0):
                for recorded in batch.recorded():
                    event = recorded.event
                    noted.setdefault((event.tenant, event.key), []).append(int(event.payload))
        return noted

    async def waiting(self, key: KeyOfTenant) -> list[int]:
        """The positions of the letters of a key that failed or wait."""
        async with self.folding.checkpoints.hold(0) as connection:
            return [letter.position for letter in await self.letters.waiting(connection, key, 1_000)]


async def golden(log: MemoryLog, without: Mapping[KeyOfTenant, set[int]] | None = None) -> Ledger:
    """What the ledger is to be: every key's positions in order, less those that were dropped."""
    kept: Ledger = {}
    for partition in range(log.partitions):
        async for batch in log.stream(partition, 0):
            for data, position in zip(batch.events, range(batch.first_position, batch.last_position + 1), strict=True):
                event = pb.Event.FromString(data)
                key = (event.tenant, event.key)
                if position not in (without or {}).get(key, ()):
                    kept.setdefault(key, []).append(position)
    return kept


def memory_office(parked_keys: int = PARKED_KEYS) -> Office:
    clock = ManualClock(NOON)
    own = MemoryLog("noted", PARTITIONS, clock)
    book = Bookkeeper(MemoryShelf())
    folding: Folding[Any] = Folding(
        PROJECTION,
        "interactions",
        MemoryCheckpoints(),
        MemoryDeadLetters(clock),
        book.fold,
        OwnLog(own),
        parked_keys,
    )
    return Office(MemoryLog("interactions", PARTITIONS, clock), own, book, folding)


def postgres_office(pool: asyncpg.Pool, parked_keys: int = PARKED_KEYS) -> Office:
    """In a migrated database that has `TABLE` too."""
    clock = ManualClock(NOON)
    own = PostgresLog("noted", PARTITIONS, pool, clock, Ranges(pool))
    book = Bookkeeper(PostgresShelf(pool))
    folding: Folding[Any] = Folding(
        PROJECTION,
        "interactions",
        PostgresCheckpoints(pool, PROJECTION, "interactions"),
        PostgresDeadLetters(pool, PROJECTION, "interactions", clock),
        book.fold,
        OwnLog(own),
        parked_keys,
    )
    return Office(MemoryLog("interactions", PARTITIONS, clock), own, book, folding)
