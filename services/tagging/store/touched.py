"""Who changed since some moment, told in the transactions that change them while anybody has columns of their tenant.

Ids of transactions and not numbers in order of telling say what is new: what began earlier may commit later, and what a
snapshot did not see is what the next one has to look at, whenever it began.
"""

from typing import Final, NamedTuple

import asyncpg

from libs.eventlog.database import Connection

WANTED_SECONDS: Final = 3_600
"""So long it is told who changes after somebody said that they want to know; what was told is kept as long."""

# Whoever changes people has held a row before and so has an id, without which nobody would wait for them.
_TELL: Final = """
    WITH told AS (
        INSERT INTO columns_touched (tenant, transaction, held, people)
        SELECT $1, pg_current_xact_id()::text::bigint, {held}, {people}::uuid[]
        WHERE EXISTS (SELECT FROM columns_wanted WHERE tenant = $1 AND until > now()))"""

_WANT: Final = """
    INSERT INTO columns_wanted (tenant, until) VALUES ($1, now() + $2 * interval '1 second')
    ON CONFLICT (tenant) DO UPDATE SET until = excluded.until"""

_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text"

_FINISHED: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1"

_SINCE: Final = """
    SELECT held, people FROM columns_touched
    WHERE tenant = $1 AND transaction >= $2
        AND NOT pg_visible_in_snapshot(transaction::text::xid8, $3::text::pg_snapshot)"""

_FORGET: Final = "DELETE FROM columns_touched WHERE at < now() - $1 * interval '1 second'"


class Snapshot(NamedTuple):
    """What a transaction sees, as the database writes it: "xmin:xmax:those that are under way"."""

    text: str

    @property
    def oldest(self) -> int:
        """No transaction before this one was under way."""
        return int(self.text.partition(":")[0])

    @property
    def next(self) -> int:
        """The id of the next transaction."""
        return int(self.text.split(":")[1])


class Touched(NamedTuple):
    """Those of whom something else may be kept, and those who may hold something else."""

    kept: set[bytes]
    held: set[bytes]


def telling(statement: str, people: str, *, held: bool) -> str:
    """A statement that changes people of the tenant $1, and tells so; `people` is the parameter that has their ids."""
    return f"{_TELL.format(held=held, people=people)}{statement}"


async def want(pool: asyncpg.Pool, tenant: str) -> None:
    """Let it be told for a while who changes."""
    await pool.execute(_WANT, tenant, WANTED_SECONDS)


async def told_from_now_on(pool: asyncpg.Pool) -> Snapshot:
    """A snapshot, behind `want`: once all that are under way in it have ended, everybody who changes is told."""
    return Snapshot(await pool.fetchval(_SNAPSHOT))


async def are_finished(pool: asyncpg.Pool, snapshot: Snapshot) -> bool:
    """Whether all that are under way in a snapshot have ended."""
    return bool(await pool.fetchval(_FINISHED, snapshot.next))


async def snapshot_of(connection: Connection) -> Snapshot:
    """What the transaction sees, which must see one moment only (repeatable read)."""
    return Snapshot(await connection.fetchval(_SNAPSHOT))


async def touched_since(connection: Connection, tenant: str, snapshot: Snapshot) -> Touched:
    """Who changed in what the transaction sees and a former snapshot did not."""
    kept: set[bytes] = set()
    held: set[bytes] = set()
    for of_holdings, people in await connection.fetch(_SINCE, tenant, snapshot.oldest, snapshot.text):
        (held if of_holdings else kept).update(people)
    return Touched(kept, held)


async def forget(pool: asyncpg.Pool) -> None:
    """Forget what was told so long ago that nobody asks for it any more."""
    await pool.execute(_FORGET, WANTED_SECONDS)
