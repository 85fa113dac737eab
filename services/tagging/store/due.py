"""People who are to be answered, and when; locks on them are taken in the order of their ids."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from services.tagging.store.touched import telling

AT_ONCE: Final[Micros] = 0
"""Something happened."""
IN_TURN: Final[Micros] = 1
"""Everybody is due; whoever something happened to goes first."""

Affected = frozenset[str] | None
"""The tags to answer; None for all."""

NOTHING: Final[frozenset[str]] = frozenset()
_NOTHING: Final[Mapping[bytes, bytes]] = {}

# What is affected comes as a text of keys, because arrays within an array must be of one length.
_MARK: Final = telling(
    """
    INSERT INTO due AS known (tenant, person, at, affected, backfill, cause, historical)
    SELECT $1, person, $2, string_to_array(affected, ','), '{}', cause, historical
    FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::boolean[]) AS more(person, affected, cause, historical)
    ORDER BY person
    ON CONFLICT (tenant, person) DO UPDATE SET
        at = least(known.at, excluded.at),
        affected = CASE
            WHEN known.affected = '{}' THEN excluded.affected
            WHEN known.affected IS NOT NULL AND excluded.affected IS NOT NULL
            THEN ARRAY(SELECT DISTINCT unnest(known.affected || excluded.affected)) END,
        cause = coalesce(excluded.cause, known.cause),
        historical = excluded.historical AND (known.historical OR known.affected = '{}')""",
    "$3",
    held=False,
)

# In one pass, new ones and others, as whoever marks people goes: two passes would meet it in a circle. A row that is
# there is locked and stays as it is.
_HOLD: Final = telling(
    """
    INSERT INTO due AS known (tenant, person, at, affected, backfill)
    SELECT $1, person, $2, '{}', '{}' FROM unnest($3::uuid[]) AS person ORDER BY person
    ON CONFLICT (tenant, person) DO UPDATE SET at = known.at WHERE known.tenant IS NULL""",
    "$3",
    held=False,
)

_HELD: Final = """
    SELECT person, at, affected, backfill, cause, historical FROM due
    WHERE tenant = $1 AND person = ANY($2::uuid[])"""

_TAKE: Final = """
    SELECT person, at, affected, backfill, cause, historical FROM due
    WHERE tenant = $1 AND at <= $2 ORDER BY at LIMIT $3 FOR UPDATE SKIP LOCKED"""

_LATER: Final = """
    UPDATE due SET at = later.at, affected = '{}', backfill = '{}', cause = NULL, historical = false
    FROM unnest($2::uuid[], $3::bigint[]) AS later(person, at)
    WHERE due.tenant = $1 AND due.person = later.person"""

_POSTPONE: Final = "UPDATE due SET at = $3 WHERE tenant = $1 AND person = ANY($2::uuid[])"

_DONE: Final = "DELETE FROM due WHERE tenant = $1 AND person = ANY($2::uuid[])"

# OFFSET 0: each is looked for by itself, along the index, and no further than to the first.
_LOOK: Final = """
    SELECT ARRAY(
        SELECT tenant FROM unnest($1::text[], $2::bigint[]) AS known(tenant, now)
        WHERE EXISTS (SELECT FROM due WHERE due.tenant = known.tenant AND due.at <= known.now OFFSET 0)
    ), EXISTS (SELECT FROM refolds)"""

_PEOPLE_DUE: Final = """
    SELECT sum((SELECT count(*) FROM due WHERE due.tenant = known.tenant AND due.at <= known.now))::bigint
    FROM unnest($1::text[], $2::bigint[]) AS known(tenant, now)"""


class Due(NamedTuple):
    """Somebody who is due: for some tags, of which `backfill` are answered by history; caused by an event, if any.

    `historical` tells that all that it follows from was collected as history. `waits_until` is the moment that the row
    names, where it says nothing else.
    """

    person: bytes
    at: Micros
    affected: Affected
    backfill: frozenset[str]
    cause: bytes | None
    historical: bool = False
    waits_until: Micros | None = None


class Waiting(NamedTuple):
    """What there is to do: tenants of whom anybody is due, and whether any anchor is to be folded anew."""

    tenants: frozenset[str]
    anew: bool


class Marks(NamedTuple):
    """For what people are to be due, beside whatever they are due for.

    `causes` are events by person, `historical` those whose are all collected as history.
    """

    affected: Mapping[bytes, Affected]
    causes: Mapping[bytes, bytes] = _NOTHING
    historical: Collection[bytes] = ()


@dataclass(frozen=True, slots=True)
class DueRows:
    """Who of a tenant is due."""

    connection: Connection
    tenant: str

    async def mark(
        self,
        affected: Mapping[bytes, Affected],
        causes: Mapping[bytes, bytes] = _NOTHING,
        historical: Collection[bytes] = (),
    ) -> None:
        """Make people due at once, and tell that they changed: see `Marks`."""
        if not affected:
            return
        people = list(affected)
        tags = [None if one is None else ",".join(sorted(one)) for one in affected.values()]
        history = [one in historical for one in people]
        await self.connection.execute(
            _MARK, self.tenant, AT_ONCE, people, tags, [causes.get(one) for one in people], history
        )

    async def hold(self, marks: Marks) -> list[Due]:
        """People as they would be due if they were marked, held till the transaction ends and told of as those are; for
        what they are due is not written down.
        """
        people = list(marks.affected)
        await self.connection.execute(_HOLD, self.tenant, AT_ONCE, people)
        return [_marked(_due(row), marks) for row in await self.connection.fetch(_HELD, self.tenant, people)]

    async def take(self, until: Micros, limit: int) -> list[Due]:
        """Some of those who are due until a moment, held till the transaction ends; of others' holding, none."""
        return [_due(row) for row in await self.connection.fetch(_TAKE, self.tenant, until, limit)]

    async def later(self, moments: Mapping[bytes, Micros]) -> None:
        """Let people be due again, by time alone."""
        if moments:
            await self.connection.execute(_LATER, self.tenant, list(moments), list(moments.values()))

    async def postpone(self, people: Sequence[bytes], at: Micros) -> None:
        """Let people be due for the same, later."""
        if people:
            await self.connection.execute(_POSTPONE, self.tenant, people, at)

    async def done(self, people: Collection[bytes]) -> None:
        """Let people be due no more."""
        if people:
            await self.connection.execute(_DONE, self.tenant, list(people))


