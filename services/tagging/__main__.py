"""The tagging service: `python -m services.tagging [serve | migrate | --help]`."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from libs.eventlog.checkpoint import PostgresCheckpoints, PostgresSavedPositions, consumed
from libs.eventlog.consumer import Consumer, ConsumerSettings
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.folding import Folding, Handler, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.mending import ConsumerMender, Menders
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.readiness import follow_database
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services, standing_of_one
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.transactions import Transactions
from libs.eventlog.upkeep import Upkeep
from libs.people.following import MAP, Following
from libs.people.identity_events import LOG as IDENTITY
from libs.people.placing import Placing
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.rulebook import Rulebook
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import Micros, SystemClock
from libs.runtime.lifecycle import Lifecycle, run
from libs.runtime.settings import describe, settings_or_exit
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from services.tagging.api import WATCHING, CrowdParts, Parts, tagging_services
from services.tagging.api.filling import standings_of_filling
from services.tagging.backfill import Backfill, Layering
from services.tagging.catalogue import Catalogues
from services.tagging.codec.changes import LOG
from services.tagging.courses import Courses
from services.tagging.cutting import Cutting
from services.tagging.domain.layers import BASE
from services.tagging.evaluating import Evaluating
from services.tagging.folding import FEATURES, INTERACTIONS, FeatureFold
from services.tagging.gathering import Gathering
from services.tagging.handlers.publishing import Publishing
from services.tagging.handlers.saying import Saying
from services.tagging.migrations import SCRIPTS
from services.tagging.moments import Moments
from services.tagging.moving import Moving
from services.tagging.operations.counting import Counting
from services.tagging.operations.exporting import Exporting
from services.tagging.operations.rewinding import Rewinding
from services.tagging.operations.running import Operations
from services.tagging.operations.walking import Walking
from services.tagging.queries.crowds import Crowds
from services.tagging.queries.estimating import Estimating
from services.tagging.queries.explaining import Explaining
from services.tagging.queries.histories import Histories
from services.tagging.queries.names import Names
from services.tagging.queries.people import People
from services.tagging.queries.portraying import Portraying
from services.tagging.queries.previewing import Previewing
from services.tagging.queries.scoring import Scoring
from services.tagging.queries.staging import Staging
from services.tagging.refolding import Refolding, consumer_of
from services.tagging.settings import TaggingSettings
from services.tagging.store.features import all_filling
from services.tagging.tallying import Tallying

LANES: Final = 2
"""While one transaction of features computes, another waits for the database."""
_MEGABYTE: Final = 1024 * 1024


class Ground(NamedTuple):
    """What everything here is built on."""

    settings: TaggingSettings
    pool: asyncpg.Pool
    log: PostgresLog
    broker: Broker
    clock: SystemClock
    metrics: Metrics
    traces: Traces

    def folding(self, name: str, log: str, handler: Handler[Connection]) -> Folding[Connection]:
        """The transactions of a consumer."""
        return Folding(
            name,
            log,
            PostgresCheckpoints(self.pool, name, log),
            PostgresDeadLetters(self.pool, name, log, self.clock),
            handler,
            OwnLog(self.log),
            self.settings.parked_keys,
        )

    def consumer(
        self, folding: Folding[Connection], held: Leases, source: GrpcLogSource, pace: ConsumerSettings | None = None
    ) -> Consumer[Connection]:
        """Whoever feeds it."""
        return Consumer(
            folding,
            held,
            broker=self.broker,
            source=source,
            metrics=self.metrics,
            traces=self.traces,
            settings=pace,
        )

    def leases(self, role: str, partitions: int) -> Leases:
        """Partitions that the replicas share."""
        seconds = self.settings.lease_seconds
        return Leases(PostgresLeases(self.pool), role, partitions, self.metrics, seconds=seconds)

    async def consumed(self) -> dict[str, dict[int, int]]:
        """How far the logs of others are consumed; nobody waits for what is being computed on history."""
        async with self.pool.acquire() as connection:
            filling = await all_filling(connection)
        return await consumed(self.pool, [consumer_of(number) for _, number in filling])


def crowd_parts(
    ground: Ground,
    courses: Courses,
    people: People,
    histories: Histories,
    crowds: Crowds,
    now: Callable[[str], Micros],
) -> CrowdParts:
    """Whatever answers who is a member of what."""
    catalogues, tenants, exports = courses.catalogues, crowds.tenants, ground.settings.exports
    walking = Walking(ground.pool, courses, tenants, now)
    exporting = Exporting(Path(exports) if exports else None, walking, Rewinding(ground.log), catalogues)
    works = {"count": Counting(walking).work, "export": exporting.work}
    operations = Operations(ground.pool, ground.clock, ground.metrics, works)
    estimating = Estimating(people, histories, catalogues, courses, crowds, tenants, now)
    most, idle = ground.settings.columns_mb * _MEGABYTE, ground.settings.columns_idle_seconds
    tallying = Tallying(ground.pool, courses, tenants, now, ground.metrics, most, idle)
    return CrowdParts(tenants, crowds, tallying, estimating, exporting, operations)


async def live(life: Lifecycle, settings: TaggingSettings) -> None:
    """Put the service together and run it until it is told to stop."""
    clock, metrics, tenants = SystemClock(), Metrics(), Tenants.load(settings.tenants_file)
    traces = await life.start(Traces.exporting("tagging", settings.otlp_endpoint, settings.trace_ratio).closing())
    await life.start(metrics.serving(settings.host, settings.port_of_metrics))
    # What is asked for is always found by an index, and a plan made while tables were empty would go on scanning them.
    pool = await life.start(open_pool(settings.database_url, size=settings.database_connections, scans=False))
    ranges = Ranges(pool, settings.range_events)
    await ranges.cover(clock.now())
    log = PostgresLog(LOG, settings.partitions, pool, clock, ranges)
    broker = await life.start(Broker(settings.nats_url, name="tagging"))
    ground = Ground(settings, pool, log, broker, clock, metrics, traces)
    profile = await life.start(channel(settings.source))
    source = GrpcLogSource(profile, INTERACTIONS)
    identity = GrpcLogSource(await life.start(channel(settings.identity)), IDENTITY)

    catalogues, rulebook = Catalogues(pool, tenants, metrics), Rulebook(pool, tenants, metrics)
    await catalogues.refresh()
    await rulebook.refresh()
    map_, placing, courses = PostgresIdentityMap(pool), Placing(rulebook.at), Courses(catalogues)
    moments = Moments(pool, source, identity, metrics)

    def now(tenant: str) -> Micros:
        return moments.now(tenant) or clock.now()

    parted = settings.source_partitions
    held = ground.leases(f"{FEATURES}:{INTERACTIONS}", parted)
    followed = ground.leases(f"{MAP}:{IDENTITY}", settings.identity_partitions)
    relayed, filled = ground.leases(f"relay:{LOG}", settings.partitions), ground.leases("backfill", 1)
    gathered = ground.leases("membership", settings.partitions)
    cut = ground.leases("cuts", 1)
    evaluating = Evaluating(pool, log, courses, tenants, moments.now, metrics, settings.evaluation_portion)
    fold = FeatureFold(BASE, courses.live, placing, evaluating.at_once)
    folding = ground.folding(FEATURES, INTERACTIONS, fold.fold)
    moving = Moving(Following(map_, rulebook, lambda _: None))
    learning = ground.folding(MAP, IDENTITY, moving.fold)
    # As many as are answered at once: what is folded behind a backlog would else be marked and read again.
    pace = ConsumerSettings(transaction_events=settings.evaluation_portion, lanes=LANES)
    consumers = [ground.consumer(folding, held, source, pace), ground.consumer(learning, followed, identity)]
    layering = Layering(catalogues, placing)
    backfill = Backfill(
        pool, log, catalogues, layering, tenants, source, parted, clock, metrics, filled, settings.parked_keys
    )

    def fold_of(layer: int) -> FeatureFold | None:
        return fold if layer == BASE else backfill.fold_of(layer)

    refolding = Refolding(pool, parted, source, fold_of, metrics, evaluating.anew)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=relayed)

    gathering = Gathering(pool, log, metrics, gathered)

    transactions = Transactions(pool, log)
    people, histories = People(pool, map_, log, moments.reach), Histories(source, placing)
    crowds = crowd_parts(ground, courses, people, histories, Crowds(gathering, tenants), now)
    parts = Parts(
        rulebook,
        catalogues,
        Names(profile),
        people,
        Previewing(people, histories, catalogues, tenants, now),
        Explaining(people, histories, catalogues, tenants, now),
        Portraying(crowds.crowds, catalogues),
        Scoring(people, histories, courses, tenants, now),
        Staging(people, histories, catalogues, tenants, now),
        Publishing(transactions, tenants, clock, catalogues.changed),
        Saying(transactions, map_, now),
        log,
        crowds,
    )

    menders = [ConsumerMender(folding), ConsumerMender(learning)]

    async def standings() -> Sequence[Standing]:
        return [*map(standing_of_one, consumers), *await standings_of_filling(pool)]

    for leases in (
        held,
        followed,
        relayed,
        filled,
        cut,
        gathered,
    ):  # before those who work under them
        life.background(leases.role, leases.run())
    for name, work in {
        "definitions": catalogues.run(),
        "rules": rulebook.run(),
        "features": consumers[0].run(),
        "identity map": consumers[1].run(),
        "refolding": refolding.run(),
        "moments": moments.run(),
        "evaluation": evaluating.run(),
        "backfill": backfill.run(),
        "membership": gathering.run(),
        "operations": crowds.operations.run(),
        "columns": crowds.tallying.run(),
        "cuts": Cutting(pool, log, catalogues, courses, tenants, moments.now, clock, metrics, cut).run(),
        "relay": relay.run(),
        "silence": end_silent_appends(pool),
        "upkeep": Upkeep(pool, ranges, clock, settings.message_id_days, metrics).run(),
    }.items():
        life.background(name, work)
    server = await life.start(
        serve(
            [
                *tagging_services(parts),
                *log_services(log, pool, standings, ground.consumed, Menders([menders, backfill])),
            ],
            host=settings.host,
            port=settings.port,
            authenticator=DevelopmentCredential({tenant.id for tenant in tenants}),
            metrics=metrics,
            traces=traces,
            drain_seconds=settings.drain_seconds,
            endless=WATCHING,
        )
    )
    life.background("readiness", follow_database(server, pool))
    await life.until_stopped()


def main(arguments: Sequence[str]) -> int:
    """Run the service, or bring its database up to date."""
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(f"{__doc__}\n\n{describe(TaggingSettings)}\n")
        return 0
    settings = settings_or_exit(TaggingSettings)
    start_logs("tagging", settings.log_level, settings.log_form)
    match list(arguments):
        case ["migrate"]:
            from libs.eventlog.migrations import migrate  # noqa: PLC0415  a quarter of the start of whoever serves

            asyncio.run(migrate(settings.database_url, SCRIPTS, partitions=settings.partitions))
            return 0
        case [] | ["serve"]:
            return run(lambda life: live(life, settings))
        case _:
            sys.stderr.write(f"unknown: {' '.join(arguments)}; there are serve (the default), migrate and --help\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
