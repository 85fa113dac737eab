"""Who is a member of what, as it is stored: always a partition as a whole, at one position of the log of tags."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from libs.eventlog.checkpoint import Fenced
from libs.eventlog.database import Connection
from services.tagging.membership.column import ChunkRow
from services.tagging.membership.index import Fresh, Index, Row

AT_ONCE: Final = 64
"""Bitmaps that travel in one statement."""

_POSITION: Final = "SELECT position FROM membership_positions WHERE partition = $1"

_POSITIONS: Final = "SELECT partition, position FROM membership_positions"

_BEGIN: Final = """
    INSERT INTO membership_positions (partition, position) VALUES ($1, 0) ON CONFLICT (partition) DO NOTHING"""

_ADVANCE: Final = """
    UPDATE membership_positions SET position = $3 WHERE partition = $1 AND position = $2 RETURNING position"""

# From one tenant to the next along the index, over all that lies between.
_TENANTS: Final = """
    WITH RECURSIVE found AS (
        SELECT min(tenant) AS tenant FROM membership_numbers
        UNION ALL
        SELECT (SELECT min(tenant) FROM membership_numbers AS next WHERE next.tenant > found.tenant)
        FROM found WHERE found.tenant IS NOT NULL)
    SELECT tenant FROM found WHERE tenant IS NOT NULL"""

_PEOPLE: Final = "SELECT max(number) + 1 FROM membership_numbers WHERE tenant = $1 AND partition = $2"

_LOAD: Final = "SELECT term, whole, bitmap FROM membership_bitmaps WHERE tenant = $1 AND partition = $2 ORDER BY term"

_NUMBERS: Final = "SELECT person, number FROM membership_numbers WHERE tenant = $1 AND person = ANY($2::uuid[])"

_NAMED: Final = """
    SELECT number, person FROM membership_numbers
    WHERE tenant = $1 AND partition = $2 AND number = ANY($3::bigint[])"""

_NUMBER: Final = """
    INSERT INTO membership_numbers (tenant, partition, number, person)
    SELECT $1, $2, * FROM unnest($3::bigint[], $4::uuid[])"""

_WRITE: Final = """
    INSERT INTO membership_bitmaps (tenant, partition, term, whole, bitmap)
    SELECT $1, $2, * FROM unnest($3::text[], $4::boolean[], $5::bytea[])
    ON CONFLICT (tenant, partition, term) DO UPDATE SET whole = excluded.whole, bitmap = excluded.bitmap"""

_DELETE: Final = "DELETE FROM membership_bitmaps WHERE tenant = $1 AND partition = $2 AND term = ANY($3::text[])"


_CHUNKS: Final = """
    SELECT reference, chunk, numbers FROM membership_columns WHERE tenant = $1 AND partition = $2"""

_WRITE_CHUNKS: Final = """
    INSERT INTO membership_columns (tenant, partition, reference, chunk, numbers)
    SELECT $1, $2, * FROM unnest($3::text[], $4::integer[], $5::bytea[])
    ON CONFLICT (tenant, partition, reference, chunk) DO UPDATE SET numbers = excluded.numbers"""

_DELETE_CHUNKS: Final = """
    DELETE FROM membership_columns USING unnest($3::text[], $4::integer[]) AS gone (reference, chunk)
    WHERE tenant = $1 AND partition = $2
        AND membership_columns.reference = gone.reference AND membership_columns.chunk = gone.chunk"""


class Unstored(NamedTuple):
    """What is to be stored of a tenant in one partition."""

    fresh: Mapping[bytes, Fresh]
    rows: Sequence[Row]
    chunks: Sequence[ChunkRow] = ()


@dataclass(frozen=True, slots=True)
class MembershipRows:
    """The membership of all tenants in one partition."""

    connection: Connection
    partition: int

    def at_once(self) -> AbstractAsyncContextManager[Any]:
        """A transaction in which everything that is read is of one moment."""
        return self.connection.transaction(isolation="repeatable_read", readonly=True)

    async def position(self) -> int:
        """The position that is stored; 0 for none."""
        position: int | None = await self.connection.fetchval(_POSITION, self.partition)
        return position or 0

    async def load(self) -> dict[str, Index]:
        """The index of every tenant."""
        found = await self.connection.fetch(_TENANTS)
        return {row["tenant"]: await self._index(row["tenant"]) for row in found}

    async def numbers(self, tenant: str, people: Collection[bytes]) -> dict[bytes, int]:
        """The numbers of those people who have one."""
        rows = await self.connection.fetch(_NUMBERS, tenant, list(people))
        return {row["person"]: row["number"] for row in rows}

    async def people(self, tenant: str, numbers: Collection[int]) -> dict[int, bytes]:
        """Whose numbers these are."""
        rows = await self.connection.fetch(_NAMED, tenant, self.partition, list(numbers))
        return {row["number"]: row["person"] for row in rows}

    async def store(self, old: int, new: int, unstored: Mapping[str, Unstored]) -> None:
        """Store what came from one position to another, in a transaction of the caller's.

        Raises `Fenced` if another position is stored than the old one.
        """
        if old == 0:
            await self.connection.execute(_BEGIN, self.partition)
        if await self.connection.fetchval(_ADVANCE, self.partition, old, new) is None:
            raise Fenced
        for tenant, one in unstored.items():
            numbers, people = [fresh.number for fresh in one.fresh.values()], list(one.fresh)
            if people:
                await self.connection.execute(_NUMBER, tenant, self.partition, numbers, people)
            gone = [row.term for row in one.rows if row.bitmap is None]
            if gone:
                await self.connection.execute(_DELETE, tenant, self.partition, gone)
            kept = [row for row in one.rows if row.bitmap is not None]
            for begin in range(0, len(kept), AT_ONCE):
                columns = [list(column) for column in zip(*kept[begin : begin + AT_ONCE], strict=True)]
                await self.connection.execute(_WRITE, tenant, self.partition, *columns)
            await self._store_chunks(tenant, one.chunks)

    async def _store_chunks(self, tenant: str, chunks: Sequence[ChunkRow]) -> None:
        gone = [one for one in chunks if one.values is None]
        if gone:
            references, numbers = [one.reference for one in gone], [one.chunk for one in gone]
            await self.connection.execute(_DELETE_CHUNKS, tenant, self.partition, references, numbers)
        kept = [one for one in chunks if one.values is not None]
        for begin in range(0, len(kept), AT_ONCE):
            columns = [list(column) for column in zip(*kept[begin : begin + AT_ONCE], strict=True)]
            await self.connection.execute(_WRITE_CHUNKS, tenant, self.partition, *columns)

    async def _index(self, tenant: str) -> Index:
        people = await self.connection.fetchval(_PEOPLE, tenant, self.partition)
        rows = await self.connection.fetch(_LOAD, tenant, self.partition)
        chunks = await self.connection.fetch(_CHUNKS, tenant, self.partition)
        return Index.stored(people or 0, (Row(*row) for row in rows), (ChunkRow(*row) for row in chunks))


async def stored_positions(connection: Connection) -> dict[int, int]:
    """The position that is stored of each partition, of those of which any is."""
    return {row["partition"]: row["position"] for row in await connection.fetch(_POSITIONS)}
