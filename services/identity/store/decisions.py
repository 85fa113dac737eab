"""Decisions in tables: a register for each subject, in which the last one stands."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.database import Connection
from services.identity.domain.decisions import (
    BLOCKED,
    FORBIDDEN,
    LINKED,
    NOTHING,
    UNLINKED,
    Allowed,
    Blocked,
    Decisions,
    Forbidden,
    IdentityDecision,
    Linked,
    LinkLeft,
    Register,
    Unblocked,
    Unlinked,
    subjects,
)
from services.identity.domain.evidence import Key

_REGISTERS: Final[Mapping[type[IdentityDecision], tuple[str, str]]] = {
    Linked: ("link", LINKED),
    Unlinked: ("link", UNLINKED),
    LinkLeft: ("link", NOTHING),
    Forbidden: ("forbid", FORBIDDEN),
    Allowed: ("forbid", NOTHING),
    Blocked: ("block", BLOCKED),
    Unblocked: ("block", NOTHING),
}
"""Which register a decision is for, and what then stands there."""

_ALL: Final = """
    SELECT decisions.about, decisions.a, decisions.b, decisions.recorded_at, decisions.event_id, decisions.stands,
           one.type, other.type
    FROM decisions
    JOIN subjects AS one ON one.tenant = decisions.tenant AND one.key = decisions.a
    JOIN subjects AS other ON other.tenant = decisions.tenant AND other.key = decisions.b
    WHERE decisions.tenant = $1"""

_ABOUT: Final = f"""
    {_ALL} AND decisions.a = ANY($2::uuid[])
    UNION
    {_ALL} AND decisions.b = ANY($2::uuid[])"""

_RECORD: Final = """
    INSERT INTO decisions AS known (tenant, about, a, b, recorded_at, event_id, stands, by, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (tenant, about, a, b) DO UPDATE
    SET recorded_at = excluded.recorded_at, event_id = excluded.event_id, stands = excluded.stands,
        by = excluded.by, note = excluded.note
    WHERE (known.recorded_at, known.event_id) < (excluded.recorded_at, excluded.event_id)"""

_NAME_SUBJECTS: Final = """
    INSERT INTO subjects (tenant, key, type, value)
    SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[])
    ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """The decisions of one tenant."""

    connection: Connection
    tenant: str

    async def about(self, keys: Collection[Key]) -> Decisions:
        """Every register that one of some identifiers is in."""
        if not keys:
            return Decisions()
        return _read(await self.connection.fetch(_ABOUT, self.tenant, list(keys)))

    async def all(self) -> Decisions:
        """Every register."""
        return _read(await self.connection.fetch(_ALL, self.tenant))

    async def record(self, decision: IdentityDecision, values: Mapping[Key, str]) -> None:
        """Let a decision stand; `values` are the normal forms of what it is about."""
        about, stands = _REGISTERS[type(decision)]
        types = {one.key: one.type for one in subjects(decision)}
        await self.connection.execute(
            _RECORD,
            self.tenant,
            about,
            min(types),
            max(types),
            decision.recorded_at,
            decision.event_id,
            stands,
            decision.by,
            decision.note,
        )
        told = [values.get(key, "") for key in types]
        await self.connection.execute(_NAME_SUBJECTS, self.tenant, list(types), list(types.values()), told)


def _read(rows: Iterable[asyncpg.Record]) -> Decisions:
    found = Decisions()
    for about, a, b, recorded_at, event_id, stands, type_of_a, type_of_b in rows:
        register = Register(recorded_at, event_id, stands)
        found.types.update({a: type_of_a, b: type_of_b})
        match about:
            case "link":
                found.links[a, b] = register
            case "forbid":
                found.forbidden[a, b] = register
            case _:
                found.blocked[a] = register
    return found
