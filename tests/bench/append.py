"""`append`: the log's own append against a bare COPY into the same table."""

import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from libs.devstack.postgres import PostgresServer
from libs.eventlog.copy import LOG_COLUMNS
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, NewEvent, partition_of, uuid7
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import SystemClock
from services.profile.migrations import SCRIPTS
from tests.bench.load import SEED
from tests.bench.report import Figure, work

BATCH: Final = 500
BATCHES: Final = 300
ROUNDS: Final = 5
PARTITIONS: Final = 8
PAYLOAD: Final = b'{"filler":"' + b"x" * 287 + b'"}'


async def run() -> None:
    """Print `events_per_s` and its ratio to the baseline."""
    work("append", seed=SEED, events=BATCH * BATCHES * ROUNDS, batch=BATCH, payload=len(PAYLOAD), connections=1)
    ours, bare = [], []
    async with _database() as url:
        for round_ in range(ROUNDS):  # in turns, so that a noisy moment meets both
            ours.append(await _append(url, _events(round_ * 2)))
            bare.append(await _copy(url, _events(round_ * 2 + 1)))
    value, baseline = sorted(ours)[ROUNDS // 2], sorted(bare)[ROUNDS // 2]
    Figure("append", "events_per_s", value, "events/s", baseline=baseline, detail="baseline: bare COPY").print()
    Figure("append", "ratio", value, "ratio", baseline=baseline, target=0.35).print()


def _events(round_: int) -> list[list[NewEvent]]:
    chance = random.Random(SEED + round_)
    keys = [chance.randbytes(16) for _ in range(50_000)]
    seal = Envelope("demo", "interaction_recorded").seal()
    clock = SystemClock()
    return [
        [seal.event(uuid7(clock.now()), chance.choice(keys), clock.now(), PAYLOAD, digest=round_) for _ in range(BATCH)]
        for _ in range(BATCHES)
    ]


async def _append(url: str, batches: Sequence[Sequence[NewEvent]]) -> float:
    clock = SystemClock()
    async with open_pool(url, size=1) as pool:
        ranges = Ranges(pool)
        await ranges.cover(clock.now())
        log = PostgresLog("interactions", PARTITIONS, pool, clock, ranges)
        began = time.perf_counter()
        for batch in batches:
            await log.append(batch)
        return BATCH * len(batches) / (time.perf_counter() - began)


async def _copy(url: str, batches: Sequence[Sequence[NewEvent]]) -> float:
    """What asyncpg alone can do: the same rows into the same table and indexes, without ids, heads or positions."""
    position = 10**9 + time.time_ns() // 1000
    async with open_pool(url, size=1) as pool, pool.acquire() as connection:
        began = time.perf_counter()
        for batch in batches:
            now = time.time_ns() // 1000
            rows = [
                (partition_of(event.key, PARTITIONS), position + at, now, event.tenant, event.key, event.data)
                for at, event in enumerate(batch)
            ]
            position += len(batch)
            await connection.copy_records_to_table("log", records=rows, columns=LOG_COLUMNS)
        return BATCH * len(batches) / (time.perf_counter() - began)


@asynccontextmanager
async def _database() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        async with PostgresServer(Path(folder) / "postgres") as server:
            await server.create_database("profile", role="profile")
            url = server.dsn("profile", "profile")
            await migrate(url, SCRIPTS, partitions=PARTITIONS)
            yield url
