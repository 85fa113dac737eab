"""The profile service: `python -m services.profile [serve | migrate | --help]`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from socket import gethostname

from libs.eventlog.append import Appender
from libs.eventlog.archive import Archive
from libs.eventlog.archiver import Archiver
from libs.eventlog.blanking import Blanking
from libs.eventlog.checkpoint import PostgresSavedPositions
from libs.eventlog.compaction import Compactor
from libs.eventlog.database import open_pool
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.jetstream import Broker
from libs.eventlog.lazy import LazyReader
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.living import LivingProjection
from libs.eventlog.mending import VersionMenders
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import LazyProjection
from libs.eventlog.ranges import Ranges
from libs.eventlog.readiness import follow_database
from libs.eventlog.rebuild_runner import RebuildRunner, work
from libs.eventlog.rebuild_service import Rebuildable
from libs.eventlog.rebuilds import PostgresRebuilds
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services, standing_of
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.upkeep import Upkeep
from libs.eventlog.versions import PostgresVersions
from libs.eventlog.watch import Watch
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import SystemClock
from libs.runtime.lifecycle import Lifecycle, run
from libs.runtime.settings import describe, settings_or_exit
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from services.profile.api import HAND_VALIDATED, profile_services
from services.profile.clocks import TenantClocks
from services.profile.domain.portrait import Portrait
from services.profile.handlers import Collecting, Mending, Retracting
from services.profile.migrations import SCRIPTS
from services.profile.projections import PORTRAITS, portraits
from services.profile.quarantine import QuarantineStore
from services.profile.queries import People, Portraits
from services.profile.rebuilding import LOG, reader_of, rebuild, run_named, worker
from services.profile.schemas import Schemas
from services.profile.settings import ProfileSettings

WATCHING = "/portrait.profile.v1.Profiles/WatchProfile"


async def live(life: Lifecycle, settings: ProfileSettings) -> None:
    """Put the service together and run it until it is told to stop."""
    clock, metrics, tenants = SystemClock(), Metrics(), Tenants.load(settings.tenants_file)
    traces = await life.start(Traces.exporting("profile", settings.otlp_endpoint, settings.trace_ratio).closing())
    await life.start(metrics.serving(settings.host, settings.port_of_metrics))
    pool = await life.start(open_pool(settings.database_url, size=settings.database_connections))
    by_key = await life.start(open_pool(settings.database_url, size=settings.database_connections, scans=False))
    ranges = Ranges(pool, settings.range_events)
    await ranges.cover(clock.now())
    archive = Archive(pool, settings.archive)
    await archive.check()
    log = PostgresLog(LOG, settings.partitions, pool, clock, ranges, archive)
    clocks = TenantClocks(pool, tenants, clock)
    schemas = Schemas(pool, log, tenants, clock, metrics)
    for tenant in tenants:  # before the first interaction: what it is read by is stamped on it for ever
        await schemas.refresh(tenant.id)
    anchorings = {
        tenant.id: Anchoring(DEFAULT_RULES, Keyring(tenant.secret), region_of(tenant.locale)) for tenant in tenants
    }
    declared, watch = portraits(tenants, schemas), Watch(log)

    def opened(projection: LazyProjection[Portrait]) -> tuple[LazyReader[Portrait], Compactor[Portrait]]:
        reader = reader_of(projection, by_key, log)
        horizons = PostgresHorizons(pool, projection.name, projection.snapshots, archive=archive)
        compactor = Compactor(reader, horizons, metrics, settings.tail_events, settings.parked_keys)
        reader.listeners.append(compactor.remember)
        return reader, compactor

    living = LivingProjection(declared, PostgresVersions(pool, PORTRAITS, PORTRAITS, clock), opened, watch.wake_all)
    await living.begin()
    rebuilds = PostgresRebuilds(pool, PORTRAITS, PORTRAITS, clock)
    rebuilding = RebuildRunner(rebuilds, worker, living.knows, f"{gethostname()}:{os.getpid()}", metrics)
    recorded = asyncio.Event()
    appender = Appender(log, metrics, settings.queue_events)
    appender.listeners += [living.count, lambda _, __: recorded.set()]
    quarantine = QuarantineStore(pool)
    collecting = Collecting(tenants, schemas, appender, quarantine, clock, clocks, metrics, anchorings)
    broker = await life.start(Broker(settings.nats_url, name="profile-relay"))
    leases = Leases(PostgresLeases(pool), f"relay:{LOG}", log.partitions, metrics, seconds=settings.lease_seconds)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=leases, wake=recorded)

    async def standings() -> Sequence[Standing]:
        return [await standing_of(living, LOG)]

    life.background("appender", appender.run())
    life.background("portraits", living.run())
    life.background("rebuilds", rebuilding.run())
    life.background("schemas", schemas.run())
    life.background("leases", leases.run())  # before whoever works under them, so that they are given back after
    life.background("relay", relay.run())
    life.background("watch", watch.run())
    life.background("silence", end_silent_appends(pool))
    blanking = Blanking(log, pool, archive, clock, living.forget)
    life.background("upkeep", Upkeep(pool, ranges, clock, settings.message_id_days, metrics, blanking).run())
    if settings.archive is not None:
        archiver = Archiver(LOG, pool, archive, clock, metrics, settings.archive_days, [PORTRAITS])
        life.background("archiver", archiver.run())
    server = await life.start(
        serve(
            [
                *profile_services(
                    collecting,
                    Retracting(pool, log, appender, living, clock),
                    Mending(collecting, quarantine, clock),
                    quarantine,
                    schemas,
                    Portraits(log, living, watch),
                    People(anchorings),
                    tenants,
                    clocks,
                ),
                *log_services(
                    log,
                    pool,
                    standings,
                    menders=VersionMenders(living, log, pool, clock),
                    rebuildable=[Rebuildable(living, rebuilds)],
                ),
            ],
            host=settings.host,
            port=settings.port,
            authenticator=DevelopmentCredential({tenant.id for tenant in tenants}),
            metrics=metrics,
            traces=traces,
            drain_seconds=settings.drain_seconds,
            hand_validated=HAND_VALIDATED,
            endless={WATCHING},
        )
    )
    life.background("readiness", follow_database(server, pool))
    await life.until_stopped()


def main(arguments: Sequence[str]) -> int:
    """Run the service, or bring its database up to date."""
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(f"{__doc__}\n\n{describe(ProfileSettings)}\n")
        return 0
    settings = settings_or_exit(ProfileSettings)
    start_logs("profile", settings.log_level, settings.log_form)
    match list(arguments):
        case ["migrate"]:
            asyncio.run(migrate(settings.database_url, SCRIPTS, partitions=settings.partitions))
            return 0
        case [] | ["serve"]:
            return run(lambda life: live(life, settings))
        case ["rebuild", goal]:
            return work(lambda: rebuild(settings, run_named(goal)))
        case _:
            sys.stderr.write(
                f"unknown: {' '.join(arguments)}; there are serve (the default), migrate, rebuild and --help\n"
            )
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
