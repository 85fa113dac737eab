"""Quarantine: what could not be recorded, kept until it is mended or given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import asyncpg
import msgspec

from services.profile.domain.rejection import Rejected


class Quarantined(msgspec.Struct, frozen=True):
    """A document in quarantine; `mode` and `import_id` are those of the batch that it came with.

    One that was reprocessed is kept as it was recorded, so that a repeated request can be answered as the first was.
    """

    id: bytes
    arrived_at: int
    document: bytes
    reason: str
    field: str
    message: str
    mode: int
    import_id: str
    attempts: int
    reprocessed: bool = False


SHOWN_BYTES: Final = 64 * 1024

# A producer's retry leaves what waits already alone: it may be half mended. What was let go waits anew.
_ADD = """
    INSERT INTO quarantine AS known (tenant, quarantine_id, arrived_at, document, reason, field, message, mode,
                            import_id, attempts)
    SELECT $1, id, $2, document, reason, field, message, $3, $4, 0
    FROM unnest($5::uuid[], $6::bytea[], $7::text[], $8::text[], $9::text[])
      AS new(id, document, reason, field, message)
    ON CONFLICT (tenant, quarantine_id) DO UPDATE
    SET arrived_at = excluded.arrived_at, document = excluded.document, reason = excluded.reason,
        field = excluded.field, message = excluded.message, mode = excluded.mode, import_id = excluded.import_id,
        attempts = 0, ended_at = NULL, ended_why = NULL
    WHERE known.ended_at IS NOT NULL"""

_COLUMNS = """quarantine_id, arrived_at, document, reason, field, message, mode, import_id, attempts"""

# A document is kept whole, but what is listed is not read whole.
_SHOWN = _COLUMNS.replace("document", f"substr(document, 1, {SHOWN_BYTES + 1})")

_LIST = f"""
    SELECT {_SHOWN} FROM quarantine
    WHERE tenant = $1 AND ended_at IS NULL AND ($2 = '' OR reason = $2) AND (arrived_at, quarantine_id) < ($3, $4)
    ORDER BY arrived_at DESC, quarantine_id DESC LIMIT $5"""  # noqa: S608  the columns are our own

_COUNT = "SELECT count(*) FROM quarantine WHERE tenant = $1 AND ended_at IS NULL AND ($2 = '' OR reason = $2)"

_REPROCESSED: Final = "reprocessed"

_GET = f"""
    SELECT {_COLUMNS}, ended_at IS NOT NULL FROM quarantine
    WHERE tenant = $1 AND quarantine_id = ANY($2::uuid[])
      AND (ended_at IS NULL OR (ended_at >= $3 AND ended_why = '{_REPROCESSED}'))"""  # noqa: S608  as above

_STILL_BAD = """
    UPDATE quarantine SET attempts = attempts + 1, document = $3, reason = $4, field = $5, message = $6
    WHERE tenant = $1 AND quarantine_id = $2"""

_END = """
    UPDATE quarantine SET ended_at = $3, ended_why = $4
    WHERE tenant = $1 AND quarantine_id = ANY($2::uuid[]) AND ended_at IS NULL"""

_END_MENDED = """
    UPDATE quarantine SET ended_at = $3, ended_why = $4, document = $5
    WHERE tenant = $1 AND quarantine_id = $2 AND ended_at IS NULL"""


def quarantine_id(tenant: str, document: bytes) -> bytes:
    """The same document has the same id, so that a producer's retry quarantines it once."""
    return blake2b(document, digest_size=16, person=b"quarantine", key=tenant.encode()[:64]).digest()


@dataclass(frozen=True, slots=True)
class QuarantineStore:
    """Quarantine in the service's database."""

    pool: asyncpg.Pool

    async def add(
        self, tenant: str, rejected: Sequence[tuple[bytes, Rejected]], *, arrived_at: int, mode: int, import_id: str
    ) -> None:
        """Keep documents whole, each with what is wrong."""
        unique = {quarantine_id(tenant, document): (document, why) for document, why in rejected}
        await self.pool.execute(
            _ADD,
            tenant,
            arrived_at,
            mode,
            import_id,
            list(unique),
            [document for document, _ in unique.values()],
            [why.reason.value for _, why in unique.values()],
            [why.field for _, why in unique.values()],
            [why.message for _, why in unique.values()],
        )

    async def list(
        self, tenant: str, reason: str, *, before: tuple[int, bytes], limit: int
    ) -> tuple[list[Quarantined], int]:
        """Documents that wait, newest first, behind a (arrived_at, id), and how many there are in all."""
        rows = await self.pool.fetch(_LIST, tenant, reason, *before, limit)
        total: int = await self.pool.fetchval(_COUNT, tenant, reason)
        return [Quarantined(*row) for row in rows], total

    async def get(self, tenant: str, ids: Sequence[bytes], *, reprocessed_since: int) -> dict[bytes, Quarantined]:
        """Those of the documents that wait, or were reprocessed not before that time."""
        rows = await self.pool.fetch(_GET, tenant, list(ids), reprocessed_since)
        return {row["quarantine_id"]: Quarantined(*row) for row in rows}

    async def keep(self, tenant: str, id_: bytes, document: bytes, why: Rejected) -> None:
        """Note that a document was tried again and is still bad."""
        await self.pool.execute(_STILL_BAD, tenant, id_, document, why.reason.value, why.field, why.message)

    async def reprocessed(self, tenant: str, id_: bytes, document: bytes, *, now: int) -> None:
        """Let a document go that was recorded, in the form that was."""
        await self.pool.execute(_END_MENDED, tenant, id_, now, _REPROCESSED, document)

    async def end(self, tenant: str, ids: Sequence[bytes], *, now: int, why: str) -> int:
        """Let documents go; answers how many were there."""
        done: str = await self.pool.execute(_END, tenant, list(ids), now, why)
        return int(done.rsplit(" ", 1)[1])
