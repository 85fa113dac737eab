"""Where the states of spans are kept: of each cut anchor how far it is folded and by which cut, and its spans."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import asyncpg

from libs.eventlog.snapshots import KeyOfTenant
from libs.people.person import Member
from libs.people.spans import Span


class Mark(NamedTuple):
    """Up to which position a version of the portraits has folded an anchor into spans, and by which cut."""

    projection: str
    tenant: str
    anchor: bytes
    cut_version: int
    position: int


class Kept(NamedTuple):
    """The state of a span up to a position; None where nothing of it lies before that."""

    position: int
    state: bytes | None


_LOAD: Final = """
    SELECT mark.position, span_states.state
    FROM unnest((SELECT $3::uuid[]), (SELECT $4::bytea[]), (SELECT $5::bigint[]))
      WITH ORDINALITY AS wanted(anchor, span, cut_version, place)
    LEFT JOIN LATERAL (
        SELECT position FROM cut_anchors
        WHERE projection = $1 AND tenant = $2 AND anchor = wanted.anchor AND cut_version = wanted.cut_version
        LIMIT 1) AS mark ON true
    LEFT JOIN LATERAL (
        SELECT state FROM span_states
        WHERE projection = $1 AND tenant = $2 AND anchor = wanted.anchor AND span = wanted.span
        LIMIT 1) AS span_states ON mark.position IS NOT NULL
    ORDER BY wanted.place"""

_MARK: Final = """
    SELECT projection, tenant, anchor, cut_version, position FROM cut_anchors
    WHERE projection = $1 AND tenant = $2 AND anchor = $3"""

_STATES: Final = """
    SELECT span, state FROM span_states
    WHERE projection = $1 AND tenant = $2 AND anchor = $3 AND span = ANY($4::bytea[])"""

_BEGIN: Final = """
    INSERT INTO cut_anchors (projection, tenant, anchor, cut_version, position) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING RETURNING position"""

_ADVANCE: Final = """
    UPDATE cut_anchors SET position = $6
    WHERE projection = $1 AND tenant = $2 AND anchor = $3 AND cut_version = $4 AND position = $5 RETURNING position"""

_END: Final = """
    DELETE FROM cut_anchors
    WHERE projection = $1 AND tenant = $2 AND anchor = $3 AND cut_version = $4 AND position = $5 RETURNING position"""

_PUT: Final = """
    INSERT INTO span_states (projection, tenant, anchor, span, state)
    SELECT $1, $2, $3, span, state FROM unnest($4::bytea[], $5::bytea[]) AS put(span, state)
    ON CONFLICT (projection, tenant, anchor, span) DO UPDATE SET state = excluded.state"""

_FORGET_OTHERS: Final = """
    DELETE FROM cut_anchors USING unnest($2::text[], $3::uuid[]) AS gone(tenant, anchor)
    WHERE cut_anchors.projection <> $1 AND cut_anchors.tenant = gone.tenant AND cut_anchors.anchor = gone.anchor"""

_CLEAR: Final = "DELETE FROM cut_anchors WHERE projection <> ALL($1::text[])"


class SpanStore:
    """States of spans in the database of the log; a mark that somebody else moved is left to them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Everything here goes by key, so the pool is best one without scans."""
        self._pool = pool

    async def load(self, projection: str, tenant: str, members: Sequence[Member]) -> list[Kept | None]:
        """The states of parts of anchors, in their order, all of one moment; None where they are not folded so."""
        rows = await self._pool.fetch(
            _LOAD,
            projection,
            tenant,
            [member.identifier for member in members],
            [member.span for member in members],
            [member.version for member in members],
        )
        return [None if position is None else Kept(position, state) for position, state in rows]

    async def mark(self, projection: str, tenant: str, anchor: bytes) -> Mark | None:
        """How far an anchor is folded; None where it never was."""
        row = await self._pool.fetchrow(_MARK, projection, tenant, anchor)
        return Mark(*row) if row else None

    async def states(self, mark: Mark, spans: Sequence[Span]) -> dict[Span, bytes]:
        """The states of some spans at a mark."""
        rows = await self._pool.fetch(_STATES, mark.projection, mark.tenant, mark.anchor, spans)
        return {row["span"]: row["state"] for row in rows}

    async def advance(self, mark: Mark, position: int, states: Mapping[Span, bytes]) -> bool:
        """Put the states that changed up to a further position; false where the mark is another by now."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_ADVANCE, *mark, position) is None:
                return False
            await connection.execute(_PUT, *mark[:3], list(states), list(states.values()))
        return True

    async def replace(self, before: Mark | None, after: Mark, states: Mapping[Span, bytes]) -> bool:
        """Put all states anew; false where the mark is another by now."""
        async with self._pool.acquire() as connection, connection.transaction():
            if before is not None and await connection.fetchval(_END, *before) is None:
                return False
            if await connection.fetchval(_BEGIN, *after) is None:
                return False
            await connection.copy_records_to_table(
                "span_states",
                records=[(*after[:3], span, state) for span, state in states.items()],
                columns=("projection", "tenant", "anchor", "span", "state"),
            )
        return True

    async def end(self, mark: Mark) -> bool:
        """Forget an anchor that is whole again; false where the mark is another by now."""
        return await self._pool.fetchval(_END, *mark) is not None

    async def forget_others(self, projection: str, keys: Sequence[KeyOfTenant]) -> None:
        """Forget what is folded of anchors in all versions but one."""
        await self._pool.execute(_FORGET_OTHERS, projection, [one for one, _ in keys], [key for _, key in keys])

    async def clear(self, projections: Sequence[str]) -> None:
        """Forget what was folded by versions that are no more; those given are."""
        await self._pool.execute(_CLEAR, projections)
