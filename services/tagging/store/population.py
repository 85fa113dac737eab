"""The people of a tenant of whom anything was ever seen, by the tables of features and of who is who."""

from collections.abc import AsyncIterator
from itertools import groupby
from random import Random
from typing import Any, Final

from libs.eventlog.database import Connection
from services.tagging.domain.layers import Row

_EVERYBODY: Final = """
    SELECT DISTINCT coalesce(map.person, features.place) AS person FROM features
    LEFT JOIN identity_map AS map ON map.tenant = features.tenant AND map.own_id = features.place
    WHERE features.tenant = $1"""

_POPULATION: Final = f"SELECT count(*) FROM ({_EVERYBODY}) AS everybody"  # noqa: S608  two constants

# Ids are as good as random, so those that follow one of them are a fair sample.
_DRAWN: Final = f"{_EVERYBODY} ORDER BY person"
_BEHIND: Final = f"SELECT person FROM ({_DRAWN}) AS everybody ORDER BY person < $2, person LIMIT $3"  # noqa: S608

_BOUND: Final = "SELECT place FROM features WHERE tenant = $1 AND place > $2 ORDER BY place OFFSET $3 LIMIT 1"

# Both parts go along an index from one id to another, here and below.
_IDS: Final = """
    SELECT place AS person FROM features
    WHERE tenant = $1 AND place > $2 AND place <= $3
        AND NOT EXISTS (SELECT FROM identity_map AS map WHERE map.tenant = $1 AND map.own_id = place)
    UNION SELECT person FROM identity_map AS map
    WHERE tenant = $1 AND person > $2 AND person <= $3
        AND EXISTS (SELECT FROM features WHERE features.tenant = $1 AND features.place = map.own_id)"""

_KEPT: Final = """
    SELECT place AS person, layer, state FROM features
    WHERE tenant = $1 AND place > $2 AND place <= $3
        AND NOT EXISTS (SELECT FROM identity_map AS map WHERE map.tenant = $1 AND map.own_id = place)
    UNION ALL
    SELECT map.person, features.layer, features.state FROM identity_map AS map
    JOIN features ON features.tenant = $1 AND features.place = map.own_id
    WHERE map.tenant = $1 AND map.person > $2 AND map.person <= $3
    ORDER BY person"""

_FIRST: Final = bytes(16)
_LAST: Final = b"\xff" * 16


async def population(connection: Connection, tenant: str) -> int:
    """How many they are."""
    count: int = await connection.fetchval(_POPULATION, tenant)
    return count


async def drawn(connection: Connection, tenant: str, count: int, seed: int | None = None) -> list[bytes]:
    """So many of them, or all if there are no more: the same for the same seed, for none those with the first ids."""
    begin = _FIRST if seed is None else Random(seed).randbytes(16)  # noqa: S311  no secret
    return [row["person"] for row in await connection.fetch(_BEHIND, tenant, begin, count)]


async def everybody(connection: Connection, tenant: str, size: int) -> AsyncIterator[list[bytes]]:
    """All of them, once each, about so many at a time."""
    async for rows in _portions(connection, tenant, size, _IDS):
        yield [row["person"] for row in rows]


async def kept_of_everybody(
    connection: Connection, tenant: str, layers: frozenset[int], size: int
) -> AsyncIterator[dict[bytes, list[Row]]]:
    """What some layers keep of each of them, in the order of ids, of about so many at a time.

    Nobody is met twice or missed only if the transaction sees one moment (repeatable read).
    """
    async for rows in _portions(connection, tenant, size, _KEPT):
        found = {
            person: [Row(row["layer"], row["state"]) for row in those if row["layer"] in layers]
            for person, those in groupby(rows, lambda row: row["person"])
        }
        yield {person: those for person, those in found.items() if those}


async def _portions(connection: Connection, tenant: str, size: int, statement: str) -> AsyncIterator[list[Any]]:
    """What a statement finds between ids so far apart that about so many places lie between them."""
    behind: bytes | None = _FIRST
    while behind is not None:
        bound = await connection.fetchval(_BOUND, tenant, behind, size)
        yield await connection.fetch(statement, tenant, behind, bound or _LAST)
        behind = bound
