"""Releases with one safeguard taken out: a harness that does not tell them from the true one proves nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from libs.eventlog import checkpoint, postgres
from libs.eventlog.checkpoint import Step
from libs.eventlog.consumer import Consumer
from libs.eventlog.copy import LOG_COLUMNS, MESSAGE_ID_COLUMNS, log_rows, message_id_rows, write
from libs.eventlog.database import Connection
from libs.eventlog.event import Batch, NewEvent, partition_of
from libs.eventlog.folding import OwnLog
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.verdict import Output
from services.identity.domain.resolution import Resolution
from services.identity.region import Region
from services.identity.store.resolved import ResolvedRows
from services.identity.store.waiting import WaitingRows
from services.tagging.evaluating import Evaluating
from services.tagging.store import due

_TAKE_POSITIONS: Final = """
    UPDATE log_heads AS head SET position = head.position + more.count, recorded_at = $3
    FROM unnest($1::smallint[], $2::bigint[]) AS more(partition, count)
    WHERE head.partition = more.partition RETURNING head.partition, head.position - more.count"""

_BEGIN_RESOLVER: Final = "INSERT INTO resolvers (tenant, version, decided_at) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING"

_SLOWLY: Final = "SELECT partition, position + length(pg_sleep(0.002)::text) AS position,"


def without_fence() -> None:
    """The checkpoint moves wherever it stood, so of two replicas both fold the same events.

    There is time between reading and folding, as on a slow machine, for a lease to run out.
    """
    checkpoint._ADVANCE = _cut(checkpoint._ADVANCE, "AND mine.position = step.old")  # type: ignore[misc]
    prompt = checkpoint.PostgresCheckpoints.advance

    @asynccontextmanager
    async def advance(self: checkpoint.PostgresCheckpoints, steps: Sequence[Step]) -> AsyncIterator[Connection]:
        await asyncio.sleep(1)
        async with prompt(self, steps) as connection:
            yield connection

    checkpoint.PostgresCheckpoints.advance = advance  # type: ignore[method-assign]


def without_trim() -> None:
    """What was folded before is folded again when the broker brings it again.

    The fence alone would stop that, so here it only sees to it that checkpoints do not go back.
    """

    def connected(self: Consumer[Any], batches: Sequence[Batch]) -> Iterator[Batch]:
        reached = dict(self._positions)
        for batch in batches:
            if batch.first_position <= reached[batch.partition] + 1:
                reached[batch.partition] = batch.last_position
                yield batch

    lenient = _cut(checkpoint._ADVANCE, "mine.position = step.old", "mine.position >= step.old")
    checkpoint._ADVANCE = _cut(  # type: ignore[misc]
        lenient, "SET position = held.new", "SET position = greatest(mine.position, held.new)"
    )
    Consumer._is_fresh = lambda *_: True  # type: ignore[method-assign]
    Consumer._connected = connected  # type: ignore[method-assign]


def without_head_lock() -> None:
    """Positions are taken as from a sequence: outside of the append's transaction, which may fail or be overtaken."""

    async def record(
        self: PostgresLog, connection: Connection, events: Sequence[NewEvent], *, remembered: bool = True
    ) -> postgres.Placed:
        more = Counter(partition_of(event.key, self.partitions) for event in events)
        now = self._clock.now()
        taken = await self._pool.fetch(_TAKE_POSITIONS, sorted(more), [more[one] for one in sorted(more)], now)
        position = dict(map(tuple, taken))
        placed: postgres.Placed = []
        for event in events:
            partition = partition_of(event.key, self.partitions)
            position[partition] += 1
            placed.append((partition, position[partition], event))
        await write(connection, "log", LOG_COLUMNS, log_rows(placed, now))
        if remembered:
            by_id = sorted(placed, key=lambda place: (place[2].id, place[2].tenant))
            await write(connection, "message_ids", MESSAGE_ID_COLUMNS, message_id_rows(by_id, now))
        return placed

    PostgresLog._record = record  # type: ignore[method-assign]


def without_lock_order() -> None:
    """Heads are locked in any order, and not in one go, so that appends wait for each other in a circle."""
    unordered = _cut(postgres._LOCK_HEADS, "ORDER BY partition FOR UPDATE", "ORDER BY random() FOR UPDATE")
    postgres._LOCK_HEADS = _cut(unordered, "SELECT partition, position,", _SLOWLY)


def without_one_transaction() -> None:
    """Checkpoint and evidence are committed first, and who moved for that is appended a moment later."""
    late: set[asyncio.Task[object]] = set()

    async def emit(self: OwnLog[Any], _: Any, outputs: Sequence[Output]) -> None:
        async def append() -> None:
            await asyncio.sleep(0.5)
            assert isinstance(self.log, PostgresLog)
            await self.log.append([output.event for output in outputs])

        late.add(asyncio.create_task(append()))

    OwnLog.emit = emit  # type: ignore[assignment,method-assign]


def without_resolver_lock() -> None:
    """The edges around what is resolved are read first, and the tenant's resolver is locked to write what was found."""
    lock, replace, read_ahead = WaitingRows.lock, ResolvedRows.replace, Region.read_ahead

    async def unlocked(self: WaitingRows) -> bool:
        await self.connection.execute(_BEGIN_RESOLVER, self.tenant)  # the row is looked at by others
        return False

    async def slowly(self: Region, keys: Collection[bytes], most: int) -> None:
        await read_ahead(self, keys, most)
        await asyncio.sleep(0.1)

    async def locked(
        self: ResolvedRows, before: Resolution, after: Resolution, stands: Resolution, versions: Mapping[bytes, int]
    ) -> None:
        await lock(WaitingRows(self.connection, self.tenant))
        await replace(self, before, after, stands, versions)

    WaitingRows.lock = unlocked  # type: ignore[method-assign]
    Region.read_ahead = slowly  # type: ignore[method-assign]
    ResolvedRows.replace = locked  # type: ignore[method-assign]


def without_due_lock() -> None:
    """People are answered without holding on to what they are due for, so that what happens meanwhile is forgotten."""
    due._TAKE = _cut(due._TAKE, "FOR UPDATE SKIP LOCKED")  # type: ignore[misc]
    unready = Evaluating._unready

    async def slowly(self: Evaluating, *seen: Any) -> set[bytes]:
        await asyncio.sleep(0.1)
        return await unready(self, *seen)

    Evaluating._unready = slowly  # type: ignore[assignment,method-assign]


def _cut(statement: str, part: str, instead: str = "") -> str:
    assert part in statement, f"nothing to take out: {part}"
    return statement.replace(part, instead)


MUTANTS: Final[Mapping[str, Callable[[], None]]] = MappingProxyType(
    {
        "fence": without_fence,
        "trim": without_trim,
        "head lock": without_head_lock,
        "lock order": without_lock_order,
        "one transaction": without_one_transaction,
        "resolver lock": without_resolver_lock,
        "due lock": without_due_lock,
    }
)
