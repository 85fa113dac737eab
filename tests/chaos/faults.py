"""What can go wrong: each fault begins, lasts and ends by itself, and leaves mending to what it struck."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import asyncpg
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from libs.eventlog.feed import StreamSettings
from libs.eventlog.jetstream_feed import JetStreamFeed
from libs.eventlog.stream import stream_name
from libs.runtime.errors import Unavailable
from tests.chaos.stage import PARTITIONS, Database, Stage
from tests.support.full_disk import full_disk

Log = Literal["interactions", "identity", "tags", "counts"]


_END_ALL: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"


class Fault(Protocol):
    """Something that goes wrong with one part; faults of one part come one after the other."""

    @property
    def part(self) -> str: ...
    async def strike(self, stage: Stage) -> None: ...


@dataclass(frozen=True, slots=True)
class Killed:
    """kill -9, and started again after some seconds."""

    part: str
    gone: float

    async def strike(self, stage: Stage) -> None:
        part = stage.part(self.part)
        await part.kill()
        await asyncio.sleep(self.gone)
        await stage.bring_back(part)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Told to end in good order, and started again after some seconds."""

    part: str
    gone: float

    async def strike(self, stage: Stage) -> None:
        part = stage.part(self.part)
        await part.stop()
        await asyncio.sleep(self.gone)
        await stage.bring_back(part)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A replica stands still for some seconds, and then goes on as if nothing had been."""

    part: str
    still: float

    async def strike(self, stage: Stage) -> None:
        pid = stage.part(self.part).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.still)
        finally:
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class ClockBack:
    """A replica's clock jumps back, and after some seconds forward again."""

    part: str
    back: float
    wrong: float

    async def strike(self, stage: Stage) -> None:
        stage.set_clock(self.part, -round(self.back * 1e6))
        try:
            await asyncio.sleep(self.wrong)
        finally:
            stage.set_clock(self.part, 0)


@dataclass(frozen=True, slots=True)
class StoreWiped:
    """The broker is killed and forgets everything."""

    gone: float
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        await stage.nats.kill()
        await stage.nats.wipe_store()
        await asyncio.sleep(self.gone)
        await stage.bring_back(stage.nats)


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Every write of the broker beyond what its files hold fails, until there is room again."""

    full: float
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        with full_disk(stage.nats):
            await asyncio.sleep(self.full)


@dataclass(frozen=True, slots=True)
class StreamPurged:
    """A stream loses its messages."""

    log: Log
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        async with _administrating(stage) as client:
            await client.jetstream(timeout=2).purge_stream(stream_name(self.log))


@dataclass(frozen=True, slots=True)
class StreamDeleted:
    """A stream is gone."""

    log: Log
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        async with _administrating(stage) as client:
            await client.jetstream(timeout=2).delete_stream(stream_name(self.log))


@dataclass(frozen=True, slots=True)
class StreamRecreated:
    """A stream is deleted and made again at once, so that only its sequence numbers tell."""

    log: Log
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        async with _administrating(stage) as client:
            await client.jetstream(timeout=2).delete_stream(stream_name(self.log))

            async def connected() -> Client:
                return client

            await JetStreamFeed(connected, self.log).ensure(PARTITIONS, StreamSettings())


@dataclass(frozen=True, slots=True)
class ConsumersDeleted:
    """The pull consumers of a stream are gone."""

    log: Log
    part: str = "nats"

    async def strike(self, stage: Stage) -> None:
        async with _administrating(stage) as client:
            jetstream = client.jetstream(timeout=2)
            for consumer in await jetstream.consumers_info(stream_name(self.log)):
                await jetstream.delete_consumer(stream_name(self.log), consumer.name)


@dataclass(frozen=True, slots=True)
class ConnectionsEnded:
    """Whoever is connected to a database is thrown out of it, in the middle of whatever they do."""

    database: Database
    part: str = "postgres"

    async def strike(self, stage: Stage) -> None:
        with suppress(OSError, asyncpg.PostgresError):  # another fault has taken the server, and all of them with it
            connection = await asyncpg.connect(stage.postgres.dsn("postgres"), timeout=2)
            try:
                await connection.execute(_END_ALL, self.database)
            finally:
                await connection.close()


@dataclass(frozen=True, slots=True)
class Poison:
    """The consumers fail over some events, until they are mended."""

    unmended: float
    part: str = "consumers"

    async def strike(self, stage: Stage) -> None:
        stage.set_poison(on=True)
        try:
            await asyncio.sleep(self.unmended)
        finally:
            stage.set_poison(on=False)


@asynccontextmanager
async def _administrating(stage: Stage) -> AsyncIterator[Client]:
    """Speak to the broker; a stream that another fault has taken meanwhile can't be hurt more."""
    client = await nats.connect(stage.nats.url, allow_reconnect=False, connect_timeout=30)
    try:
        with suppress(NatsError, Unavailable):
            yield client
    finally:
        await client.close()
