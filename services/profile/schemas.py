"""The schemas of every tenant: published into the log, kept in memory, and in step between replicas."""

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import asyncpg
import msgspec
import structlog

from libs.eventlog.event import Envelope
from libs.eventlog.postgres import PostgresLog
from libs.people.keys import Keyring
from libs.runtime.clock import Clock
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.profile.domain.schema import Schema
from services.profile.domain.schema_history import SchemaHistory, SchemaPublished, evolve

SCHEMA_PUBLISHED: Final = "schema_published"
REFRESH_SECONDS: Final = 1.0

_LATER = "SELECT tenant, revision, document FROM schemas WHERE tenant = $1 AND revision > $2 ORDER BY revision"
_ANSWERED = "SELECT document FROM schemas WHERE tenant = $1 AND event_id = $2"


@dataclass(eq=False)
class Schemas:
    """Reads and publishes schemas. A revision that an event was stamped with is in the database before the event."""

    pool: asyncpg.Pool
    log: PostgresLog
    tenants: Tenants
    clock: Clock
    metrics: Metrics
    _histories: dict[str, SchemaHistory] = field(default_factory=dict, init=False)

    def of(self, tenant: str) -> SchemaHistory:
        """All revisions that this replica knows."""
        return self._histories.get(tenant) or self._histories.setdefault(tenant, SchemaHistory())

    async def know(self, tenant: str, revision: int) -> None:
        """Learn of a revision that another replica published."""
        if revision > self.of(tenant).current.revision:
            await self.refresh(tenant)

    async def refresh(self, tenant: str) -> None:
        """Learn of everything published for a tenant."""
        for row in await self.pool.fetch(_LATER, tenant, self.of(tenant).current.revision):
            schema = msgspec.json.decode(row["document"], type=Schema)
            if schema.revision == self.of(tenant).current.revision + 1:
                self._histories[tenant] = evolve(self.of(tenant), SchemaPublished(schema))

    async def run(self) -> None:
        """Keep in step with other replicas until cancelled."""
        log = structlog.get_logger()
        while True:
            for tenant in self.tenants:
                try:
                    await self.refresh(tenant.id)
                except Exception as error:  # noqa: BLE001  the database is away, or a newer release published
                    log.warning("schemas_not_refreshed", tenant=tenant.id, error=repr(error))
            self.metrics.heartbeat("schemas")
            await asyncio.sleep(REFRESH_SECONDS)

    async def publish(
        self, tenant: str, schema: Schema, *, etag: str, request_id: str, validate_only: bool
    ) -> tuple[Schema, list[str]]:
        """Publish a schema and answer how it then stands and what changes; a repeat is answered as the first was."""
        event_id = _event_id(tenant, request_id or f"{schema.name}\0{self.clock.now()}")
        while True:
            await self.refresh(tenant)
            if request_id and (document := await self.pool.fetchval(_ANSWERED, tenant, event_id)):
                return self._answered(tenant, msgspec.json.decode(document, type=Schema))
            history = self.of(tenant)
            _, standing, changes = history.publish(schema, self.clock.now(), etag)
            if validate_only or standing.revision == history.current.revision:
                return standing, changes
            try:
                await self._record(tenant, event_id, standing)
            except asyncpg.UniqueViolationError:
                continue  # another replica took the revision meanwhile: decide again on what stands now
            await self.refresh(tenant)
            return standing, changes

    def _answered(self, tenant: str, published: Schema) -> tuple[Schema, list[str]]:
        """What was answered when a schema was published: the same, decided on what stood before it."""
        before = SchemaHistory(self.of(tenant).revisions[: published.revision])
        _, standing, changes = before.publish(published, published.published_at or 0)
        return standing, changes

    async def _record(self, tenant: str, event_id: bytes, schema: Schema) -> None:
        document = msgspec.json.encode(schema)
        key = Keyring(self.tenants.get(tenant).secret).key("definition", "schema", schema.name)
        published_at = schema.published_at or self.clock.now()
        event = Envelope(tenant, SCHEMA_PUBLISHED).seal().event(event_id, key, published_at, document)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO schemas (tenant, revision, event_id, document) VALUES ($1, $2, $3, $4)",
                tenant,
                schema.revision,
                event_id,
                document,
            )
            await self.log.append_in(connection, [event])


def _event_id(tenant: str, cause: str) -> bytes:
    return blake2b(f"{tenant}\0{SCHEMA_PUBLISHED}\0{cause}".encode(), digest_size=16).digest()