async def look(connection: Connection, now: Mapping[str, Micros]) -> Waiting:
    """What there is to do for all tenants, each at a moment of its own."""
    ((tenants, anew),) = await connection.fetch(_LOOK, list(now), list(now.values()))
    return Waiting(frozenset(tenants), anew)


async def people_due(connection: Connection, now: Mapping[str, Micros]) -> int:
    """How many people of some tenants are due at a moment of each."""
    count: int | None = await connection.fetchval(_PEOPLE_DUE, list(now), list(now.values()))
    return count or 0


def _due(row: Iterable[Any]) -> Due:
    person, at, affected, backfill, cause, historical = row
    return Due(
        person, at, None if affected is None else frozenset(affected), frozenset(backfill), cause, bool(historical)
    )


def _marked(one: Due, marks: Marks) -> Due:
    """The same as `_MARK` makes of a row."""
    return Due(
        one.person,
        AT_ONCE,
        united(one.affected, marks.affected[one.person]),
        one.backfill,
        marks.causes.get(one.person, one.cause),
        one.person in marks.historical and (one.historical or one.affected == NOTHING),
        None if one.affected != NOTHING or one.backfill or one.cause is not None else one.at,
    )


def united(one: Affected, other: Affected) -> Affected:
    """The tags of both."""
    return None if one is None or other is None else one | other
