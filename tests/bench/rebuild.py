"""`rebuild`: a new version of all portraits from the whole log, against a library that rebuilds aggregates."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import uvloop

from libs.devstack.postgres import PostgresServer
from libs.eventlog.copy import LOG_COLUMNS, log_rows, write
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, NewEvent, partition_of
from libs.eventlog.migrations import migrate
from libs.eventlog.ranges import Ranges
from libs.eventlog.rebuild_runner import RebuildRunner
from libs.eventlog.rebuilds import PostgresRebuilds, Standing
from libs.eventlog.versions import Meaning, PostgresVersions
from libs.people.keys import Keyring
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.clock import SECOND, SystemClock
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from services.profile.migrations import SCRIPTS
from services.profile.projections import PORTRAITS
from services.profile.rebuilding import worker
from tests.bench import aggregates
from tests.bench.load import SEED, Template, message_ids, templates
from tests.bench.machine import Stolen
from tests.bench.preload import HISTORY_DAYS, TENANT, person_key
from tests.bench.report import Figure, work
from tests.bench.shop import PEOPLE

EACH: Final = 15  # interactions of a person, on average
PARTITIONS: Final = 8
WORKERS: Final = 2
SAMPLE: Final = 2_000  # people whom the baseline rebuilds
COPIED_AT_ONCE: Final = 20_000
POLL_SECONDS: Final = 0.05


async def run() -> None:
    """Print `events_per_s`, its ratio to the baseline and `cpu_us_per_event`, all servers included."""
    start_logs("bench", "warning")
    events = PEOPLE * EACH
    work("rebuild", seed=SEED, people=PEOPLE, interactions=events, processes=WORKERS, sample=SAMPLE)
    async with empty_database() as (server, url):
        await fill(url)
        stolen, standing, cpu = Stolen(), *(await _rebuild(server, url))
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1) as pool:  # a process of its own, as fresh as the workers were
        baseline = await loop.run_in_executor(pool, aggregates.events_per_s, SAMPLE, EACH)
    rate = standing.events_per_s
    shares = ", ".join(f"{name} {seconds / events * 1e6:.1f}" for name, seconds in cpu.items())
    detail = f"baseline: eventsourcing, in memory, one process; {stolen.share():.0%} of the CPU went to other machines"
    Figure("rebuild", "events_per_s", rate, "events/s", baseline=baseline, target=100_000, detail=detail).print()
    Figure("rebuild", "ratio", rate, "ratio", baseline=baseline, target=3).print()
    Figure("rebuild", "cpu_us_per_event", sum(cpu.values()) / events * 1e6, "µs", better="lower", detail=shares).print()


async def _rebuild(server: PostgresServer, url: str) -> tuple[Standing, dict[str, float]]:
    """How building went, and the CPU seconds that it took by program."""
    clock = SystemClock()
    os.environ["PORTRAIT_PROFILE_DATABASE_URL"] = url
    async with open_pool(url, size=2) as pool:
        versions = PostgresVersions(pool, PORTRAITS, PORTRAITS, clock)
        meaning = meaning_of_today()
        await versions.begin(meaning)
        rebuilds = PostgresRebuilds(pool, PORTRAITS, PORTRAITS, clock)
        version = await rebuilds.start(meaning, WORKERS)
        postgres = _cpu(_family(server))
        running = asyncio.create_task(RebuildRunner(rebuilds, worker, lambda _: True, "bench", Metrics()).run())
        cpu = {"workers": 0.0}
        try:
            while (standing := await rebuilds.get(version)).phase == "build":
                cpu["workers"] = max(cpu["workers"], _cpu(_workers(server)))
                cpu["postgres"] = _cpu(_family(server)) - postgres
                await asyncio.sleep(POLL_SECONDS)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        return standing, cpu


def meaning_of_today() -> Meaning:
    """What portraits of the demo tenants depend on."""
    tenants = Tenants.demo()
    zones, currencies = ({one.id: getattr(one, fact) for one in tenants} for fact in ("zone", "currency"))
    return {"fold": 1, "zones": zones, "currencies": currencies, "schemas": {}}


def _workers(server: PostgresServer) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.pid != server.pid]


def _family(server: PostgresServer) -> list[psutil.Process]:
    process = psutil.Process(server.pid)
    return [process, *process.children(recursive=True)]


def _cpu(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@asynccontextmanager
async def empty_database() -> AsyncIterator[tuple[PostgresServer, str]]:
    """A server, and the URL of a migrated database on it."""
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        settings = {"shared_buffers": "2GB"}
        async with PostgresServer(Path(folder) / "postgres", settings=settings) as server:
            await server.create_database("profile", role="profile")
            url = server.dsn("profile", "profile")
            await migrate(url, SCRIPTS, partitions=PARTITIONS)
            yield server, url


@dataclass(frozen=True, slots=True)
class _Share:
    """The partitions that one writer fills, up to a moment."""

    url: str
    mine: tuple[int, ...]
    now: int


async def fill(url: str) -> None:
    """Interactions of everybody in no order, as years bring them."""
    now, began = time.time_ns() // 1000, time.perf_counter()
    async with open_pool(url, size=1) as pool:
        await Ranges(pool).cover(now)
        loop = asyncio.get_running_loop()
        shares = [_Share(url, tuple(range(one, PARTITIONS, WORKERS)), now) for one in range(WORKERS)]
        with ProcessPoolExecutor(WORKERS) as writers:
            await asyncio.gather(*(loop.run_in_executor(writers, _fill, share) for share in shares))
        await pool.execute("VACUUM ANALYZE log", timeout=600)
    work("preload", seconds=round(time.perf_counter() - began))


def _fill(share: _Share) -> None:
    uvloop.run(_write(share))


async def _write(share: _Share) -> None:
    chance = random.Random(SEED + share.mine[0])
    days = [share.now - day * 86_400 * SECOND for day in range(1, HISTORY_DAYS)]
    shapes = [(at, templates(chance, [aggregates.rfc3339(at)], 32)) for at in days]
    keyring = Keyring(Tenants.demo().get(TENANT).secret)
    keys = [(person, person_key(keyring, person)) for person in range(PEOPLE)]
    keys = [(person, key) for person, key in keys if partition_of(key, PARTITIONS) in share.mine]
    seal = Envelope(TENANT, INTERACTION_RECORDED).seal()
    positions = dict.fromkeys(share.mine, 0)
    left = len(keys) * EACH
    async with open_pool(share.url, size=1) as pool, pool.acquire() as connection:
        while left:
            count = min(left, COPIED_AT_ONCE)
            left -= count
            placed = []
            for message_id in message_ids(share.now // 1000 - 86_400_000, count):
                at, some = chance.choice(shapes)
                person, key = chance.choice(keys)
                partition = partition_of(key, PARTITIONS)
                positions[partition] += 1
                event = _event(seal.event, chance.choice(some), message_id, person, key, at)
                placed.append((partition, positions[partition], event))
            rows = log_rows(placed, share.now - 7_200 * SECOND)
            await write(connection, "log", LOG_COLUMNS, rows)
        for partition, position in positions.items():
            await connection.execute("UPDATE log_heads SET position = $2 WHERE partition = $1", partition, position)


def _event(sealed: aggregates.Sealed, shape: Template, message_id: bytes, person: int, key: bytes, at: int) -> NewEvent:
    event_id = bytes.fromhex(message_id.replace(b"-", b"").decode())
    return sealed(event_id, key, at, shape.document(message_id, person))
