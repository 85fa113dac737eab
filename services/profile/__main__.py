"""The profile service: `python -m services.profile [serve | migrate | --help]`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from socket import gethostname
from typing import NamedTuple

import asyncpg

from libs.eventlog.append import Appender
from libs.eventlog.archive import Archive
from libs.eventlog.archiver import Archiver
from libs.eventlog.barrier import Barrier
from libs.eventlog.blanking import Blanking
from libs.eventlog.checkpoint import PostgresSavedPositions, consumed
from libs.eventlog.compaction import Compactor
from libs.eventlog.consumer import Consumer
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.jetstream import Broker
from libs.eventlog.lazy import LazyReader
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.living import LivingProjection
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.mending import ConsumerMender, Mender, Menders, VersionMenders
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import LazyProjection
from libs.eventlog.ranges import Ranges
from libs.eventlog.readiness import follow_database
from libs.eventlog.rebuild_runner import RebuildRunner, work
from libs.eventlog.rebuild_service import Rebuildable
from libs.eventlog.rebuilds import PostgresRebuilds
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services, standing_of, standing_of_one
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.upkeep import Upkeep
from libs.eventlog.versions import PostgresVersions, VersionedProjection
from libs.eventlog.watch import Watch
from libs.people.following import MAP, Following, folding
from libs.people.identity_events import LOG as IDENTITY
from libs.people.placing import Placing
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import Clock, SystemClock
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
from services.profile.queries.moments import Reaching
from services.profile.queries.names import People
from services.profile.queries.portraits import Portraits
from services.profile.queries.watching import Regrouping, Watching
from services.profile.rebuilding import LOG, reader_of, rebuild, run_named, worker
from services.profile.schemas import Schemas
from services.profile.settings import ProfileSettings
from services.profile.spans.keeper import SpanKeeper
from services.profile.spans.reader import SpanReader
from services.profile.spans.store import SpanStore

WATCHING = "/portrait.profile.v1.Profiles/WatchProfile"


class Parts(NamedTuple):
    """What the others are built on."""

    settings: ProfileSettings
    pool: asyncpg.Pool
    by_key: asyncpg.Pool
    log: PostgresLog
    broker: Broker
    clock: Clock
    metrics: Metrics
    traces: Traces


class Mapped(NamedTuple):
    """What follows the identity service."""

    consumer: Consumer[Connection]
    menders: Sequence[Mender]
    barrier: Barrier
    regrouping: Regrouping


def kept_up(
    parts: Parts, declared: VersionedProjection[Portrait], archive: Archive, watch: Watch
) -> LivingProjection[Portrait]:
    """The portraits, in every version that there is."""
    settings, pool, by_key, log, _, clock, metrics, _ = parts

    def opened(projection: LazyProjection[Portrait]) -> tuple[LazyReader[Portrait], Compactor[Portrait]]:
        reader = reader_of(projection, by_key, log)
        horizons = PostgresHorizons(pool, projection.name, projection.snapshots, archive=archive)
        compactor = Compactor(reader, horizons, metrics, settings.tail_events, settings.parked_keys)
        reader.listeners.append(compactor.remember)
        return reader, compactor

    return LivingProjection(declared, PostgresVersions(pool, PORTRAITS, PORTRAITS, clock), opened, watch.wake_all)


async def follow(life: Lifecycle, parts: Parts, keeper: SpanKeeper, rulebook: Rulebook) -> Mapped | None:
    """Keep the map of who is who and the rules, if there is an identity service; else every anchor is a person."""
    settings, pool, by_key, log, broker, clock, metrics, traces = parts
    if settings.identity is None:
        return None
    source = GrpcLogSource(await life.start(channel(settings.identity)), IDENTITY)
    learning = folding(pool, Following(keeper.map, rulebook, keeper.request), log, clock, settings.parked_keys)
    held = Leases(
        PostgresLeases(pool),
        f"{MAP}:{IDENTITY}",
        settings.identity_partitions,
        metrics,
        seconds=settings.lease_seconds,
    )
    consumer = Consumer(learning, held, broker=broker, source=source, metrics=metrics, traces=traces)
    regrouping = Regrouping(by_key, keeper.map)
    life.background("identity leases", held.run())
    life.background("identity map", consumer.run())
    life.background("regrouping", regrouping.run())
    life.background("spans", keeper.run())
    return Mapped(consumer, [ConsumerMender(learning)], Barrier(pool, LOG, IDENTITY, source), regrouping)


def keep_in_shape(
    life: Lifecycle,
    parts: Parts,
    ranges: Ranges,
    archive: Archive,
    living: LivingProjection[Portrait],
    keeper: SpanKeeper,
) -> None:
    """Do in the background what the log needs now and then."""
    settings, pool, _, log, _, clock, metrics, _ = parts

    async def forget(keys: Sequence[KeyOfTenant]) -> None:
        await living.forget(keys)
        await keeper.forget(keys)

    life.background("silence", end_silent_appends(pool))
    blanking = Blanking(log, pool, archive, clock, forget)
    life.background("upkeep", Upkeep(pool, ranges, clock, settings.message_id_days, metrics, blanking).run())
    if settings.archive is not None:
        archiver = Archiver(LOG, pool, archive, clock, metrics, settings.archive_days, [PORTRAITS])
        life.background("archiver", archiver.run())


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
    broker = await life.start(Broker(settings.nats_url, name="profile-relay"))
    clocks = TenantClocks(pool, tenants, clock)
    schemas, rulebook = Schemas(pool, log, tenants, clock, metrics), Rulebook(pool, tenants, metrics)
    for tenant in tenants:  # before the first interaction: what it is read by is stamped on it for ever
        await schemas.refresh(tenant.id)
    await rulebook.refresh()
    declared, watch = portraits(tenants, schemas), Watch(log)
    spans = SpanReader(log, SpanStore(by_key), Placing(rulebook.at))

    parts = Parts(settings, pool, by_key, log, broker, clock, metrics, traces)
    living = kept_up(parts, declared, archive, watch)
    await living.begin()
    keeper = SpanKeeper(spans, living, PostgresIdentityMap(by_key), metrics)
    spans.listeners.append(keeper.request)
    rebuilds = PostgresRebuilds(pool, PORTRAITS, PORTRAITS, clock)
    rebuilding = RebuildRunner(rebuilds, worker, living.knows, f"{gethostname()}:{os.getpid()}", metrics)
    recorded = asyncio.Event()
    appender = Appender(log, metrics, settings.queue_events)
    appender.listeners += [living.count, lambda _, __: recorded.set()]
    quarantine = QuarantineStore(pool)
    collecting = Collecting(tenants, schemas, appender, quarantine, clock, clocks, metrics, rulebook)
    leases = Leases(PostgresLeases(pool), f"relay:{LOG}", log.partitions, metrics, seconds=settings.lease_seconds)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=leases, wake=recorded)

    mapped = await follow(life, parts, keeper, rulebook)
    people = Portraits(log, living, spans, Reaching(log, mapped and mapped.barrier), mapped and keeper.map)

    async def standings() -> Sequence[Standing]:
        return [await standing_of(living, LOG), *([standing_of_one(mapped.consumer)] if mapped else [])]

    life.background("appender", appender.run())
    life.background("portraits", living.run())
    life.background("rebuilds", rebuilding.run())
    life.background("schemas", schemas.run())
    life.background("rules", rulebook.run())
    life.background("leases", leases.run())  # before whoever works under them, so that they are given back after
    life.background("relay", relay.run())
    life.background("watch", watch.run())
    keep_in_shape(life, parts, ranges, archive, living, keeper)
    server = await life.start(
        serve(
            [
                *profile_services(
                    collecting,
                    Retracting(pool, log, appender, living, clock),
                    Mending(collecting, quarantine, clock),
                    quarantine,
                    schemas,
                    people,
                    Watching(people, watch, mapped and mapped.regrouping),
                    People(rulebook.current),
                    tenants,
                    clocks,
                ),
                *log_services(
                    log,
                    pool,
                    standings,
                    partial(consumed, pool),
                    menders=Menders([VersionMenders(living, log, pool, clock), mapped.menders if mapped else []]),
                    rebuildable=[Rebuildable(living, rebuilds)],
                    clocks=clocks.all,
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
            from libs.eventlog.migrations import migrate  # noqa: PLC0415  a quarter of the start of whoever serves

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
