"""What the profile service does when told to: collect, retract, mend."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.append import Appender
from libs.eventlog.event import Appended, Envelope, NewEvent, uuid7
from libs.eventlog.living import LivingProjection
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.retraction import retraction
from libs.people.rulebook import Rulebook
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.clock import SECOND, Clock
from libs.runtime.errors import InvalidArgument, NotFound
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import traceparent_bytes
from services.profile.clocks import TenantClocks
from services.profile.domain.incoming import Intake, anchored, no_usable_identifier
from services.profile.domain.portrait import Portrait
from services.profile.domain.rejection import Rejected
from services.profile.quarantine import Quarantined, QuarantineStore, quarantine_id
from services.profile.schemas import Schemas

RETRACT_AT_ONCE: Final = 1_000
BREATH_DOCUMENTS: Final = 100
REPEATABLE_SECONDS: Final = 12 * 3600  # message ids are known for a day at least


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """An interaction that went to quarantine (no id if the request only validates)."""

    quarantine_id: bytes
    rejected: Rejected


Collected = Appended | Refusal | None
"""Where an interaction was recorded, or why not; None for one that would be recorded, if the request only validates."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents that came together."""

    tenant: str
    documents: Sequence[bytes]
    mode: "log_pb.Mode.ValueType" = log_pb.MODE_LIVE
    import_id: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Collecting:
    """Takes batches in: what can be recorded goes to the log, the rest to quarantine, and each is answered for."""

    tenants: Tenants
    schemas: Schemas
    appender: Appender
    quarantine: QuarantineStore
    clock: Clock
    clocks: TenantClocks
    metrics: Metrics
    rulebook: Rulebook

    async def collect(self, batch: Batch, *, validate_only: bool = False) -> list[Collected]:
        """Record a batch; answers for each document in its order."""
        read = await self._read(batch)
        if validate_only:
            return [Refusal(b"", one) if isinstance(one, Rejected) else None for one in read]
        rejected = [
            (document, one) for document, one in zip(batch.documents, read, strict=True) if isinstance(one, Rejected)
        ]
        if rejected:
            await self._set_aside(batch, rejected)
        events = [one for one in read if isinstance(one, NewEvent)]
        places = iter(await self.appender.append(events))
        await self.clocks.follow(batch.tenant, events)
        results: list[Collected] = [
            Refusal(quarantine_id(batch.tenant, document), one) if isinstance(one, Rejected) else next(places)
            for document, one in zip(batch.documents, read, strict=True)
        ]
        self._count(results)
        return results

    async def _read(self, batch: Batch) -> list[NewEvent | Rejected]:
        tenant, anchoring = self.tenants.get(batch.tenant), self.rulebook.current(batch.tenant)
        schemas = self.schemas.of(batch.tenant).current
        ceiling = tenant.clock_ceiling if tenant.clock == "event" else None
        intake = Intake(schemas, ZoneInfo(tenant.zone), ceiling, fresh_id=lambda: uuid7(self.clock.now()))
        seal = Envelope(
            batch.tenant,
            INTERACTION_RECORDED,
            mode=batch.mode,
            import_id=batch.import_id,
            rules_version=anchoring.rules.version,
            schema_revision=schemas.revision,
            traceparent=traceparent_bytes(),
        ).seal()
        arrived_at = self.clock.now()
        read: list[NewEvent | Rejected] = []
        for index, document in enumerate(batch.documents):
            if index % BREATH_DOCUMENTS == BREATH_DOCUMENTS - 1:
                await asyncio.sleep(0)  # a full batch takes as long as thirty reads, which would wait for it
            one = intake.read(document, arrived_at, batch.request_id, index)
            if isinstance(one, Rejected):
                read.append(one)
                continue
            anchor, refused = anchored(one.said, anchoring)
            if anchor is None:
                read.append(no_usable_identifier(refused))
                continue
            read.append(
                seal.event(
                    one.event_id,
                    anchor.key,
                    one.occurred_at,
                    one.payload,
                    sent_at=one.sent_at,
                    digest=one.digest,
                )
            )
        return read

    async def _set_aside(self, batch: Batch, rejected: Sequence[tuple[bytes, Rejected]]) -> None:
        await self.quarantine.add(
            batch.tenant, rejected, arrived_at=self.clock.now(), mode=batch.mode, import_id=batch.import_id
        )
        for reason, times in Counter(why.reason for _, why in rejected).items():
            self.metrics.quarantined.labels(reason).inc(times)

    def _count(self, results: Sequence[Collected]) -> None:
        duplicates = [one for one in results if isinstance(one, Appended) and one.duplicate]
        if duplicates:
            differing = sum(one.differs for one in duplicates)
            self.metrics.duplicates.labels("true").inc(differing)
            self.metrics.duplicates.labels("false").inc(len(duplicates) - differing)


