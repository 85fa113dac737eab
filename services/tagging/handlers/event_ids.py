"""Ids of the events that requests lead to, so that a repeat finds the first one."""

import secrets
from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from libs.eventlog.database import Connection
from libs.eventlog.event import Appended

_KNOWN: Final = "SELECT event_id FROM message_ids WHERE tenant = $1 AND event_id = ANY($2::uuid[])"

_STANDING: Final = "SELECT partition, position FROM message_ids WHERE tenant = $1 AND event_id = $2"


def event_id(tenant: str, type_: str, request_id: str) -> bytes:
    """The id of what a request does; without a `request_id` no request repeats another."""
    if not request_id:
        return secrets.token_bytes(16)
    return blake2b(f"{tenant}\0{type_}\0{request_id}".encode(), digest_size=16).digest()


async def recorded(connection: Connection, tenant: str, id_: bytes) -> Appended | None:
    """Where an event stands, if it was recorded."""
    row = await connection.fetchrow(_STANDING, tenant, id_)
    return Appended(row["partition"], row["position"], duplicate=True) if row else None


async def all_recorded(connection: Connection, tenant: str, ids: Collection[bytes]) -> set[bytes]:
    """Those of some events that were recorded."""
    return {row["event_id"] for row in await connection.fetch(_KNOWN, tenant, list(ids))}
