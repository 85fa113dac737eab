"""Who is who as resolved last, in tables: what the next change is compared with, and what is asked for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec

from libs.eventlog.database import Connection
from libs.people.spans import AtTimes, Cut, Span, own_id, since
from libs.runtime.clock import Micros
from services.identity.codec.evidence import pack_cut, pack_refusals, unpack_cut, unpack_refusals
from services.identity.domain.evidence import Key, Seen
from services.identity.domain.naming import PersonId
from services.identity.domain.resolution import Resolution, Tied
from services.identity.domain.standing import Mark

Place = tuple[Key, Span]
Versions = Mapping[Key, int]


class Known(msgspec.Struct, frozen=True, gc=False):
    """What stands about one identifier. `value` is its normal form, empty where it was never told.

    `screened` says that the rules in force refuse its value, `waiting` that it is yet to be resolved anew; `version`
    is that of the last change that was told.
    """

    key: Key
    seen: Seen | None
    type: str
    value: str
    person: PersonId | None
    mark: Mark | None
    cut: Cut | None
    version: int
    screened: bool
    waiting: bool


# OFFSET 0: see `store/evidence.py`.
_KNOWN: Final = """
    SELECT wanted.key, seen.recorded_at, coalesce(seen.type, subjects.type, ''),
           coalesce(seen.value, subjects.value, ''),
           people.person, people.mark, people.cut, coalesce(people.version, 0),
           screened.key IS NOT NULL, waiting.key IS NOT NULL
    FROM unnest($2::uuid[]) AS wanted(key)
    LEFT JOIN LATERAL (
        SELECT recorded_at, type, value FROM identifiers
        WHERE tenant = $1 AND key = wanted.key ORDER BY recorded_at LIMIT 1) AS seen ON true
    LEFT JOIN LATERAL (SELECT * FROM subjects WHERE tenant = $1 AND key = wanted.key OFFSET 0) AS subjects ON true
    LEFT JOIN LATERAL (SELECT * FROM people WHERE tenant = $1 AND key = wanted.key OFFSET 0) AS people ON true
    LEFT JOIN LATERAL (SELECT * FROM screened WHERE tenant = $1 AND key = wanted.key OFFSET 0) AS screened ON true
    LEFT JOIN LATERAL (SELECT * FROM waiting WHERE tenant = $1 AND key = wanted.key OFFSET 0) AS waiting ON true"""

_SPANS_TIED: Final = "SELECT key, span, person, tied_to FROM spans WHERE tenant = $1 AND tied_to = ANY($2::uuid[])"

_SPANS_AT: Final = """
    SELECT row.key, row.span, row.person, row.tied_to FROM unnest($2::uuid[], $3::bytea[]) AS place(key, span),
    LATERAL (SELECT * FROM spans AS one
             WHERE one.tenant = $1 AND one.key = place.key AND one.span = place.span OFFSET 0) AS row"""

_REFUSED: Final = """
    SELECT a, b, refusals FROM refused WHERE tenant = $1 AND a = ANY($2::uuid[])
    UNION ALL
    SELECT a, b, refusals FROM refused WHERE tenant = $1 AND b = ANY($2::uuid[])"""

_MEMBERS: Final = "SELECT key FROM people WHERE tenant = $1 AND person = ANY($2::uuid[])"

_MEMBER_SPANS: Final = "SELECT key, span, person, tied_to FROM spans WHERE tenant = $1 AND person = ANY($2::uuid[])"

# Whoever was linked by hand and never seen may be of any type. People are of one tenant; with that in the condition, an
# index that begins with it might be taken.
_COUNTS: Final = """
    SELECT wanted.person, count(*)
    FROM unnest($2::uuid[]) AS wanted(person),
    LATERAL (SELECT wanted.person AS key
             UNION SELECT key FROM people WHERE person = wanted.person
             UNION SELECT key FROM spans WHERE person = wanted.person) AS member
    LEFT JOIN LATERAL (SELECT type FROM identifiers WHERE tenant = $1 AND key = member.key LIMIT 1) AS seen ON true
    WHERE coalesce(seen.type, $3) = $3
    GROUP BY wanted.person"""

_PUT_PEOPLE: Final = """
    INSERT INTO people (tenant, key, person, mark, cut, version)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::bigint[])
    ON CONFLICT (tenant, key) DO UPDATE
    SET person = excluded.person, mark = excluded.mark, cut = excluded.cut, version = excluded.version"""

_PUT_SPANS: Final = """
    INSERT INTO spans (tenant, key, span, person, tied_to)
    SELECT $1, * FROM unnest($2::uuid[], $3::bytea[], $4::uuid[], $5::uuid[])
    ON CONFLICT (tenant, key, span) DO UPDATE SET person = excluded.person, tied_to = excluded.tied_to"""

_PLACE: Final = "SELECT key, span FROM span_ids WHERE tenant = $1 AND id = $2"

_PUT_SPAN_IDS: Final = """
    INSERT INTO span_ids (tenant, id, key, span)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bytea[])
    ON CONFLICT DO NOTHING"""

_PUT_REFUSED: Final = """
    INSERT INTO refused (tenant, a, b, refusals)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bytea[])
    ON CONFLICT (tenant, a, b) DO UPDATE SET refusals = excluded.refusals"""

_DROP_SPANS: Final = """
    DELETE FROM spans AS row USING unnest($2::uuid[], $3::bytea[]) AS gone(key, span)
    WHERE row.tenant = $1 AND row.key = gone.key AND row.span = gone.span"""

_DROP_REFUSED: Final = """
    DELETE FROM refused AS row USING unnest($2::uuid[], $3::uuid[]) AS gone(a, b)
    WHERE row.tenant = $1 AND row.a = gone.a AND row.b = gone.b"""


@dataclass(frozen=True, slots=True)
class ResolvedRows:
    """The people of one tenant. A row exists for who was ever told of; whoever has none is their own person."""

    connection: Connection
    tenant: str

    async def known(self, keys: Collection[Key]) -> dict[Key, Known]:
        """What stands about some identifiers, those that were never seen included."""
        if not keys:
            return {}
        return {row[0]: _known(row) for row in await self.connection.fetch(_KNOWN, self.tenant, list(keys))}

    async def refused(self, keys: Collection[Key]) -> Resolution:
        """The edges at some identifiers that join nobody, as the part of a resolution."""
        rows = await self.connection.fetch(_REFUSED, self.tenant, list(keys))
        return Resolution(refused={(a, b): unpack_refusals(packed) for a, b, packed in rows})

    async def spans_tied(self, keys: Collection[Key]) -> dict[Place, Tied]:
        """The spans that follow some identifiers."""
        return _tied(await self.connection.fetch(_SPANS_TIED, self.tenant, list(keys)))

    async def spans_at(self, places: Collection[Place]) -> dict[Place, Tied]:
        """Some spans, as far as they are somebody else's."""
        if not places:
            return {}
        return _tied(await self.connection.fetch(_SPANS_AT, self.tenant, *map(list, zip(*places, strict=True))))

    async def members(self, people: Collection[PersonId]) -> tuple[set[Key], dict[Place, Tied]]:
        """The identifiers and the spans that are some people's, less those who founded them."""
        keys = await self.connection.fetch(_MEMBERS, self.tenant, list(people))
        return {key for (key,) in keys}, _tied(await self.connection.fetch(_MEMBER_SPANS, self.tenant, list(people)))

    async def counts(self, people: Collection[PersonId], type_: str) -> dict[PersonId, int]:
        """How many identifiers of a type some people have at the most, those of which they have but a part included."""
        rows = await self.connection.fetch(_COUNTS, self.tenant, list(people), type_)
        return {person: count for person, count in rows}  # noqa: C416  a record is no pair for whoever checks types

    async def place_of(self, person: PersonId) -> Place | None:
        """The span whose own id a OneID is; None where it is an identifier's, whose id is its key."""
        row = await self.connection.fetchrow(_PLACE, self.tenant, person)
        return (row["key"], row["span"]) if row else None

    async def replace(self, before: Resolution, after: Resolution, stands: Resolution, versions: Versions) -> None:
        """Put a resolution in place of another one.

        `versions` are those of the identifiers of which there is anything else to say; of these, `stands` says all.
        """
        people = [
            (key, stands.people.get(key), stands.marks.get(key), _packed(stands.cuts.get(key)), version)
            for key, version in sorted(versions.items())
        ]
        spans = [(*place, *tied) for place, tied in sorted(after.spans.items()) if before.spans.get(place) != tied]
        refused = [
            (*both, pack_refusals(why))
            for both, why in sorted(after.refused.items())
            if before.refused.get(both) != why
        ]
        begun = {(key, since(time)) for key in versions for time in _times(stands.cuts.get(key))}
        await self._execute(_PUT_SPAN_IDS, sorted((own_id(*place), *place) for place in begun))
        await self._execute(_DROP_SPANS, sorted(before.spans.keys() - after.spans.keys()))
        await self._execute(_DROP_REFUSED, sorted(before.refused.keys() - after.refused.keys()))
        await self._execute(_PUT_PEOPLE, people)
        await self._execute(_PUT_SPANS, spans)
        await self._execute(_PUT_REFUSED, refused)

    async def _execute(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self.connection.execute(statement, self.tenant, *map(list, zip(*rows, strict=True)))


def _known(row: asyncpg.Record) -> Known:
    key, recorded_at, type_, value, person, mark, cut, version, screened, waiting = row
    seen = None if recorded_at is None else Seen(recorded_at, type_)
    return Known(key, seen, type_, value, person, mark, unpack_cut(cut) if cut else None, version, screened, waiting)


def _tied(rows: Iterable[asyncpg.Record]) -> dict[Place, Tied]:
    return {(key, span): Tied(person, to) for key, span, person, to in rows}


def _times(cut: Cut | None) -> tuple[Micros, ...]:
    return cut.times if isinstance(cut, AtTimes) else ()


def _packed(cut: Cut | None) -> bytes | None:
    return pack_cut(cut) if cut else None
