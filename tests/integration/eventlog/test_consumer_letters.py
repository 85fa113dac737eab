"""Dead letters while a consumer runs: what it says of them, and that mending never races with folding."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import pytest
from structlog.testing import capture_logs

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.consumer import Consumer
from libs.eventlog.jetstream import Broker
from libs.eventlog.ranges import Ranges
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.errors import NotFound
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.ledger import PROJECTION, TABLE, Office, golden, memory_office, postgres_office
from tests.support.logs import NOON, PARTITIONS, Database, added, key_of, running
from tests.support.transport import EAGER, DirectSource, eventually

NAMES = range(12)
LABELS = {"projection": PROJECTION}
HEARTBEAT = {"loop": f"consumer:{PROJECTION}"}


def key(name: object) -> KeyOfTenant:
    return "demo", key_of(name)


def consumer_in(office: Office, broker: Broker, metrics: Metrics) -> Consumer[object]:
    return Consumer(
        office.folding,
        range(PARTITIONS),
        broker=broker,
        source=DirectSource(office.source),
        metrics=metrics,
        traces=Traces.off(),
        settings=EAGER,
    )


async def test_a_running_consumer_parks_goes_on_and_counts_its_letters() -> None:
    office, metrics = memory_office(), Metrics()
    await office.source.append([added(name) for _ in range(5) for name in NAMES])
    office.book.spoiled = {(partition, 2) for partition in range(PARTITIONS)}
    value = metrics.registry.get_sample_value

    async def told() -> bool:
        parked = await office.letters.parked()
        return parked.keys > 1 and value("portrait_dead_letters", LABELS) == parked.letters

    async with Broker("nats://127.0.0.1:9", name="test") as broker, running(consumer_in(office, broker, metrics)):
        await eventually(told)
        assert value("portrait_parking_full", LABELS) == 0
        failed = [name for name in NAMES if await office.letters.failed(key(name))]
        office.book.spoiled.clear()
        for name in failed:
            await office.retry(key(name))

        async def mended() -> bool:
            return value("portrait_dead_letters", LABELS) == 0

        await eventually(mended)
    assert await office.ledger() == await office.outputs() == await golden(office.source)


async def test_a_broken_release_stands_still_at_the_limit_and_says_so_until_it_is_mended() -> None:
    office, metrics = memory_office(parked_keys=3), Metrics()
    await office.source.append([added(name) for _ in range(5) for name in NAMES])
    office.book.spoiled = {(partition, position) for partition in range(PARTITIONS) for position in range(1, 61)}
    value = metrics.registry.get_sample_value

    async def full() -> bool:
        return value("portrait_parking_full", LABELS) == 1

    with capture_logs() as logs:
        async with Broker("nats://127.0.0.1:9", name="test") as broker, running(consumer_in(office, broker, metrics)):
            await eventually(full)
            assert (await office.letters.parked()).keys == 3
            beat = value("portrait_loop_heartbeat_seconds", HEARTBEAT)
            await asyncio.sleep(0.5)
            assert value("portrait_loop_heartbeat_seconds", HEARTBEAT) == beat
            office.book.spoiled.clear()

            async def flows() -> bool:
                return value("portrait_projection_lag_events", LABELS) == 0

            await eventually(flows)
            for name in NAMES:
                with suppress(NotFound):
                    await office.retry(key(name))

            async def free() -> bool:
                return value("portrait_parking_full", LABELS) == 0

            await eventually(free)
    assert [one["log_level"] for one in logs if one["event"] == "parking_full"]
    assert await office.ledger() == await golden(office.source)


@pytest.fixture
async def postgres_database(log_database: Database) -> AsyncIterator[Database]:
    await log_database.pool.execute(TABLE)
    await Ranges(log_database.pool).cover(NOON)
    yield log_database
    await log_database.pool.execute("DROP TABLE ledger")


@dataclass
class Bustle:
    """Two replicas that fold the same partitions, and people who retry and drop meanwhile."""

    replicas: list[Office]
    chance: random.Random
    dropped: dict[KeyOfTenant, set[int]] = field(default_factory=dict)
    over: bool = False

    async def fold(self, replica: Office) -> None:
        while not self.over:
            try:
                await replica.fold(events=self.chance.randint(1, 7))
            except Fenced:
                replica.positions = {}
            await asyncio.sleep(0)

    async def mend(self) -> None:
        while not self.over:
            office, mine = self.chance.choice(self.replicas), key(self.chance.choice(NAMES))
            with suppress(NotFound):
                failed = await office.letters.failed(mine) if self.chance.random() < 0.2 else None
                if failed is None:
                    await office.retry(mine)
                else:
                    await office.drop(mine, failed.position)
                    self.dropped.setdefault(mine, set()).add(failed.position)
            await asyncio.sleep(0)

    async def arrive(self) -> None:
        """Events, every other time one of them spoiled, until enough has happened."""
        office, turns = self.replicas[0], count()
        while (turn := next(turns)) < 60 or len(self.dropped) < 2:
            partition = self.chance.randrange(PARTITIONS)
            spoiled = (partition, (await office.source.heads())[partition] + 1)
            if turn % 2:
                office.book.spoiled.add(spoiled)
            await office.source.append([added(self.chance.choice(NAMES)) for _ in range(5)])
            await asyncio.sleep(0.01)
            if turn % 3:
                office.book.spoiled.discard(spoiled)
        self.over = True


async def test_mending_never_races_with_two_replicas_that_fold(postgres_database: Database) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    first, second = (postgres_office(postgres_database.pool) for _ in range(2))
    second.source, second.book.spoiled = first.source, first.book.spoiled
    bustle = Bustle([first, second], random.Random(seed))
    await asyncio.gather(bustle.arrive(), bustle.fold(first), bustle.fold(second), bustle.mend(), bustle.mend())
    first.book.spoiled.clear()
    first.positions = {}
    await first.fold()
    for name in NAMES:
        with suppress(NotFound):
            await first.retry(key(name))
    kept = {key: positions for key, positions in (await golden(first.source, bustle.dropped)).items() if positions}
    assert await first.ledger() == await first.outputs() == kept
