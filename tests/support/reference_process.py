"""The reference consumer as a process, and the service whose log it consumes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1 import log_service_pb2_grpc as log_rpc

from libs.eventlog.memory import MemoryLog
from libs.eventlog.service import Consumed, LogService, consumes_nothing
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import Service, serve
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.reference_consumer.tables import prepare
from tests.support.transport import PARTITIONS

LEASE_SECONDS = 0.6  # so short that somebody is at work when the next one is killed


@asynccontextmanager
async def owner_of(log: MemoryLog, consumed: Consumed = consumes_nothing) -> AsyncIterator[str]:
    """The address of a service that owns the log."""
    service = LogService(log, consumed)
    async with serve(
        [Service(log_pb.DESCRIPTOR.services_by_name["Log"], log_rpc.add_LogServicer_to_server, service)],
        host="127.0.0.1",
        port=0,
        authenticator=DevelopmentCredential({"demo"}),
        metrics=Metrics(),
        traces=Traces.off(),
        drain_seconds=1,
    ) as server:
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def reference_consumer(
    database: str, nats_url: str, owner: str, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A replica of the reference consumer; killed at the end of the block."""
    environment = {
        "PORTRAIT_REFERENCE_DATABASE_URL": database,
        "PORTRAIT_REFERENCE_NATS_URL": nats_url,
        "PORTRAIT_REFERENCE_SOURCE": owner,
        "PORTRAIT_REFERENCE_PARTITIONS": str(PARTITIONS),
        "PORTRAIT_REFERENCE_LEASE_SECONDS": str(LEASE_SECONDS),
        "PORTRAIT_REFERENCE_LOG_LEVEL": "warning",
        **{f"PORTRAIT_REFERENCE_{name}": value for name, value in settings.items()},
    }
    await prepare(database, PARTITIONS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.reference_consumer", env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def counted(database: str) -> tuple[int, int, int]:
    """Events counted, changes recorded, and distinct causes of those changes."""
    try:
        connection = await asyncpg.connect(database)
        try:
            row = await connection.fetchrow(
                "SELECT (SELECT coalesce(sum(count), 0)::bigint FROM counts), (SELECT count(*) FROM log), "
                "(SELECT count(DISTINCT event_id) FROM message_ids)"
            )
        finally:
            await connection.close()
    except (asyncpg.PostgresError, OSError):
        return (0, 0, 0)
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


def all_counted(database: str, events: int) -> Callable[[], Awaitable[bool]]:
    """Whether every event was counted and told of, once."""

    async def check() -> bool:
        return await counted(database) == (events, events, events)

    return check
