"""The profile service: `python -m services.profile [serve | migrate | --help]`."""

import asyncio
import sys
from collections.abc import Sequence

from portrait.ops.v1 import projections_service_pb2 as ops_pb

from libs.eventlog.append import Appender
from libs.eventlog.checkpoint import PostgresSavedPositions
from libs.eventlog.compaction import Compactor
from libs.eventlog.database import open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.jetstream import Broker
from libs.eventlog.lazy import LazyReader
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.mending import LazyMender
from libs.eventlog.migrations import migrate
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.readiness import follow_database
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.snapshots import PostgresSnapshots
from libs.eventlog.upkeep import Upkeep
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
from services.profile.domain.calendar import Calendar
from services.profile.handlers import Collecting, Mending, Retracting
from services.profile.migrations import SCRIPTS
from services.profile.projections import portraits
from services.profile.quarantine import QuarantineStore
from services.profile.queries import People, Portraits
from services.profile.schemas import Schemas
from services.profile.settings import ProfileSettings

LOG = "interactions"
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
    log = PostgresLog(LOG, settings.partitions, pool, clock, ranges)
    clocks = TenantClocks(pool, tenants, clock)
    schemas = Schemas(pool, log, tenants, clock, metrics)
    for tenant in tenants:  # before the first interaction: what it is read by is stamped on it for ever
        await schemas.refresh(tenant.id)
    calendars = {tenant.id: Calendar(tenant.zone, tenant.currency) for tenant in tenants}
    anchorings = {
        tenant.id: Anchoring(DEFAULT_RULES, Keyring(tenant.secret), region_of(tenant.locale)) for tenant in tenants
    }
    projection = portraits(schemas, calendars)
    reader = LazyReader(projection, log, PostgresSnapshots(by_key, projection.name, projection.snapshots, log))
    horizons = PostgresHorizons(pool, projection.name, projection.snapshots)
    compactor = Compactor(reader, horizons, metrics, settings.tail_events, settings.parked_keys)
    reader.listeners.append(compactor.remember)
    mender = LazyMender(log, pool, PostgresDeadLetters(pool, projection.name, LOG, clock), compactor, clock)
    watch = Watch(log)
    recorded = asyncio.Event()
    appender = Appender(log, metrics, settings.queue_events)
    appender.listeners += [compactor.count, lambda _, __: recorded.set()]
    quarantine = QuarantineStore(pool)
    collecting = Collecting(tenants, schemas, appender, quarantine, clock, clocks, metrics, anchorings)
    broker = await life.start(Broker(settings.nats_url, name="profile-relay"))
    leases = Leases(PostgresLeases(pool), f"relay:{LOG}", log.partitions, metrics, seconds=settings.lease_seconds)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=leases, wake=recorded)

    async def standings() -> Sequence[Standing]:
        return [
            Standing(
                projection.name,
                projection.version,
                ops_pb.PROJECTION_KIND_LAZY,
                LOG,
                compactor.lag_events,
                compactor.lag_seconds,
            )
        ]

    life.background("appender", appender.run())
    life.background("compactor", compactor.run())
    life.background("schemas", schemas.run())
    life.background("leases", leases.run())  # before whoever works under them, so that they are given back after
    life.background("relay", relay.run())
    life.background("watch", watch.run())
    life.background("silence", end_silent_appends(pool))
    life.background("upkeep", Upkeep(pool, ranges, clock, settings.message_id_days, metrics).run())
    server = await life.start(
        serve(
            [
                *profile_services(
                    collecting,
                    Retracting(pool, appender, compactor, clock),
                    Mending(collecting, quarantine, clock),
                    quarantine,
                    schemas,
                    Portraits(log, reader, watch),
                    People(anchorings),
                    tenants,
                    calendars,
                    clocks,
                ),
                *log_services(log, pool, standings, menders=[mender]),
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
        case _:
            sys.stderr.write(f"unknown: {' '.join(arguments)}; there are serve (the default), migrate and --help\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
