"""Leases: how the replicas of a service share partitions. They divide work; who may write is decided elsewhere.

A lease is a hint that may be out of date in either direction. What keeps two replicas from folding the same events is
the checkpoint that moves by compare-and-swap, and what keeps two relays from publishing twice is the sequence that each
message names.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from libs.telemetry.metrics import Metrics

LEASE_SECONDS: Final = 8.0
HEARTBEATS: Final = 4  # in the time of a lease
LEAVE_SECONDS: Final = 2.0
NOBODY: Final = ""

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose a partition is; `epoch` rises whenever the owner changes."""

    partition: int
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is alive, and who holds what, in the order of partitions."""

    members: frozenset[str]
    leases: tuple[Lease, ...]


class LeaseStore(Protocol):
    """Keeps the leases of roles, and by its own clock who is alive."""

    async def attend(self, role: str, member: str, partitions: int, seconds: float) -> Roll:
        """Say that a member lives for so many seconds more; answers who lives, itself included, and who holds what."""
        ...

    async def change(self, role: str, wanted: Sequence[Lease]) -> list[Lease]:
        """Write leases whose epochs are one ahead; answers those that nobody else has changed meanwhile."""
        ...

    async def leave(self, role: str, member: str) -> None:
        """Live no longer, and hold nothing."""
        ...


def settle(roll: Roll, member: str) -> list[Lease]:
    """What a member changes so that it holds its fair share, which is the partitions by the living, rounded up.

    It gives back what is beyond its share, and takes only what nobody alive holds: so a partition changes hands once.
    Those who look at the same moment begin at different places, so that they do not all reach for the same.
    """
    share = -(-len(roll.leases) // len(roll.members))
    begin = share * sorted(roll.members).index(member)
    mine = [lease for lease in roll.leases if lease.owner == member]
    free = [lease for lease in roll.leases if lease.owner not in roll.members]
    free.sort(key=lambda lease: (lease.partition - begin) % len(roll.leases))
    given_back = [Lease(lease.partition, NOBODY, lease.epoch + 1) for lease in mine[share:]]
    taken = [Lease(lease.partition, member, lease.epoch + 1) for lease in free[: max(0, share - len(mine))]]
    return given_back + taken


class Leases(Collection[int]):
    """The partitions of a role that are this replica's at the moment, kept up to date by `run`.

    Whoever works on them looks again before every turn. There are none before the first heartbeat, and none once the
    last one is as old as a lease lasts, because others may have them by then. `seconds` must be the same for all.
    """

    def __init__(
        self,
        store: LeaseStore,
        role: str,
        partitions: int,
        metrics: Metrics,
        *,
        seconds: float = LEASE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.role = role
        self.member = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._store = store
        self._partitions = partitions
        self._metrics = metrics
        self._seconds = seconds
        self._monotonic = monotonic
        self._held: dict[int, int] = {}
        self._until = float("-inf")

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._current()))

    def __len__(self) -> int:
        return len(self._current())

    def __contains__(self, partition: object) -> bool:
        return partition in self._current()

    async def run(self) -> None:
        """Keep the leases until cancelled, then give them back; a database that is away costs no more than them."""
        try:
            while True:
                try:
                    await self.beat()
                except Exception as error:  # noqa: BLE001 - a replica that stops asking would never work again
                    _logger.warning("leases_unknown", role=self.role, error=repr(error))
                    self._metrics.leases_held.labels(self.role).set(len(self))
                else:
                    self._metrics.heartbeat(f"leases:{self.role}")
                await asyncio.sleep(self._seconds / HEARTBEATS)
        finally:
            await self._leave()

    async def beat(self) -> None:
        """Say that we live, and settle what is ours. Raises what broke, also when the database does not answer."""
        began = self._monotonic()
        async with asyncio.timeout(self._seconds / 2):
            roll = await self._store.attend(self.role, self.member, self._partitions, self._seconds)
            wanted = settle(roll, self.member)
            changed = await self._store.change(self.role, wanted) if wanted else []
        held = {lease.partition: lease.epoch for lease in roll.leases if lease.owner == self.member}
        for lease in changed:
            if lease.owner == self.member:
                held[lease.partition] = lease.epoch
            else:
                held.pop(lease.partition, None)
        self._hold(held)
        self._until = began + self._seconds

    def _current(self) -> dict[int, int]:
        return self._held if self._monotonic() < self._until else {}

    def _hold(self, held: dict[int, int]) -> None:
        gained = held.items() - self._held.items()
        if held != self._held:
            _logger.info("leases_changed", role=self.role, member=self.member, held=sorted(held))
        self._held = held
        self._metrics.leases_held.labels(self.role).set(len(held))
        self._metrics.lease_epochs.labels(self.role).inc(len(gained))

    async def _leave(self) -> None:
        self._held = {}
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._store.leave(self.role, self.member)
        except Exception as error:  # noqa: BLE001 - the leases run out by themselves
            _logger.warning("leases_not_given_back", role=self.role, error=repr(error))
