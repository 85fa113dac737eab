"""What is kept of everybody, person by person, in the order of their ids."""

from collections.abc import AsyncIterator
from itertools import groupby
from typing import Final

from libs.eventlog.database import Connection
from services.tagging.domain.layers import Row

_BOUND: Final = "SELECT place FROM features WHERE tenant = $1 AND place > $2 ORDER BY place OFFSET $3 LIMIT 1"

# Each part goes along an index from one id to another.
_BETWEEN: Final = """
    SELECT place AS person, layer, state FROM features
    WHERE tenant = $1 AND place > $2 AND place <= $3
        AND NOT EXISTS (SELECT FROM identity_map AS map WHERE map.tenant = $1 AND map.own_id = place)
    UNION ALL
    SELECT map.person, features.layer, features.state FROM identity_map AS map
    JOIN features ON features.tenant = $1 AND features.place = map.own_id
    WHERE map.tenant = $1 AND map.person > $2 AND map.person <= $3
    ORDER BY person"""

_NOBODY: Final = bytes(16)
_EVERYBODY: Final = b"\xff" * 16


async def everybody(
    connection: Connection, tenant: str, layers: frozenset[int], size: int
) -> AsyncIterator[dict[bytes, list[Row]]]:
    """The rows of each person, in the order of ids and in portions of about so many people.

    Nobody is met twice or missed only if the transaction sees one moment (repeatable read).
    """
    reached: bytes | None = _NOBODY
    while reached is not None:
        bound = await connection.fetchval(_BOUND, tenant, reached, size)
        rows = await connection.fetch(_BETWEEN, tenant, reached, bound or _EVERYBODY)
        found = {
            person: [Row(row["layer"], row["state"]) for row in those if row["layer"] in layers]
            for person, those in groupby(rows, lambda row: row["person"])
        }
        yield {person: those for person, those in found.items() if those}
        reached = bound