@dataclass(frozen=True, slots=True)
class Mending:
    """Tries quarantined documents again, or gives them up."""

    collecting: Collecting
    quarantine: QuarantineStore
    clock: Clock

    async def reprocess(self, tenant: str, items: Sequence[tuple[bytes, bytes]]) -> list[Collected]:
        """Collect (id, mended document or empty) once more; what is still bad stays under its id.

        What was reprocessed within the last twelve hours is a duplicate of what was recorded, whatever is sent now.
        Raises `NotFound` for an id that is not there and `InvalidArgument` for one named twice, before anything is
        tried.
        """
        ids, repeatable = [id_ for id_, _ in items], self.clock.now() - REPEATABLE_SECONDS * SECOND
        known = await self.quarantine.get(tenant, ids, reprocessed_since=repeatable)
        named: set[bytes] = set()
        for index, (id_, _) in enumerate(items):
            if id_ not in known:
                raise NotFound("quarantined interaction", id_.hex())
            if id_ in named:
                raise InvalidArgument(f"items[{index}].quarantine_id", "is named twice")
            named.add(id_)
        return [await self._again(tenant, known[id_], mended) for id_, mended in items]

    async def _again(self, tenant: str, before: Quarantined, mended: bytes) -> Collected:
        id_, document = before.id, before.document if before.reprocessed else mended or before.document
        batch = Batch(tenant, [document], log_pb.Mode.ValueType(before.mode), before.import_id, request_id=id_.hex())
        (verdict,) = await self.collecting.collect(batch, validate_only=True)
        if isinstance(verdict, Refusal):
            await self.quarantine.keep(tenant, id_, document, verdict.rejected)
            return Refusal(id_, verdict.rejected)
        (result,) = await self.collecting.collect(batch)
        await self.quarantine.reprocessed(tenant, id_, document, now=self.clock.now())
        return result

    async def discard(self, tenant: str, ids: Sequence[bytes], why: str) -> int:
        """Give documents up; their rows stay, with the reason."""
        return await self.quarantine.end(tenant, ids, now=self.clock.now(), why=why)


_ONE = """
    SELECT event_id, partition, position, recorded_at FROM message_ids WHERE tenant = $1 AND event_id = $2"""

_SOME_OF_IMPORT = """
    SELECT event_id, partition, position, recorded_at FROM message_ids WHERE tenant = $1 AND import_id = $2 LIMIT $3"""

_FORGET = """
    DELETE FROM message_ids AS ids USING unnest($2::uuid[], $3::bigint[]) AS gone(event_id, position)
    WHERE ids.tenant = $1 AND ids.event_id = gone.event_id AND ids.position = gone.position"""

_REMAINING = "SELECT count(*) FROM message_ids WHERE tenant = $1 AND import_id = $2"


@dataclass(frozen=True, slots=True)
class Retracting:
    """Takes interactions back, so that it is as if they had never been sent; their ids may be sent again.

    The retraction is appended first and the ids are forgotten after it. A crash between the two leaves ids whose
    retraction, when tried again, has the same event id and changes nothing: any call may be repeated.
    """

    pool: asyncpg.Pool
    log: PostgresLog
    appender: Appender
    living: LivingProjection[Portrait]
    clock: Clock

    async def message(self, tenant: str, event_id: bytes, message_id: str) -> int:
        """Take back one interaction; raises `NotFound`."""
        rows = await self.pool.fetch(_ONE, tenant, event_id)
        if not rows:
            raise NotFound("interaction", message_id)
        return await self._retract(tenant, rows, "message")

    async def import_(self, tenant: str, import_id: str) -> tuple[int, int]:
        """Take back up to a thousand interactions of an import; answers how many, and how many remain."""
        rows = await self.pool.fetch(_SOME_OF_IMPORT, tenant, import_id, RETRACT_AT_ONCE)
        if not rows:
            return 0, 0
        retracted = await self._retract(tenant, rows, f"import {import_id}")
        return retracted, await self.pool.fetchval(_REMAINING, tenant, import_id)

    async def _retract(self, tenant: str, rows: Sequence[asyncpg.Record], reason: str) -> int:
        positions: dict[bytes, list[int]] = {}
        keys = await self.log.keys_at([(row["partition"], row["position"], row["recorded_at"]) for row in rows])
        for row in rows:
            positions.setdefault(keys[row["partition"], row["position"]], []).append(row["position"])
        now, traceparent = self.clock.now(), traceparent_bytes()
        events = [
            retraction(tenant, key, gone, reason, now, traceparent=traceparent) for key, gone in positions.items()
        ]
        await self.appender.append(events)
        await self.pool.execute(_FORGET, tenant, [row["event_id"] for row in rows], [row["position"] for row in rows])
        self.living.request((tenant, key) for key in positions)
        return len(rows)
