"""Leases in memory and in PostgreSQL: who holds what when replicas come, go, freeze and race."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from libs.eventlog.consumer_tables import lease_tables
from libs.eventlog.database import open_pool
from libs.eventlog.lease_store import MemoryLeases, PostgresLeases
from libs.eventlog.leases import NOBODY, Lease, Leases, LeaseStore
from libs.runtime.clock import SECOND, ManualClock, SystemClock
from libs.telemetry.metrics import Metrics

PARTITIONS = 8
SECONDS = 40.0  # of which some pass by themselves where the clock is that of a database


@dataclass
class Replicas:
    """Replicas of one service on one store, whose common clock a test moves."""

    store: LeaseStore
    passes: Callable[[float], Awaitable[None]]
    moment: list[float]
    all: list[Leases] = field(default_factory=list)

    def start(self, role: str = "relay:interactions") -> Leases:
        leases = Leases(self.store, role, PARTITIONS, Metrics(), seconds=SECONDS, monotonic=lambda: self.moment[0])
        self.all.append(leases)
        return leases

    async def heartbeats(self, count: int, *living: Leases) -> None:
        for _ in range(count):
            for leases in living:
                await leases.beat()
            await self.passes(SECONDS / 4)

    async def rows(self) -> tuple[Lease, ...]:
        return (await self.store.attend("relay:interactions", self.all[0].member, PARTITIONS, SECONDS)).leases


@pytest.fixture(params=["memory", "postgres"])
def home(request: pytest.FixtureRequest) -> str | None:
    """The database to keep leases in, if any."""
    return None if request.param == "memory" else request.getfixturevalue("database")


@pytest.fixture
async def replicas(home: str | None) -> AsyncIterator[Replicas]:
    moment = [0.0]
    if home is None:
        clock = ManualClock(SystemClock().now())

        async def pass_in_memory(seconds: float) -> None:
            moment[0] += seconds
            clock.advance(int(seconds * SECOND))

        yield Replicas(MemoryLeases(clock), pass_in_memory, moment)
        return
    async with open_pool(home) as pool:
        metadata = MetaData()
        lease_tables(metadata)
        for table in metadata.sorted_tables:
            dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
            await pool.execute(str(CreateTable(table).compile(dialect=dialect)))

        async def pass_in_database(seconds: float) -> None:
            """The clock of a database can't be moved; what was promised by it can."""
            moment[0] += seconds
            await pool.execute("UPDATE lease_members SET expires_at = expires_at - make_interval(secs => $1)", seconds)

        yield Replicas(PostgresLeases(pool), pass_in_database, moment)


async def test_whoever_is_alone_holds_everything(replicas: Replicas) -> None:
    alone = replicas.start()
    assert list(alone) == []
    await alone.beat()
    assert list(alone) == list(range(PARTITIONS))


async def test_replicas_share_fairly_and_nothing_is_held_twice(replicas: Replicas) -> None:
    for living in range(1, PARTITIONS + 2):
        replicas.start()
        await replicas.heartbeats(2, *replicas.all)
        held = [set(leases) for leases in replicas.all]
        share = -(-PARTITIONS // living)
        assert max(map(len, held)) <= share
        assert sorted(partition for one in held for partition in one) == list(range(PARTITIONS))


async def test_what_a_replica_gives_back_is_taken_with_the_next_heartbeat(replicas: Replicas) -> None:
    first, second = replicas.start(), replicas.start()
    await replicas.heartbeats(2, first, second)
    await first._leave()
    assert list(first) == []
    await second.beat()
    assert list(second) == list(range(PARTITIONS))


async def test_what_a_dead_replica_held_is_taken_once_its_lease_is_over(replicas: Replicas) -> None:
    first, second = replicas.start(), replicas.start()
    await replicas.heartbeats(2, first, second)
    await replicas.heartbeats(3, second)
    assert len(second) == PARTITIONS / 2
    await replicas.heartbeats(2, second)
    assert list(second) == list(range(PARTITIONS))


async def test_a_replica_that_was_frozen_holds_nothing_until_it_has_asked_again(replicas: Replicas) -> None:
    frozen, other = replicas.start(), replicas.start()
    await replicas.heartbeats(2, frozen, other)
    assert len(frozen) == PARTITIONS / 2
    await replicas.heartbeats(5, other)
    assert list(frozen) == []
    await replicas.heartbeats(2, frozen, other)
    assert len(frozen) == len(other) == PARTITIONS / 2
    assert not set(frozen) & set(other)


async def test_a_lease_that_ran_out_unnoticed_goes_on_in_its_epoch(replicas: Replicas) -> None:
    alone = replicas.start()
    await alone.beat()
    before = await replicas.rows()
    await replicas.passes(3 * SECONDS)
    assert list(alone) == []
    await alone.beat()
    assert list(alone) == list(range(PARTITIONS))
    assert await replicas.rows() == before


async def test_an_epoch_rises_whenever_the_owner_changes(replicas: Replicas) -> None:
    first, second = replicas.start(), replicas.start()
    await first.beat()
    assert await replicas.rows() == tuple(Lease(partition, first.member, 1) for partition in range(PARTITIONS))
    await first._leave()
    assert await replicas.rows() == tuple(Lease(partition, NOBODY, 2) for partition in range(PARTITIONS))
    await replicas.passes(SECONDS)  # the look above was in the name of the first
    await second.beat()
    assert await replicas.rows() == tuple(Lease(partition, second.member, 3) for partition in range(PARTITIONS))


async def test_of_two_that_want_a_free_partition_one_gets_it(replicas: Replicas) -> None:
    role = "relay:interactions"
    await replicas.store.attend(role, "one", PARTITIONS, SECONDS)
    wanted = [[Lease(partition, member, 1) for partition in range(PARTITIONS)] for member in ("one", "two")]
    won = await asyncio.gather(*(replicas.store.change(role, each) for each in wanted))
    assert sorted(lease.partition for each in won for lease in each) == list(range(PARTITIONS))


async def test_replicas_that_start_at_once_end_with_fair_shares(replicas: Replicas) -> None:
    starting = [replicas.start() for _ in range(4)]
    for _ in range(5):
        await asyncio.gather(*(leases.beat() for leases in starting))
    assert sorted(partition for leases in starting for partition in leases) == list(range(PARTITIONS))
    assert {len(leases) for leases in starting} == {2}


async def test_roles_are_shared_out_apart(replicas: Replicas) -> None:
    relay, consumer = replicas.start("relay:counts"), replicas.start("counts:interactions")
    await replicas.heartbeats(2, relay, consumer)
    assert list(relay) == list(consumer) == list(range(PARTITIONS))


async def test_a_promise_from_before_the_clock_was_set_back_binds_nobody(replicas: Replicas) -> None:
    dead, living = replicas.start(), replicas.start()
    await dead.beat()
    await replicas.passes(-3_600)
    await living.beat()
    assert list(living) == list(range(PARTITIONS))


async def test_whoever_left_is_forgotten(replicas: Replicas) -> None:
    first, second = replicas.start(), replicas.start()
    await replicas.heartbeats(1, first, second)
    await first._leave()
    roll = await replicas.store.attend(first.role, second.member, PARTITIONS, SECONDS)
    assert roll.members == {second.member}
