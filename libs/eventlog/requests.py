"""Requests carried out before: by the id of the event that one led to, and the digest of what it asked for."""

from collections.abc import Collection
from typing import Final

from libs.eventlog.copy import DIGEST_OFFSET
from libs.eventlog.database import Connection
from libs.eventlog.event import Appended
from libs.runtime.errors import InvalidArgument

TAKEN: Final = "was that of another request: a repeat asks for the same, anything else takes a new id"

_KNOWN: Final = "SELECT event_id, digest FROM message_ids WHERE tenant = $1 AND event_id = ANY($2::uuid[])"

_STANDING: Final = "SELECT partition, position, digest FROM message_ids WHERE tenant = $1 AND event_id = $2"

_LOCK: Final = 0x52455155  # advisory lock, with a part of its id, of whoever carries out a request

_HOLD: Final = "SELECT pg_advisory_xact_lock($1, $2)"


async def hold_request(connection: Connection, id_: bytes) -> None:
    """Let whoever sends the same request wait until this transaction ends; to be called before `recorded`."""
    await connection.execute(_HOLD, _LOCK, int.from_bytes(id_[:4], "big", signed=True))


async def recorded(connection: Connection, tenant: str, event_id: bytes, digest: int) -> Appended | None:
    """Where the event of a request stands, if it was recorded; raises `InvalidArgument` if that asked for else."""
    row = await connection.fetchrow(_STANDING, tenant, event_id)
    if row is not None and row["digest"] + DIGEST_OFFSET != digest:
        raise InvalidArgument("request_id", TAKEN)
    return Appended(row["partition"], row["position"], duplicate=True) if row else None


async def all_recorded(connection: Connection, tenant: str, event_ids: Collection[bytes]) -> dict[bytes, int]:
    """Those of some events that were recorded, with the digest of each."""
    rows = await connection.fetch(_KNOWN, tenant, list(event_ids))
    return {row["event_id"]: row["digest"] + DIGEST_OFFSET for row in rows}
