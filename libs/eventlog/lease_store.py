"""Where leases are kept: in the service's own database, or in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from libs.eventlog.leases import NOBODY, Lease, Roll
from libs.runtime.clock import SECOND, Clock

MOST_SECONDS: Final = 60.0
"""Longer than any lease. Who claims to live beyond it said so before the clock of the store was set back."""


_ATTEND: Final = """
    INSERT INTO lease_members (role, member, expires_at)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (role, member) DO UPDATE SET expires_at = excluded.expires_at"""

_MEMBERS: Final = """
    SELECT member FROM lease_members WHERE role = $1
      AND expires_at > clock_timestamp() AND expires_at <= clock_timestamp() + make_interval(secs => $2)"""

_LEASES: Final = "SELECT partition, owner, epoch FROM leases WHERE role = $1 ORDER BY partition"

_BEGIN: Final = """
    INSERT INTO leases (role, partition, owner, epoch)
    SELECT $1, partition, '', 0 FROM generate_series(0, $2 - 1) AS partition ON CONFLICT DO NOTHING"""

# Locked in the order of partitions, so that two replicas that want the same ones queue up instead of deadlocking.
_CHANGE: Final = """
    WITH held AS (
        SELECT lease.partition, wanted.owner, wanted.epoch
        FROM leases AS lease
        JOIN unnest($2::smallint[], $3::text[], $4::bigint[]) AS wanted(partition, owner, epoch) USING (partition)
        WHERE lease.role = $1 AND lease.epoch = wanted.epoch - 1
        ORDER BY lease.partition FOR UPDATE OF lease)
    UPDATE leases AS lease SET owner = held.owner, epoch = held.epoch FROM held
    WHERE lease.role = $1 AND lease.partition = held.partition
    RETURNING lease.partition, lease.owner, lease.epoch"""

_GIVE_BACK: Final = "UPDATE leases SET owner = '', epoch = epoch + 1 WHERE role = $1 AND owner = $2"

_FORGET: Final = """
    DELETE FROM lease_members
    WHERE role = $1 AND (member = $2 OR expires_at <= clock_timestamp()
      OR expires_at > clock_timestamp() + make_interval(secs => $3))"""


@dataclass(frozen=True, slots=True)
class PostgresLeases:
    """See `LeaseStore`. Each statement is a transaction of its own: who freezes between two of them holds no lock."""

    pool: asyncpg.Pool

    async def attend(self, role: str, member: str, partitions: int, seconds: float) -> Roll:
        """See `LeaseStore.attend`."""
        async with self.pool.acquire() as connection:
            await connection.execute(_ATTEND, role, member, seconds)
            members = await connection.fetch(_MEMBERS, role, MOST_SECONDS)
            leases = await connection.fetch(_LEASES, role)
            if len(leases) < partitions:
                await connection.execute(_BEGIN, role, partitions)
                leases = await connection.fetch(_LEASES, role)
        return Roll(frozenset(row["member"] for row in members) | {member}, tuple(Lease(*row) for row in leases))

    async def change(self, role: str, wanted: Sequence[Lease]) -> list[Lease]:
        """See `LeaseStore.change`."""
        columns = zip(*((lease.partition, lease.owner, lease.epoch) for lease in wanted), strict=True)
        return [Lease(*row) for row in await self.pool.fetch(_CHANGE, role, *columns)]

    async def leave(self, role: str, member: str) -> None:
        """See `LeaseStore.leave`."""
        await self.pool.execute(_GIVE_BACK, role, member)
        await self.pool.execute(_FORGET, role, member, MOST_SECONDS)


@dataclass(eq=False)
class MemoryLeases:
    """See `LeaseStore`; for the replicas of a simulation, by a clock that may be virtual."""

    clock: Clock
    _leases: dict[str, dict[int, Lease]] = field(default_factory=dict, init=False)
    _members: dict[str, dict[str, int]] = field(default_factory=dict, init=False)

    async def attend(self, role: str, member: str, partitions: int, seconds: float) -> Roll:
        """See `LeaseStore.attend`."""
        now, members = self.clock.now(), self._members.setdefault(role, {})
        members[member] = now + _micros(seconds)
        leases = self._leases.setdefault(role, {})
        for partition in range(partitions):
            leases.setdefault(partition, Lease(partition, NOBODY, 0))
        living = (one for one, until in members.items() if now < until <= now + _micros(MOST_SECONDS))
        return Roll(frozenset(living), tuple(leases.values()))

    async def change(self, role: str, wanted: Sequence[Lease]) -> list[Lease]:
        """See `LeaseStore.change`."""
        leases = self._leases[role]
        changed = [lease for lease in wanted if leases[lease.partition].epoch == lease.epoch - 1]
        leases.update({lease.partition: lease for lease in changed})
        return changed

    async def leave(self, role: str, member: str) -> None:
        """See `LeaseStore.leave`."""
        self._members.get(role, {}).pop(member, None)
        for partition, lease in self._leases.get(role, {}).items():
            if lease.owner == member:
                self._leases[role][partition] = Lease(partition, NOBODY, lease.epoch + 1)


def _micros(seconds: float) -> int:
    return int(seconds * SECOND)
