"""Suggestions in tables, and who is there to be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec

from libs.eventlog.database import Connection
from libs.rpc.pages import Id
from libs.runtime.clock import Micros
from services.identity.domain.decisions import FORBIDDEN, UNLINKED
from services.identity.domain.evidence import Key
from services.identity.domain.naming import PersonId
from services.identity.linking.kept import State, Suggested, suggestion_id
from services.identity.linking.suggesting import Argument, PersonPair, Suggestion


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last suggestion of a page."""

    score: float
    id: Id


FIRST_PAGE: Final = Cursor(2.0, b"\xff" * 16)

# Whom others share or who names nobody is no person to compare; nor is a part of a cut identifier.
_PEOPLE: Final = """
    SELECT DISTINCT ON (one.key) one.key, one.type, one.value, coalesce(people.person, one.key)
    FROM identifiers AS one LEFT JOIN people ON people.tenant = one.tenant AND people.key = one.key
    WHERE one.tenant = $1 AND people.mark IS NULL
      AND NOT EXISTS (SELECT FROM screened WHERE tenant = $1 AND key = one.key)
    ORDER BY one.key, one.recorded_at"""

_DECIDED: Final = """
    SELECT coalesce(low.person, a), coalesce(high.person, b) FROM decisions
    LEFT JOIN people AS low ON low.tenant = $1 AND low.key = a
    LEFT JOIN people AS high ON high.tenant = $1 AND high.key = b
    WHERE decisions.tenant = $1 AND stands = ANY($2::text[])"""

# What somebody decided stays as they decided it, however often the same is suggested.
_PUT: Final = """
    INSERT INTO suggestions AS known (tenant, id, one, other, score, told, state, suggested_at)
    SELECT $1, id, one, other, score, told, 'open', $2
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::float8[], $7::bytea[]) AS new(id, one, other, score, told)
    ORDER BY id
    ON CONFLICT (tenant, id) DO UPDATE
    SET score = excluded.score, told = excluded.told, suggested_at = excluded.suggested_at
    WHERE known.state = 'open'"""

_DROP: Final = "DELETE FROM suggestions WHERE tenant = $1 AND state = 'open' AND NOT id = ANY($2::uuid[])"

_STATES: Final = """
    SELECT s.id, s.one, s.other, s.score, s.told, s.suggested_at,
           CASE WHEN s.state = 'open' AND (
                coalesce(low.person, s.one) = coalesce(high.person, s.other)
                OR EXISTS (SELECT FROM decisions WHERE tenant = $1 AND stands = ANY($2::text[])
                           AND a = least(s.one, s.other) AND b = greatest(s.one, s.other)))
           THEN 'settled' ELSE s.state END AS state
    FROM suggestions AS s
    LEFT JOIN people AS low ON low.tenant = $1 AND low.key = s.one
    LEFT JOIN people AS high ON high.tenant = $1 AND high.key = s.other
    WHERE s.tenant = $1"""

_LIST: Final = f"""
    SELECT * FROM ({_STATES} AND s.state = $3 AND s.score >= $4 AND (s.score, s.id) < ($5, $6)) AS found
    WHERE state = $7 ORDER BY score DESC, id DESC LIMIT $8"""  # noqa: S608  # names of our own

_GET: Final = f"{_STATES} AND s.id = $3"

_DECIDE: Final = "UPDATE suggestions SET state = $3 WHERE tenant = $1 AND id = $2"

_APART: Final = [FORBIDDEN, UNLINKED]


class _Told(msgspec.Struct, frozen=True, array_like=True):
    arguments: tuple[Argument, ...]
    warnings: tuple[str, ...]
    keys: tuple[tuple[Key, ...], tuple[Key, ...]]


class Someone(msgspec.Struct, frozen=True):
    """A person to be compared: identifiers as (key, type, value)."""

    person: PersonId
    identifiers: tuple[tuple[Key, str, str], ...]


@dataclass(frozen=True, slots=True)
class SuggestionRows:
    """The suggestions of one tenant."""

    connection: Connection
    tenant: str

    async def people(self) -> list[Someone]:
        """Everybody who was seen, by the identifier that founds them."""
        found: dict[PersonId, list[tuple[Key, str, str]]] = {}
        for key, type_, value, person in await self.connection.fetch(_PEOPLE, self.tenant):
            found.setdefault(person, []).append((key, type_, value))
        return [
            Someone(person, tuple(identifiers))
            for person, identifiers in found.items()
            if any(key == person for key, _, _ in identifiers)
        ]

    async def told_apart(self) -> frozenset[PersonPair]:
        """People of whom somebody decided that they are two, or that what joined them says nothing."""
        rows = await self.connection.fetch(_DECIDED, self.tenant, _APART)
        return frozenset((min(a, b), max(a, b)) for a, b in rows)

    async def replace(
        self, suggestions: Sequence[Suggestion], keys: dict[PersonId, tuple[Key, ...]], now: Micros
    ) -> None:
        """Let these be the open suggestions; those that were decided stay."""
        ids = [suggestion_id(self.tenant, one.one, one.other) for one in suggestions]
        told = [
            msgspec.msgpack.encode(_Told(one.arguments, one.warnings, (keys[one.one], keys[one.other])))
            for one in suggestions
        ]
        await self.connection.execute(
            _PUT,
            self.tenant,
            now,
            ids,
            [one.one for one in suggestions],
            [one.other for one in suggestions],
            [one.score for one in suggestions],
            told,
        )
        await self.connection.execute(_DROP, self.tenant, ids)

    async def list(self, state: State, least: float, behind: Cursor, limit: int) -> list[Suggested]:
        """The likeliest first."""
        kept = "open" if state == "settled" else state
        rows = await self.connection.fetch(
            _LIST, self.tenant, _APART, kept, least, behind.score, behind.id, state, limit
        )
        return [_suggested(row) for row in rows]

    async def get(self, id_: bytes) -> Suggested | None:
        """One suggestion."""
        row = await self.connection.fetchrow(_GET, self.tenant, _APART, id_)
        return _suggested(row) if row else None

    async def decide(self, id_: bytes, state: State) -> None:
        """Note what somebody decided."""
        await self.connection.execute(_DECIDE, self.tenant, id_, state)


def _suggested(row: asyncpg.Record) -> Suggested:
    id_, one, other, score, packed, suggested_at, state = row
    told = msgspec.msgpack.decode(packed, type=_Told)
    return Suggested(id_, Suggestion(one, other, score, told.arguments, told.warnings), state, suggested_at, told.keys)
