"""The identity service: `python -m services.identity [serve | migrate | suggest [--plain] [TENANT…] | --help]`."""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial

import asyncpg

from libs.eventlog.archive import Archive
from libs.eventlog.archiver import Archiver
from libs.eventlog.checkpoint import PostgresCheckpoints, PostgresSavedPositions, consumed
from libs.eventlog.consumer import Consumer
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.mending import ConsumerMender
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.readiness import follow_database
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services, standing_of_one
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.transactions import Transactions
from libs.eventlog.upkeep import Upkeep
from libs.people.identity_events import LOG
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import SystemClock
from libs.runtime.lifecycle import Lifecycle, run
from libs.runtime.settings import describe, settings_or_exit
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from services.identity.api import WATCHING, Parts, identity_services
from services.identity.consuming import CONSUMER, INTERACTIONS, Consuming
from services.identity.deciding import Deciding
from services.identity.migrations import SCRIPTS
from services.identity.queries.explaining import Explaining
from services.identity.queries.people import People
from services.identity.queries.previewing import Previewing
from services.identity.rulebook import Rulebook
from services.identity.settings import IdentitySettings
from services.identity.settling import Settling


def folding_of(
    settings: IdentitySettings, pool: asyncpg.Pool, log: PostgresLog, consuming: Consuming
) -> Folding[Connection]:
    """The transactions in which interactions become evidence, and who is who."""
    return Folding(
        CONSUMER,
        INTERACTIONS,
        PostgresCheckpoints(pool, CONSUMER, INTERACTIONS),
        PostgresDeadLetters(pool, CONSUMER, INTERACTIONS, consuming.clock),
        consuming.fold,
        OwnLog(log),
        settings.parked_keys,
    )


async def live(life: Lifecycle, settings: IdentitySettings) -> None:
    """Put the service together and run it until it is told to stop."""
    clock, metrics, tenants = SystemClock(), Metrics(), Tenants.load(settings.tenants_file)
    traces = await life.start(Traces.exporting("identity", settings.otlp_endpoint, settings.trace_ratio).closing())
    await life.start(metrics.serving(settings.host, settings.port_of_metrics))
    # What is asked for is always found by an index, and a plan made while tables were empty would go on scanning them.
    pool = await life.start(open_pool(settings.database_url, size=settings.database_connections, scans=False))
    ranges = Ranges(pool, settings.range_events)
    await ranges.cover(clock.now())
    archive = Archive(pool, settings.archive)
    await archive.check()
    log = PostgresLog(LOG, settings.partitions, pool, clock, ranges, archive)
    broker = await life.start(Broker(settings.nats_url, name="identity"))
    source = GrpcLogSource(await life.start(channel(settings.source)), INTERACTIONS)
    leases = [
        Leases(PostgresLeases(pool), role, partitions, metrics, seconds=settings.lease_seconds)
        for role, partitions in (
            (f"{CONSUMER}:{INTERACTIONS}", settings.source_partitions),
            (f"relay:{LOG}", settings.partitions),
        )
    ]
    held, relayed = leases

    rulebook, transactions, wake = Rulebook(tenants), Transactions(pool, log), asyncio.Event()
    largest = settings.largest_neighbourhood
    consuming = Consuming(rulebook, source, clock, largest)
    settling = Settling(transactions, rulebook, clock, metrics, wake, largest)
    deciding = Deciding(transactions, rulebook, tenants, clock, wake, largest)
    people = People(pool, log)
    parts = Parts(
        tenants,
        rulebook,
        people,
        Explaining(people),
        Previewing(settings.database_url, settings.preview_memory_mb << 20),
        deciding,
        source,
        log,
        partial(consumed, pool),
    )
    folding = folding_of(settings, pool, log, consuming)
    consumer = Consumer(folding, held, broker=broker, source=source, metrics=metrics, traces=traces)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=relayed)

    async def standings() -> Sequence[Standing]:
        return [standing_of_one(consumer)] if settings.consumes else []

    if settings.consumes:
        for one in leases:  # before whoever works under them, so that they are given back after
            life.background(one.role, one.run())
        life.background("consumer", consumer.run())
        life.background("settling", settling.run())
        life.background("relay", relay.run())
        life.background("silence", end_silent_appends(pool))
        life.background("upkeep", Upkeep(pool, ranges, clock, settings.message_id_days, metrics).run())
        if settings.archive is not None:
            # What is read of the log by key is archived or not; nothing here folds it.
            archiver = Archiver(LOG, pool, archive, clock, metrics, settings.archive_days, projections=None)
            life.background("archiver", archiver.run())
    server = await life.start(
        serve(
            [
                *identity_services(parts),
                *log_services(log, pool, standings, partial(consumed, pool), [ConsumerMender(folding)]),
            ],
            host=settings.host,
            port=settings.port,
            authenticator=DevelopmentCredential({tenant.id for tenant in tenants}),
            metrics=metrics,
            traces=traces,
            drain_seconds=settings.drain_seconds,
            endless={WATCHING},
        )
    )
    life.background("readiness", follow_database(server, pool))
    await life.until_stopped()


def suggested(settings: IdentitySettings, tenants: Sequence[str], *, plain: bool) -> int:
    """Suggest people who may be one; the exit status."""
    from services.identity.suggesting import finish, suggest_everywhere  # noqa: PLC0415  large libraries, too

    return finish(suggest_everywhere(settings, tenants, plain=plain))


def main(arguments: Sequence[str]) -> int:
    """Run the service, or bring its database up to date."""
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(f"{__doc__}\n\n{describe(IdentitySettings)}\n")
        return 0
    settings = settings_or_exit(IdentitySettings)
    start_logs("identity", settings.log_level, settings.log_form)
    match list(arguments):
        case ["migrate"]:
            from libs.eventlog.migrations import migrate  # noqa: PLC0415  a quarter of the start of whoever serves

            asyncio.run(migrate(settings.database_url, SCRIPTS, partitions=settings.partitions))
            return 0
        case [] | ["serve"]:
            return run(lambda life: live(life, settings))
        case ["suggest", "--plain", *tenants]:
            return suggested(settings, tenants, plain=True)
        case ["suggest", *tenants]:
            return suggested(settings, tenants, plain=False)
        case _:
            told = "there are serve (the default), migrate, suggest [--plain] [TENANT…] and --help"
            sys.stderr.write(f"unknown: {' '.join(arguments)}; {told}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
