"""The reference consumer: `python -m tests.support.reference_consumer [migrate]`, told by its environment."""

import asyncio
import os
import sys
from collections.abc import Sequence
from socket import gethostname
from typing import Final

import msgspec
from pydantic import Field

from libs.eventlog.checkpoint import PostgresCheckpoints, PostgresSavedPositions
from libs.eventlog.consumer import Consumer
from libs.eventlog.consumer_rebuild import ConsumerRebuild
from libs.eventlog.consumer_versions import ConsumerRebuilds, ConsumerVersions, VersionedConsumer, folding_of
from libs.eventlog.database import Connection, open_pool
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.living_consumer import ConsumerMenders, LivingConsumer
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.rebuild import Overtaken, Run
from libs.eventlog.rebuild_runner import RebuildRunner, work
from libs.eventlog.rebuild_service import Rebuildable
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services, standing_of_consumer
from libs.eventlog.shadow import Shadow
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.upkeep import Upkeep
from libs.eventlog.versions import Version
from libs.rpc.client import channel
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.clock import SystemClock
from libs.runtime.lifecycle import Lifecycle, run
from libs.runtime.settings import ServiceSettings, settings_of, settings_or_exit
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.reference_consumer.counts import CONSUMER, LOG, Counts
from tests.support.reference_consumer.dying import Stage, dying

MESSAGE_ID_DAYS: Final = 7


class ReferenceSettings(ServiceSettings):
    """Settings of the reference consumer."""

    model_config = settings_of("reference")

    source: str = Field(description="host:port of the service whose log is consumed")
    source_log: str = Field(default="interactions", description="name of that log")
    partitions: int = Field(default=8, ge=1, description="partitions of that log, and of the own one")
    dies: Stage | None = Field(default=None, description="where in a transaction to die, before long")
    newest_fold: int = Field(default=1, ge=1, le=2, description="be the release that has the folds up to this one")
    takes_poison: bool = Field(default=False, description="be the release that can fold events of type poison")


def declared_by(settings: ReferenceSettings) -> VersionedConsumer:
    """What is counted: by fold 1 every event once, by fold 2 ten times."""
    folds = {1: Counts(settings.takes_poison).fold, 2: Counts(settings.takes_poison, each=10).fold}
    known = {number: fold for number, fold in folds.items() if number <= settings.newest_fold}
    return VersionedConsumer(CONSUMER, settings.source_log, settings.partitions, {"counts": ("tenant", "key")}, known)


def worker(run: Run) -> Sequence[str]:
    """The command line of a process that works at a rebuild."""
    return (sys.executable, "-m", "tests.support.reference_consumer", "rebuild", msgspec.json.encode(run).decode())


async def rebuild(settings: ReferenceSettings, run: Run) -> None:
    """Work at a rebuild until it is done; raises `Overtaken`."""
    clock, declared, metrics = SystemClock(), declared_by(settings), Metrics()
    async with open_pool(settings.database_url, size=4) as pool, channel(settings.source) as owner:
        versions = {one.number: one for one in await ConsumerVersions(pool, declared, clock).load()}
        if versions.keys() < {run.against, run.version}:
            raise Overtaken
        before, after = versions[run.against], versions[run.version]
        log = PostgresLog(LOG, declared.partitions, pool, clock, Ranges(pool))
        folding = folding_of(declared, after, pool, OwnLog(log), clock, settings.parked_keys)
        read = PostgresCheckpoints(pool, before.name, declared.log)
        source = GrpcLogSource(owner, declared.log)
        shadow = Shadow(folding, range(declared.partitions), read.load, source, metrics)
        await ConsumerRebuild(pool, declared, run, before, after, shadow, clock).work()


async def live(life: Lifecycle, settings: ReferenceSettings) -> None:
    """Put the service together and run it until it is told to stop."""
    clock, metrics, partitions = SystemClock(), Metrics(), settings.partitions
    traces = await life.start(Traces.exporting("reference", settings.otlp_endpoint).closing())
    await life.start(metrics.serving(settings.host, settings.port_of_metrics))
    pool = await life.start(open_pool(settings.database_url))
    ranges = Ranges(pool)
    await ranges.cover(clock.now())
    log = PostgresLog(LOG, partitions, pool, clock, ranges)
    broker = await life.start(Broker(settings.nats_url, name="reference"))
    owner = await life.start(channel(settings.source))
    leases = [
        Leases(PostgresLeases(pool), role, partitions, metrics, seconds=settings.lease_seconds)
        for role in (f"{CONSUMER}:{settings.source_log}", f"relay:{LOG}")
    ]
    consuming, relaying = leases
    source, declared = GrpcLogSource(owner, settings.source_log), declared_by(settings)

    def fold(version: Version) -> Folding[Connection]:
        folding = folding_of(declared, version, pool, OwnLog(log), clock, settings.parked_keys)
        return dying(folding, settings.dies) if settings.dies else folding

    def consume(folding: Folding[Connection]) -> Consumer[Connection]:
        return Consumer(folding, consuming, broker=broker, source=source, metrics=metrics, traces=traces)

    versions, rebuilds = ConsumerVersions(pool, declared, clock), ConsumerRebuilds(pool, declared, clock)
    living = LivingConsumer(declared, versions, pool, fold, consume, source, consuming, metrics)
    await living.begin()
    runner = RebuildRunner(rebuilds, worker, living.knows, f"{gethostname()}:{os.getpid()}", metrics)
    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=relaying)
    for held in leases:
        life.background(held.role, held.run())
    life.background("consumer", living.run())
    life.background("rebuilds", runner.run())
    life.background("relay", relay.run())
    life.background("silence", end_silent_appends(pool))
    life.background("upkeep", Upkeep(pool, ranges, clock, MESSAGE_ID_DAYS, metrics).run())

    async def standings() -> Sequence[Standing]:
        return [await standing_of_consumer(living)]

    await life.start(
        serve(
            log_services(
                log, pool, standings, living.consumed, ConsumerMenders(living), [Rebuildable(living, rebuilds)]
            ),
            host=settings.host,
            port=settings.port,
            authenticator=DevelopmentCredential({tenant.id for tenant in Tenants.load(settings.tenants_file)}),
            metrics=metrics,
            traces=traces,
            drain_seconds=settings.drain_seconds,
        )
    )
    await life.until_stopped()


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop, make its tables, or work at a rebuild."""
    settings = settings_or_exit(ReferenceSettings)
    start_logs("reference", settings.log_level, settings.log_form)
    match arguments:
        case ["migrate"]:
            from tests.support.reference_consumer.tables import prepare  # noqa: PLC0415  a third of the start of others

            asyncio.run(prepare(settings.database_url, settings.partitions))
            return 0
        case ["rebuild", goal]:
            return work(lambda: rebuild(settings, msgspec.json.decode(goal, type=Run)))
        case _:
            return run(lambda life: live(life, settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
