"""Who is a member of what, in memory: each replica folds its own log, and whoever holds a lease stores what came of it.

A replica begins with what is stored and goes on from there. Two come to the same at the same position, so it does not
matter who stores it: whoever is behind finds its own work done.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import asyncpg
import structlog

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.database import TROUBLE
from libs.eventlog.event import Batch
from libs.eventlog.log import LogReader
from libs.runtime.errors import PortraitError, Unavailable
from libs.telemetry.metrics import Metrics
from services.tagging.codec.hearing import told_in
from services.tagging.membership.index import Index
from services.tagging.membership.terms import Told
from services.tagging.store.membership import MembershipRows, Unstored, stored_positions

FOLD_SECONDS: Final = 0.1
STORE_SECONDS: Final = 5.0
REST: Final = 10
"""Between two times of storing passes at least so many times as long as it takes."""
BATCH_EVENTS: Final = 2_000
BATCH_BYTES: Final = 2 * 1024 * 1024
REACH_SECONDS: Final = 10.0

_NOTHING: Final = Index()


@dataclass(eq=False, slots=True)
class Partition:
    """The indexes of one partition by tenant, at one position of the log; `stored` is the one last known stored."""

    indexes: dict[str, Index]
    position: int
    stored: int

    def settle(self, stored: int) -> None:
        """Learn that a position is stored, at least."""
        if stored <= self.stored:
            return
        self.stored = stored
        for index in self.indexes.values():
            index.settle(stored)


@dataclass(eq=False)
class Gathering:
    """The membership of all tenants. `mine` are the partitions that this replica stores at the moment."""

    pool: asyncpg.Pool
    log: LogReader
    metrics: Metrics
    mine: Collection[int]
    _partitions: dict[int, Partition] = field(default_factory=dict, init=False)
    _folding: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def indexes(self, tenant: str) -> dict[int, Index]:
        """The indexes of a tenant by partition, as far as they are folded; good until the caller awaits anything."""
        return {number: one.indexes.get(tenant, _NOTHING) for number, one in sorted(self._partitions.items())}

    def positions(self) -> dict[int, int]:
        """How far each partition is folded."""
        return {number: one.position for number, one in sorted(self._partitions.items())}

    async def reach_heads(self) -> None:
        """Fold everything that is recorded at this moment; raises `TimeoutError`, and `Unavailable`."""
        async with asyncio.timeout(REACH_SECONDS):
            await self.reach(await self.log.heads())

    async def reach(self, heads: Mapping[int, int]) -> None:
        """Fold the log up to some positions at least."""
        while behind := await self._behind(heads):
            await self._turn(behind)

    async def people(self, tenant: str, members: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Who some members are, by partition and number; raises `Unavailable`."""
        wanted: dict[int, list[int]] = {}
        for partition, number in members:
            wanted.setdefault(partition, []).append(number)
        found: dict[tuple[int, int], bytes] = {}
        fresh = {number: index.fresh for number, index in self.indexes(tenant).items() if number in wanted}
        for partition, unsaved in fresh.items():
            known = {one.number: person for person, one in unsaved.items()}
            found |= {(partition, one): known[one] for one in wanted[partition] if one in known}
        async with self.pool.acquire() as connection:
            for partition, numbers in wanted.items():
                rest = [one for one in numbers if (partition, one) not in found]
                named = await MembershipRows(connection, partition).people(tenant, rest) if rest else {}
                found |= {(partition, number): person for number, person in named.items()}
                if len(named) < len(rest):
                    raise Unavailable("membership", "who is who by number is being made anew")
        return found

    async def run(self) -> None:
        """Follow the log, and store what is this replica's to store, until cancelled."""
        store_at = monotonic() + STORE_SECONDS
        while True:
            try:
                heads = await self.log.heads()
                self._tell_lag(heads)
                await self.reach(heads)
                self._tell_lag(heads)
                if monotonic() >= store_at:
                    began = monotonic()
                    await self.look()
                    for partition in self.mine:
                        await self.store(partition)
                    store_at = monotonic() + max(STORE_SECONDS, REST * (monotonic() - began))
            except (*TROUBLE, PortraitError) as error:
                structlog.get_logger().warning("membership_waits", error=repr(error))
            self.metrics.heartbeat("membership")
            await asyncio.sleep(FOLD_SECONDS)

    async def look(self) -> None:
        """Learn how far each partition is stored, by whomever."""
        async with self._folding:
            async with self.pool.acquire() as connection:
                positions = await stored_positions(connection)
            for number, one in list(self._partitions.items()):
                stored = positions.get(number, 0)
                if stored < one.stored:
                    await self._begin_anew(number, stored)
                else:
                    one.settle(stored)

    async def store(self, number: int) -> None:
        """Store a partition as it is folded; where another replica did, that is as good."""
        async with self._folding:
            one = self._partitions.get(number)
            if one is None or one.position <= one.stored:
                return
            old, new = one.stored, one.position
            unstored = {
                tenant: Unstored(dict(index.fresh), list(index.unstored()), list(index.unstored_chunks()))
                for tenant, index in one.indexes.items()
                if not index.settled
            }
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                await MembershipRows(connection, number).store(old, new, unstored)
        except Fenced:
            return  # what is stored is looked at before anything more is folded
        async with self._folding:
            if self._partitions.get(number) is one:
                one.settle(new)

    async def _behind(self, heads: Mapping[int, int]) -> dict[int, int]:
        """The partitions that are not as far as some positions, and where they are."""
        for number in heads.keys() - self._partitions.keys():
            async with self._folding:
                if number not in self._partitions:
                    self._partitions[number] = await self._load(number)
        positions = self.positions()
        return {number: positions[number] for number, head in heads.items() if positions[number] < head}

    async def _turn(self, behind: Mapping[int, int]) -> None:
        batches = await self.log.read(behind, limit=BATCH_EVENTS, max_bytes=BATCH_BYTES)
        async with self._folding:
            for batch in batches:
                one = self._partitions[batch.partition]
                rest = batch.after(one.position)  # somebody else asked at the same time, and may have been first
                if rest.events and rest.first_position == one.position + 1:
                    await self._fold(batch.partition, rest)

    async def _fold(self, number: int, batch: Batch) -> None:
        one = self._partitions[number]
        told: dict[str, list[Told]] = {}
        for recorded in batch.recorded():
            change = told_in(recorded.event, recorded.position)
            if change is not None:
                told.setdefault(recorded.event.tenant, []).append(change)
        if not told:
            one.position = batch.last_position
            return
        async with self.pool.acquire() as connection:
            rows = MembershipRows(connection, number)
            async with rows.at_once():
                stored = await rows.position()
                known = {
                    tenant: await rows.numbers(tenant, self._unknown(one, tenant, those))
                    for tenant, those in told.items()
                }
        if stored < one.stored:
            await self._begin_anew(number, stored)
            return
        for tenant, those in told.items():
            one.indexes.setdefault(tenant, Index()).apply(those, known[tenant])
        one.position = batch.last_position
        one.settle(stored)  # not sooner: numbers that were in memory were not asked for

    async def _begin_anew(self, number: int, stored: int) -> None:
        """Load a partition whose tables somebody emptied."""
        was = self._partitions[number].stored
        structlog.get_logger().warning("membership_begins_anew", partition=number, was=was, now=stored)
        self._partitions[number] = await self._load(number)

    def _unknown(self, one: Partition, tenant: str, told: Sequence[Told]) -> set[bytes]:
        return one.indexes.get(tenant, _NOTHING).unknown(change.person for change in told)

    async def _load(self, number: int) -> Partition:
        async with self.pool.acquire() as connection:
            rows = MembershipRows(connection, number)
            async with rows.at_once():
                position = await rows.position()
                return Partition(await rows.load(), position, position)

    def _tell_lag(self, heads: Mapping[int, int]) -> None:
        positions = self.positions()
        lag = sum(max(0, head - positions.get(number, 0)) for number, head in heads.items())
        self.metrics.membership_lag.set(lag)
