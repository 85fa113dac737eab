"""The reference consumer as a process: `python -m tests.support.reference_consumer`, told by its environment."""

import sys
from collections.abc import Sequence
from typing import Final

from pydantic import Field

from libs.eventlog.checkpoint import PostgresCheckpoints, PostgresSavedPositions, consumed
from libs.eventlog.consumer import Consumer
from libs.eventlog.database import open_pool
from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.folding import Folding, OwnLog
from libs.eventlog.jetstream import Broker
from libs.eventlog.lease_store import PostgresLeases
from libs.eventlog.leases import Leases
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.mending import ConsumerMender
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.eventlog.relay import Relay
from libs.eventlog.service import Standing, log_services
from libs.eventlog.silence import end_silent_appends
from libs.eventlog.upkeep import Upkeep
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
from tests.support.reference_consumer.tables import prepare

MESSAGE_ID_DAYS: Final = 7


class ReferenceSettings(ServiceSettings):
    """Settings of the reference consumer."""

    model_config = settings_of("reference")

    source: str = Field(description="host:port of the service whose log is consumed")
    source_log: str = Field(default="interactions", description="name of that log")
    partitions: int = Field(default=8, ge=1, description="partitions of that log, and of the own one")
    dies: Stage | None = Field(default=None, description="where in a transaction to die, before long")
    takes_poison: bool = Field(default=False, description="be the release that can fold events of type poison")


async def live(life: Lifecycle, settings: ReferenceSettings) -> None:
    """Put the service together and run it until it is told to stop."""
    clock, metrics, partitions = SystemClock(), Metrics(), settings.partitions
    await prepare(settings.database_url, partitions)
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
    folding = Folding(
        CONSUMER,
        settings.source_log,
        checkpoints=PostgresCheckpoints(pool, CONSUMER, settings.source_log),
        letters=PostgresDeadLetters(pool, CONSUMER, settings.source_log, clock),
        handler=Counts(settings.takes_poison).fold,
        outlet=OwnLog(log),
        parked_keys=settings.parked_keys,
    )
    if settings.dies:
        folding = dying(folding, settings.dies)
    consumer = Consumer(
        folding,
        consuming,
        broker=broker,
        source=GrpcLogSource(owner, settings.source_log),
        metrics=metrics,
        traces=traces,
    )

    relay = Relay(log, broker, PostgresSavedPositions(pool, LOG), metrics, traces, partitions=relaying)
    for held in leases:
        life.background(held.role, held.run())
    life.background("consumer", consumer.run())
    life.background("relay", relay.run())
    life.background("silence", end_silent_appends(pool))
    life.background("upkeep", Upkeep(pool, ranges, clock, MESSAGE_ID_DAYS, metrics).run())

    async def standings() -> Sequence[Standing]:
        return []

    await life.start(
        serve(
            log_services(log, pool, standings, lambda: consumed(pool), [ConsumerMender(folding)]),
            host=settings.host,
            port=settings.port,
            authenticator=DevelopmentCredential({tenant.id for tenant in Tenants.load(settings.tenants_file)}),
            metrics=metrics,
            traces=traces,
            drain_seconds=settings.drain_seconds,
        )
    )
    await life.until_stopped()


def main() -> int:
    """Run until told to stop."""
    settings = settings_or_exit(ReferenceSettings)
    start_logs("reference", settings.log_level, settings.log_form)
    return run(lambda life: live(life, settings))


if __name__ == "__main__":
    sys.exit(main())
