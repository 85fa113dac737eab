"""A stack of a test's own whose portraits are rebuilt while it goes on serving."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from portrait.ops.v1 import projections_service_pb2 as pb

from libs.devstack.stack import Stack
from libs.eventlog.database import open_pool
from libs.eventlog.event import Recorded
from libs.eventlog.lazy import LazyReader
from libs.eventlog.postgres import PostgresLog, recorded
from libs.eventlog.projection import refold
from libs.eventlog.ranges import Ranges
from libs.eventlog.versions import PostgresVersions
from libs.rpc.client import channel
from libs.runtime.clock import SystemClock
from libs.runtime.tenants import SHIPPED, Tenants
from libs.telemetry.metrics import Metrics
from services.profile.domain.portrait import Portrait
from services.profile.domain.snapshot import fingerprint
from services.profile.projections import PORTRAITS, portraits
from services.profile.rebuilding import LOG, reader_of
from services.profile.schemas import Schemas
from tests.support.profile import PARTITIONS, SMALL, Client, patiently

ENDED = {pb.REBUILD_PHASE_DONE, pb.REBUILD_PHASE_CANCELLED}


@dataclass(frozen=True)
class Shop:
    """A running stack, its tenants file, and clients."""

    stack: Stack
    tenants_file: Path
    demo: Client
    other: Client
    platform: Client

    @property
    def database(self) -> str:
        return self.stack.postgres.dsn("profile", role="profile")

    def move_to(self, zone: str) -> None:
        """Let the tenant `demo` have another zone from the next start on."""
        was = SHIPPED.read_text(encoding="utf-8")
        self.tenants_file.write_text(was.replace("zone: Asia/Shanghai", f"zone: {zone}"), encoding="utf-8")

    async def restart(self) -> None:
        service = self.stack.services["profile"]
        await service.stop()
        await service.start()
        await self.answered(60)

    async def answered(self, within: float) -> Any:
        """The versions, as soon as the service answers: channels take a while to try again."""
        async with asyncio.timeout(within):
            return await patiently(self.versions)

    async def start(self, **request: Any) -> Any:
        """Begin a rebuild."""
        return await self.platform.projections.StartRebuild(pb.StartRebuildRequest(projection=PORTRAITS, **request))

    async def standing(self) -> Any:
        return (await self.platform.projections.GetRebuild(pb.GetRebuildRequest(projection=PORTRAITS))).rebuild

    async def ended(self, within: float = 120) -> Any:
        """How the last rebuild stands when it has ended."""
        async with asyncio.timeout(within):
            while (rebuild := await self.standing()).phase not in ENDED:  # noqa: ASYNC110  another process ends it
                await asyncio.sleep(0.1)
        return rebuild

    async def rebuilt(self) -> int:
        """The number of a new version, built and compared."""
        await self.start()
        rebuild = await self.ended()
        assert rebuild.phase == pb.REBUILD_PHASE_DONE
        return int(rebuild.version)

    async def difference(self, **request: Any) -> Any:
        return await self.platform.projections.DiffRebuild(pb.DiffRebuildRequest(projection=PORTRAITS, **request))

    async def compared_again(self) -> Any:
        await self.difference(compare_again=True)
        await self.ended()
        return await self.difference()

    async def switch(self, version: int) -> None:
        await self.platform.projections.SwitchProjection(
            pb.SwitchProjectionRequest(projection=PORTRAITS, version=version)
        )

    async def versions(self) -> dict[int, Any]:
        """The versions there are, by number."""
        answer = await self.platform.projections.ListProjections(pb.ListProjectionsRequest())
        return {one.version: one for one in answer.projections[0].versions}

    async def alone(self) -> None:
        """Leave only the version that is read."""
        for number, version in (await self.versions()).items():
            if version.state == pb.VERSION_STATE_READY:
                await self.platform.projections.RetireProjection(
                    pb.RetireProjectionRequest(projection=PORTRAITS, version=number)
                )

    async def query(self, sql: str, *arguments: Any) -> Any:
        """The value that a statement answers with."""
        connection = await asyncpg.connect(self.database)
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()

    def workers(self) -> list[psutil.Process]:
        """Processes that work at a rebuild."""
        pid = self.stack.services["profile"].pid
        return psutil.Process(pid).children() if pid is not None else []

    @asynccontextmanager
    async def one_step_held(self) -> AsyncIterator[None]:
        """The rebuild that runs can't be done inside the block: its last partition is out of reach."""
        connection = await asyncpg.connect(self.database)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM rebuild_steps WHERE partition = $1 FOR UPDATE", PARTITIONS - 1)
                yield
        finally:
            await connection.close()

    async def hashes(self, number: int) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """Fingerprints by key: of what a version says, and of what the log says when it is folded from its start."""
        tenants = Tenants.load(self.tenants_file)
        clock = SystemClock()
        async with open_pool(self.database, size=2) as pool:
            log = PostgresLog(LOG, PARTITIONS, pool, clock, Ranges(pool))
            schemas = Schemas(pool, log, tenants, clock, Metrics())
            for tenant in tenants:
                await schemas.refresh(tenant.id)
            versions = {one.number: one for one in await PostgresVersions(pool, PORTRAITS, PORTRAITS, clock).load()}
            projection = portraits(tenants, schemas).of(versions[number])
            reader: LazyReader[Portrait] = reader_of(projection, pool, log)
            rows = await pool.fetch("SELECT tenant, key, position, recorded_at, event FROM log ORDER BY key, position")
            histories: dict[tuple[str, bytes], list[Recorded]] = {}
            for tenant, key, *row in rows:
                histories.setdefault((tenant, key), []).extend(recorded([row]))  # type: ignore[list-item]
            said, golden = {}, {}
            for wanted, folded in zip(histories, await reader.read(list(histories)), strict=True):
                said[wanted[1]] = fingerprint(folded.state)
                golden[wanted[1]] = fingerprint(refold(projection, histories[wanted]).state)
        return said, golden


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    """A stack with a tenants file that can be changed."""
    tenants_file = folder / "tenants.yaml"
    tenants_file.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    environment = {"PORTRAIT_PROFILE_TRACE_RATIO": "0"}
    async with (
        Stack(
            tenants_file=tenants_file, services=("profile",), environment=environment, postgres_settings=SMALL
        ) as stack,
        channel(stack.services["profile"].target) as opened,
    ):
        yield Shop(stack, tenants_file, Client(opened, "demo"), Client(opened, "other"), Client(opened, "*"))


async def collected(client: Client, documents: Sequence[Any], at_once: int = 500) -> None:
    """Record documents, so many a call."""
    for start in range(0, len(documents), at_once):
        await client.recorded(*documents[start : start + at_once])
