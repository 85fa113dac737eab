"""Operations: kept in a table, so that they survive whoever works on them, and belong to their tenant."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from libs.eventlog.database import Connection
from libs.runtime.clock import Micros
from libs.runtime.errors import QueueFull

State = Literal["running", "done", "failed", "cancelled"]

MOST_UNFINISHED: Final = 20
"""Operations of one tenant that have not come to an end."""

_LOCK: Final = 0x4F504552  # advisory lock, with the tenant, of whoever begins an operation

_COLUMNS: Final = "tenant, id, kind, request, asked_by, created_at, state, looked_at, attempts, cancelled, result"

_HOLD: Final = "SELECT pg_advisory_xact_lock($1, hashtext($2))"

_UNFINISHED: Final = "SELECT count(*) FROM operations WHERE tenant = $1 AND state = 'running'"

_BEGIN: Final = """
    INSERT INTO operations (tenant, id, kind, request, asked_by, created_at, state, looked_at, attempts, cancelled,
        runner, until, result)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', 0, 0, false, '', clock_timestamp(), '')"""

_GET: Final = f"SELECT {_COLUMNS} FROM operations WHERE tenant = $1 AND id = $2"  # noqa: S608  a constant

_LIST: Final = f"SELECT {_COLUMNS} FROM operations WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3"  # noqa: S608

_CANCEL: Final = """
    UPDATE operations SET cancelled = true WHERE tenant = $1 AND id = $2 AND state = 'running' RETURNING id"""

_DELETE: Final = "DELETE FROM operations WHERE tenant = $1 AND id = $2 AND state <> 'running' RETURNING id"

# Of the tenant whose turn it is, in the order of their names, the one that has waited longest.
_CLAIM: Final = f"""
    UPDATE operations SET runner = $1, until = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
    WHERE (tenant, id) = (
        SELECT tenant, id FROM operations WHERE state = 'running' AND until <= clock_timestamp()
        ORDER BY tenant <= $3, tenant, until LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}"""  # noqa: S608  a constant

_BEAT: Final = """
    UPDATE operations SET until = clock_timestamp() + make_interval(secs => $4), looked_at = $5
    WHERE tenant = $1 AND id = $2 AND runner = $3 AND state = 'running' RETURNING cancelled"""

_END: Final = """
    UPDATE operations SET state = $4, result = $5, ended_at = $6, looked_at = $7
    WHERE tenant = $1 AND id = $2 AND runner = $3 AND state = 'running' RETURNING id"""

_LEAVE: Final = """
    UPDATE operations SET until = clock_timestamp(), runner = ''
    WHERE tenant = $1 AND id = $2 AND runner = $3 AND state = 'running'"""

_FORGET: Final = "DELETE FROM operations WHERE ended_at < $1"


class Operation(NamedTuple):
    """An operation; `request` and `result` are messages, the latter a `google.rpc.Status` where it failed."""

    tenant: str
    id: bytes
    kind: str
    request: bytes
    asked_by: str
    created_at: Micros
    state: State
    looked_at: int
    attempts: int
    cancelled: bool
    result: bytes


@dataclass(frozen=True, slots=True)
class OperationRows:
    """The operations of one tenant."""

    connection: Connection
    tenant: str

    async def begin(self, id_: bytes, kind: str, request: bytes, asked_by: str, now: Micros) -> Operation:
        """The operation of that id, which is begun unless it was before; raises `QueueFull`."""
        async with self.connection.transaction():
            await self.connection.execute(_HOLD, _LOCK, self.tenant)
            found = await self.get(id_)
            if found is None:
                if await self.connection.fetchval(_UNFINISHED, self.tenant) >= MOST_UNFINISHED:
                    raise QueueFull(MOST_UNFINISHED, "operations are unfinished")
                await self.connection.execute(_BEGIN, self.tenant, id_, kind, request, asked_by, now)
                found = await self.get(id_)
        assert found is not None
        return found

    async def get(self, id_: bytes) -> Operation | None:
        """One of them."""
        row = await self.connection.fetchrow(_GET, self.tenant, id_)
        return None if row is None else Operation(*row)

    async def behind(self, id_: bytes, limit: int) -> list[Operation]:
        """Those behind an id, in order."""
        return [Operation(*row) for row in await self.connection.fetch(_LIST, self.tenant, id_, limit)]

    async def cancel(self, id_: bytes) -> bool:
        """Let whoever works on it stop; whether it was running."""
        return await self.connection.fetchval(_CANCEL, self.tenant, id_) is not None

    async def delete(self, id_: bytes) -> bool:
        """Forget one; whether it had come to an end."""
        return await self.connection.fetchval(_DELETE, self.tenant, id_) is not None


@dataclass(frozen=True, slots=True)
class Claims:
    """What one runner works on, of all tenants."""

    connection: Connection
    runner: str
    seconds: float

    async def take(self, behind: str) -> Operation | None:
        """An operation that nobody works on, of the next tenant behind one."""
        row = await self.connection.fetchrow(_CLAIM, self.runner, self.seconds, behind)
        return None if row is None else Operation(*row)

    async def beat(self, one: Operation, looked_at: int) -> bool:
        """Say that it is still worked on; whether it is to go on, and is still this runner's."""
        cancelled = await self.connection.fetchval(_BEAT, one.tenant, one.id, self.runner, self.seconds, looked_at)
        return cancelled is False

    async def end(self, one: Operation, state: State, result: bytes, now: Micros, looked_at: int) -> bool:
        """Let it have come to an end; whether it was still this runner's."""
        ended = await self.connection.fetchval(_END, one.tenant, one.id, self.runner, state, result, now, looked_at)
        return ended is not None

    async def leave(self, one: Operation) -> None:
        """Let another runner begin it anew."""
        await self.connection.execute(_LEAVE, one.tenant, one.id, self.runner)


async def forget(connection: Connection, before: Micros) -> None:
    """Forget operations that ended before a moment."""
    await connection.execute(_FORGET, before)
