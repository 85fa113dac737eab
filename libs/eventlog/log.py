"""What a log is, whichever store keeps it."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from libs.eventlog.event import Appended, Batch, NewEvent, Recorded

BATCH_EVENTS = 500
BATCH_BYTES = 512 * 1024


class LogReader(Protocol):
    """Reads a log by partition."""

    name: str
    partitions: int

    async def heads(self) -> dict[int, int]:
        """Last position of every partition; 0 where nothing is recorded."""
        ...

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        """What follows the positions given, at most one batch for each partition named, in one query."""
        ...


class KeyReader(Protocol):
    """Reads a log by key."""

    async def read_key(self, tenant: str, key: bytes, *, after: int = 0) -> list[Recorded]:
        """Every event of a key behind a position, in order."""
        ...


class Whole(msgspec.Struct, frozen=True, gc=False):
    """Every event of one key up to a position, in order."""

    tenant: str
    key: bytes
    events: list[Recorded]


class BulkReader(Protocol):
    """Reads whole partitions of a log, key by key."""

    def keys_in_order(
        self, partition: int, until: int, after: tuple[str, bytes] | None = None
    ) -> AsyncGenerator[Whole, None]:
        """Every key of a partition with its events up to a position, by (tenant, key), in memory for one key.

        `after` is the last key of a former reading that ended early.
        """
        ...


class Log(LogReader, KeyReader, Protocol):
    """An append-only log of events in partitions, with gapless positions and deduplication by id."""

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Record events durably, all or none, in the order given; a repeated id is answered with its first place.

        Raises `Unavailable` when the store is out of reach; whether the events were recorded is then unknown, and
        sending them again is safe.
        """
        ...


class KeySource(Protocol):
    """Another service's log, as whoever folds a key of it anew reads it."""

    def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        """Every event of a tenant's key in order, page by page; raises `Unavailable`."""
        ...


class LogSource(Protocol):
    """Another service's log, as a consumer heals its gaps from it."""

    async def heads(self) -> dict[int, int]:
        """Last position of every partition."""
        ...

    def read(self, partition: int, after: int) -> AsyncIterator[Batch]:
        """Everything behind a position of a partition, up to the head of the moment."""
        ...
