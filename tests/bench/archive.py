"""`archive`: the log moves from its table to files, and says and rebuilds the same from there."""

import asyncio
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import asyncpg

from libs.eventlog.archive import Archive
from libs.eventlog.archiver import Archiver
from libs.eventlog.database import open_pool
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.rebuild_runner import RebuildRunner
from libs.eventlog.rebuilds import PostgresRebuilds, Standing
from libs.eventlog.versions import Meaning, PostgresVersions
from libs.people.keys import Keyring
from libs.runtime.clock import ManualClock, SystemClock
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.profile.projections import PORTRAITS
from services.profile.rebuilding import LOG, worker
from tests.bench.load import SEED
from tests.bench.preload import TENANT, person_key
from tests.bench.rebuild import EACH, PARTITIONS, WORKERS, empty_database, fill, meaning_of_today
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PEOPLE

ASKED: Final = 300  # people whose events are read one after another
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Bench:
    """A log with its archive, and the portraits over it."""

    pool: asyncpg.Pool
    folder: str

    @property
    def log(self) -> PostgresLog:
        return PostgresLog(
            LOG, PARTITIONS, self.pool, SystemClock(), Ranges(self.pool), Archive(self.pool, self.folder)
        )

    async def read_whole(self) -> tuple[str, float]:
        """A hash of everything that `ReadLog` streams, and the seconds that it took."""
        began, digest = time.perf_counter(), blake2b(digest_size=16)
        for partition in range(PARTITIONS):
            async for batch in self.log.stream(partition, 0):
                digest.update(repr((partition, batch.first_position, list(batch.recorded_at))).encode())
                for event in batch.events:
                    digest.update(event)
        return digest.hexdigest(), time.perf_counter() - began

    async def read_keys(self) -> tuple[str, list[float]]:
        """A hash of what `ReadKey` finds of some people, and the milliseconds that each took."""
        chance, digest, log = random.Random(SEED), blake2b(digest_size=16), self.log
        keyring, took = Keyring(Tenants.demo().get(TENANT).secret), []
        for _ in range(ASKED):
            key = person_key(keyring, chance.randrange(PEOPLE))
            began = time.perf_counter()
            recorded = await log.read_key(TENANT, key)
            took.append((time.perf_counter() - began) * 1e3)
            digest.update(repr(recorded).encode())
        return digest.hexdigest(), took

    async def rebuild(self, meaning: Meaning) -> tuple[Standing, float]:
        """A new version of all portraits, built and compared with the one that is read; and the pace of building."""
        clock = SystemClock()
        rebuilds = PostgresRebuilds(self.pool, PORTRAITS, PORTRAITS, clock)
        version = await rebuilds.start(meaning, WORKERS)
        running = asyncio.create_task(RebuildRunner(rebuilds, worker, lambda _: True, "bench", Metrics()).run())
        pace = 0.0
        try:
            while (standing := await rebuilds.get(version)).phase != "done":
                if standing.phase == "build":
                    pace = standing.events_per_s
                await asyncio.sleep(POLL_SECONDS)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        return standing, pace

    async def archive(self) -> float:
        """Move everything; the seconds that it took."""
        clock = ManualClock(await self.pool.fetchval("SELECT max(end_at) FROM log_ranges"))
        await Ranges(self.pool).cover(clock.now())
        archiver = Archiver(LOG, self.pool, Archive(self.pool, self.folder), clock, Metrics(), 0)
        began = time.perf_counter()
        while await archiver.step():
            pass
        assert not await self.pool.fetchval("SELECT EXISTS (SELECT FROM log)")
        return time.perf_counter() - began


async def run() -> None:
    """Print what archiving costs and saves, how fast archives are read, and whether all hashes are the same."""
    events = PEOPLE * EACH
    work("archive", seed=SEED, people=PEOPLE, interactions=events, processes=WORKERS)
    async with empty_database() as (server, url), open_pool(url, size=4) as pool:
        folder = str(server.data.parent / "archive")
        os.environ |= {"PORTRAIT_PROFILE_DATABASE_URL": url, "PORTRAIT_PROFILE_ARCHIVE": folder}
        await fill(url)
        bench, meaning = _Bench(pool, folder), meaning_of_today()
        versions = PostgresVersions(pool, PORTRAITS, PORTRAITS, SystemClock())
        await versions.begin(meaning)
        from_table, table_pace = await bench.rebuild(meaning)
        await versions.switch(from_table.version)
        await versions.retire(1)
        table = await pool.fetchval("SELECT sum(pg_total_relation_size(name::regclass))::bigint FROM log_ranges")
        whole, whole_seconds = await bench.read_whole()
        keys, key_took = await bench.read_keys()
        seconds = await bench.archive()
        files = await pool.fetchval("SELECT sum(size)::bigint FROM log_archives")
        whole_again, archived_seconds = await bench.read_whole()
        keys_again, archived_took = await bench.read_keys()
        from_archive, archive_pace = await bench.rebuild(meaning)
    found = from_archive.found
    same = (whole, keys, found.hash_before) == (whole_again, keys_again, found.hash_after)
    detail = f"ReadLog {whole}, ReadKey {keys}, {found.keys:,} portraits {found.hash_after}"
    Figure("archive", "same_hashes", float(same), "yes", target=1, detail=detail).print()
    Figure("archive", "seconds", seconds, "s", better="lower", detail="sealed, written, read back, replaced").print()
    Figure("archive", "events_per_s", events / seconds, "events/s").print()
    Figure("archive", "bytes_per_event", files / events, "B", baseline=table / events, better="lower").print()
    _beside_table("rebuild_events_per_s", archive_pace, table_pace)
    _beside_table("read_log_events_per_s", events / archived_seconds, events / whole_seconds)
    for name, share in (("read_key_p50", 0.5), ("read_key_p95", 0.95)):
        took, table_took = percentile(archived_took, share), percentile(key_took, share)
        Figure("archive", name, took, "ms", baseline=table_took, better="lower", detail="baseline: table").print()


def _beside_table(metric: str, archive_pace: float, table_pace: float) -> None:
    Figure("archive", metric, archive_pace, "events/s", baseline=table_pace, detail="baseline: table").print()
