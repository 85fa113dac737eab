"""Rows in PostgreSQL's binary COPY format, packed by hand: a third of the cost of handing over tuples.

Format: PostgreSQL documentation, "COPY", section "Binary Format": a header, then for each row the number of its columns
and for each column its length and its bytes in network order, then a trailer.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

from libs.eventlog.database import Connection
from libs.eventlog.event import NewEvent

DIGEST_OFFSET: Final = 1 << 31  # a digest is unsigned, PostgreSQL's integer is not

LOG_COLUMNS: Final = ("partition", "position", "recorded_at", "tenant", "key", "event")
MESSAGE_ID_COLUMNS: Final = ("tenant", "event_id", "partition", "position", "digest", "recorded_at", "import_id")

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"


@cache
def _log_row(tenant: int) -> Callable[..., bytes]:
    return struct.Struct(f">hihiqiqi{tenant}si16si").pack


@cache
def _message_id_row(tenant: int, import_id: int) -> Callable[..., bytes]:
    return struct.Struct(f">hi{tenant}si16sihiqiiiqi{import_id}s").pack


async def write(connection: Connection, table: str, columns: Sequence[str], rows: memoryview) -> None:
    """Write rows into a table."""
    # What looks like a file asyncpg would read in a thread; that it takes a buffer as it is, its stubs don't know.
    await connection.copy_to_table(table, source=rows, columns=columns, format="binary")  # type: ignore[arg-type]


def log_rows(placed: Iterable[tuple[int, int, NewEvent]], recorded_at: int) -> memoryview:
    """Rows of `log` for events with their partition and position."""
    parts = [_HEADER]
    for partition, position, event in placed:
        tenant, data = event.tenant.encode(), event.data
        pack = _log_row(len(tenant))
        parts.append(pack(6, 2, partition, 8, position, 8, recorded_at, len(tenant), tenant, 16, event.key, len(data)))
        parts.append(data)
    parts.append(_TRAILER)
    return memoryview(b"".join(parts))


def message_id_rows(placed: Iterable[tuple[int, int, NewEvent]], recorded_at: int) -> memoryview:
    """Rows of `message_ids` for events with their partition and position."""
    parts = [_HEADER]
    for partition, position, event in placed:
        tenant, import_id, digest = event.tenant.encode(), event.import_id.encode(), event.digest - DIGEST_OFFSET
        pack = _message_id_row(len(tenant), len(import_id))
        place = pack(
            7,
            len(tenant),
            tenant,
            16,
            event.id,
            2,
            partition,
            8,
            position,
            4,
            digest,
            8,
            recorded_at,
            len(import_id),
            import_id,
        )
        parts.append(place)
    parts.append(_TRAILER)
    return memoryview(b"".join(parts))
