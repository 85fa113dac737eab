"""What everybody is yet to become due for: tags that went live, portion by portion in the order of people's ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from services.tagging.store.due import IN_TURN, Due, united

_BEGIN: Final = "INSERT INTO marks (tenant, tags, reached, backfill) VALUES ($1, $2, $3, $4)"

_PENDING: Final = "SELECT number, tags, reached, backfill FROM marks WHERE tenant = $1 ORDER BY number"

_TAKE: Final = f"{_PENDING} LIMIT 1 FOR UPDATE"

_BOUND: Final = "SELECT place FROM features WHERE tenant = $1 AND place > $2 ORDER BY place OFFSET $3 LIMIT 1"

# Each part goes along an index from one id to another. `affected` of whoever is due for all anyway stays so.
_MARK: Final = """
    INSERT INTO due AS known (tenant, person, at, affected, backfill, cause)
    SELECT $1, person, $5, $4, $6, NULL FROM (
        SELECT place AS person FROM features
        WHERE tenant = $1 AND place > $2 AND place <= $3
            AND NOT EXISTS (SELECT FROM identity_map AS map WHERE map.tenant = $1 AND map.own_id = place)
        UNION SELECT person FROM holdings WHERE tenant = $1 AND person > $2 AND person <= $3
        UNION SELECT identifier FROM set_by_hand AS told
        WHERE tenant = $1 AND identifier > $2 AND identifier <= $3
            AND NOT EXISTS (SELECT FROM identity_map AS map WHERE map.tenant = $1 AND map.own_id = told.identifier)
        UNION SELECT person FROM identity_map AS map
        WHERE tenant = $1 AND person > $2 AND person <= $3
            AND (EXISTS (SELECT FROM features WHERE features.tenant = $1 AND features.place = map.own_id)
                OR EXISTS (SELECT FROM set_by_hand AS said WHERE said.tenant = $1 AND said.identifier = map.own_id))
    ) AS everybody
    ORDER BY person
    ON CONFLICT (tenant, person) DO UPDATE SET
        at = least(known.at, excluded.at),
        affected = CASE WHEN known.affected IS NOT NULL
            THEN ARRAY(SELECT DISTINCT unnest(known.affected || excluded.affected)) END,
        backfill = ARRAY(SELECT DISTINCT unnest(known.backfill || excluded.backfill))"""

_ANSWERING: Final = """
    SELECT EXISTS (SELECT FROM marks WHERE tenant = $1) OR EXISTS (SELECT FROM due WHERE tenant = $1 AND at = $2)"""

_REACH: Final = "UPDATE marks SET reached = $2 WHERE number = $1"

_END: Final = "DELETE FROM marks WHERE number = $1"

_NOBODY: Final = bytes(16)
_EVERYBODY: Final = b"\xff" * 16


class Mark(NamedTuple):
    """Tags that went live, and the id up to which everybody is due for them.

    With `backfill` they are answered by history; else what everybody else does is news of each, as at a cut.
    """

    number: int
    tags: frozenset[str]
    reached: bytes
    backfill: bool = True

    @classmethod
    def of(cls, number: int, tags: Iterable[str], reached: bytes, backfill: bool) -> "Mark":
        """One as it is stored."""
        return cls(number, frozenset(tags), reached, backfill)


@dataclass(frozen=True, slots=True)
class MarkRows:
    """What the people of a tenant are yet to become due for."""

    connection: Connection
    tenant: str

    async def begin(self, tags: Iterable[str], *, backfill: bool = True) -> None:
        """Let everybody become due for some tags, that are answered by history or not."""
        await self.connection.execute(_BEGIN, self.tenant, sorted(tags), _NOBODY, backfill)

    async def pending(self) -> list[Mark]:
        """What is not yet done with."""
        return [Mark.of(*row) for row in await self.connection.fetch(_PENDING, self.tenant)]

    async def being_answered(self) -> bool:
        """Whether people are yet to be answered for what went live."""
        return bool(await self.connection.fetchval(_ANSWERING, self.tenant, IN_TURN))

    async def go_on(self, size: int) -> bool:
        """Make about so many more people due, in a transaction of its own; whether there was anything to do."""
        row = await self.connection.fetchrow(_TAKE, self.tenant)
        if row is None:
            return False
        mark = Mark.of(*row)
        bound = await self.connection.fetchval(_BOUND, self.tenant, mark.reached, size)
        span = mark.reached, bound or _EVERYBODY
        tags = sorted(mark.tags)
        await self.connection.execute(_MARK, self.tenant, *span, tags, IN_TURN, tags if mark.backfill else [])
        if bound is None:
            await self.connection.execute(_END, mark.number)
        else:
            await self.connection.execute(_REACH, mark.number, bound)
        return True


def with_marks(due: Sequence[Due], marks: Sequence[Mark]) -> list[Due]:
    """Those who are due, also for what they are yet to become due for.

    Else what follows from history would be told, before its turn, as if it followed from what just happened.
    """
    if not marks:
        return list(due)
    return [_with_marks(one, marks) for one in due]


def _with_marks(one: Due, marks: Sequence[Mark]) -> Due:
    ahead = [mark for mark in marks if one.person > mark.reached]
    tags = frozenset[str]().union(*(mark.tags for mark in ahead))
    backfill = one.backfill.union(*(mark.tags for mark in ahead if mark.backfill))
    return one._replace(affected=united(one.affected, tags), backfill=backfill)
