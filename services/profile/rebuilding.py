"""A process that works at a rebuild of the portraits: `python -m services.profile rebuild RUN`, started by one."""

import sys
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from libs.eventlog.archive import Archive
from libs.eventlog.database import open_pool
from libs.eventlog.lazy import LazyReader
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import LazyProjection
from libs.eventlog.ranges import Ranges
from libs.eventlog.rebuild import RebuildWorker, Run
from libs.eventlog.rebuild_progress import PostgresProgress
from libs.eventlog.snapshots import PostgresSnapshots
from libs.eventlog.versions import PostgresVersions
from libs.runtime.clock import SystemClock
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.profile.domain.portrait import Portrait
from services.profile.projections import PORTRAITS, portraits
from services.profile.schemas import Schemas
from services.profile.settings import ProfileSettings

LOG: Final = "interactions"


def worker(run: Run) -> Sequence[str]:
    """The command line of such a process."""
    return (sys.executable, "-m", "services.profile", "rebuild", msgspec.json.encode(run).decode())


def run_named(argument: str) -> Run:
    """The run that a command line speaks of; raises `msgspec.MsgspecError` for none."""
    return msgspec.json.decode(argument, type=Run)


async def rebuild(settings: ProfileSettings, run: Run) -> None:
    """Work at a rebuild until it is done; raises `Overtaken` when it is somebody else's or was cancelled."""
    clock, metrics, tenants = SystemClock(), Metrics(), Tenants.load(settings.tenants_file)
    async with open_pool(settings.database_url, size=3) as pool:
        ranges, archive = Ranges(pool, settings.range_events), Archive(pool, settings.archive)
        log = PostgresLog(LOG, settings.partitions, pool, clock, ranges, archive)
        schemas = Schemas(pool, log, tenants, clock, metrics)
        declared = portraits(tenants, schemas)
        versions = {one.number: one for one in await PostgresVersions(pool, PORTRAITS, PORTRAITS, clock).load()}
        if versions.keys() < {run.against, run.version}:
            return  # cancelled before this process was up
        before, after = declared.of(versions[run.against]), declared.of(versions[run.version])
        progress = PostgresProgress(pool, run, snapshots_of(before, pool, log), snapshots_of(after, pool, log), clock)
        await RebuildWorker(log, reader_of(before, pool, log), reader_of(after, pool, log), progress).work()


def reader_of(projection: LazyProjection[Portrait], pool: asyncpg.Pool, log: PostgresLog) -> LazyReader[Portrait]:
    """A reader of one version of the portraits."""
    return LazyReader(projection, log, snapshots_of(projection, pool, log))


def snapshots_of(projection: LazyProjection[Portrait], pool: asyncpg.Pool, log: PostgresLog) -> PostgresSnapshots:
    """Where one version of the portraits keeps its states."""
    return PostgresSnapshots(pool, projection.name, projection.snapshots, log)
