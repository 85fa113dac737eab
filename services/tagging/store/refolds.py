"""Anchors that are to be folded anew from their owner's log: what was taken back or cut does not commute."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from services.tagging.domain.layers import BASE

_REQUEST: Final = """
    INSERT INTO refolds (tenant, anchor, layer)
    SELECT $1, anchor, layer FROM unnest($2::uuid[]) AS anchor CROSS JOIN unnest($3::integer[]) AS layer
    ORDER BY anchor, layer ON CONFLICT DO NOTHING"""

_NEXT: Final = "SELECT tenant, anchor, layer FROM refolds ORDER BY tenant, anchor, layer LIMIT $1"

_TAKE: Final = "DELETE FROM refolds WHERE tenant = $1 AND anchor = $2 AND layer = $3 RETURNING 1"

_WAITING: Final = "SELECT anchor FROM refolds WHERE tenant = $1 AND layer = $2 AND anchor = ANY($3::uuid[])"

_ANY: Final = "SELECT EXISTS (SELECT FROM refolds WHERE tenant = $1)"

_HAND_ON: Final = """
    WITH gone AS (DELETE FROM refolds WHERE tenant = $1 AND layer = $2 RETURNING anchor)
    INSERT INTO refolds (tenant, anchor, layer) SELECT $1, anchor, $3 FROM gone ON CONFLICT DO NOTHING"""

_DROP: Final = "DELETE FROM refolds WHERE tenant = $1 AND layer = $2"

_PARKED: Final = "SELECT position FROM dead_letters WHERE projection = $1 AND log = $2 AND tenant = $3 AND key = $4"


class Refold(NamedTuple):
    """An anchor to be folded anew: in a layer that is filling, or in all that are live (`BASE`)."""

    tenant: str
    anchor: bytes
    layer: int


async def request(connection: Connection, tenant: str, anchors: Collection[bytes], layers: Collection[int]) -> None:
    """Let anchors be folded anew."""
    if anchors:
        await connection.execute(_REQUEST, tenant, list(anchors), list(layers))


async def next_ones(connection: Connection, limit: int) -> Sequence[Refold]:
    """Some of those that are asked for."""
    return [Refold(*row) for row in await connection.fetch(_NEXT, limit)]


async def take(connection: Connection, refold: Refold) -> bool:
    """Whether it is still asked for; then it is no more, once the transaction commits."""
    return bool(await connection.fetchval(_TAKE, *refold))


async def are_there(connection: Connection, tenant: str) -> bool:
    """Whether any is asked for of a tenant."""
    return bool(await connection.fetchval(_ANY, tenant))


async def waiting(connection: Connection, tenant: str, anchors: Collection[bytes]) -> set[bytes]:
    """Those of some anchors that are not what they should be in the layers that count."""
    return {row["anchor"] for row in await connection.fetch(_WAITING, tenant, BASE, list(anchors))}


async def hand_on(connection: Connection, tenant: str, layer: int) -> None:
    """What was asked for of a layer is asked for of those that count."""
    await connection.execute(_HAND_ON, tenant, layer, BASE)


async def drop(connection: Connection, tenant: str, layer: int) -> None:
    """Ask for nothing more of a layer."""
    await connection.execute(_DROP, tenant, layer)


async def parked(connection: Connection, projection: str, log: str, tenant: str, anchor: bytes) -> set[int]:
    """The positions of an anchor that a consumer could not fold, or has yet to, or was told to drop."""
    return {row["position"] for row in await connection.fetch(_PARKED, projection, log, tenant, anchor)}
