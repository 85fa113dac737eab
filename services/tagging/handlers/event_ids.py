"""Ids of the events that requests lead to, so that a repeat finds the first one, and nothing else does."""

import secrets
from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from libs.eventlog.copy import DIGEST_OFFSET
from libs.eventlog.database import Connection
from libs.eventlog.event import Appended
from libs.runtime.errors import InvalidArgument

_TAKEN: Final = "was that of another request: a repeat asks for the same, anything else takes a new id"

_KNOWN: Final = "SELECT event_id, digest FROM message_ids WHERE tenant = $1 AND event_id = ANY($2::uuid[])"

_STANDING: Final = "SELECT partition, position, digest FROM message_ids WHERE tenant = $1 AND event_id = $2"


def event_id(tenant: str, type_: str, request_id: str) -> bytes:
    """The id of what a request does; without a `request_id` no request repeats another."""
    if not request_id:
        return secrets.token_bytes(16)
    return blake2b(f"{tenant}\0{type_}\0{request_id}".encode(), digest_size=16).digest()


def digest_of(*asked: object) -> int:
    """Tells whether a repeated request asks for the same."""
    return int.from_bytes(blake2b(repr(asked).encode(), digest_size=4).digest())


async def recorded(connection: Connection, tenant: str, id_: bytes, digest: int) -> Appended | None:
    """Where the event of a request stands, if it was recorded; raises `InvalidArgument` if that asked for else."""
    row = await connection.fetchrow(_STANDING, tenant, id_)
    if row is not None and row["digest"] + DIGEST_OFFSET != digest:
        raise InvalidArgument("request_id", _TAKEN)
    return Appended(row["partition"], row["position"], duplicate=True) if row else None


async def all_recorded(connection: Connection, tenant: str, ids: Collection[bytes]) -> dict[bytes, int]:
    """Those of some events that were recorded, with the digest of each."""
    rows = await connection.fetch(_KNOWN, tenant, list(ids))
    return {row["event_id"]: row["digest"] + DIGEST_OFFSET for row in rows}
