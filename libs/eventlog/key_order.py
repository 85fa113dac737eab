"""Reading a partition key by key: what a rebuild folds, so that each key is folded once and from its whole log."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import asyncpg
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.archive import Archive, share_archives
from libs.eventlog.event import Recorded
from libs.eventlog.log import Whole

FETCH_ROWS: Final = 2_000
SORT_SECONDS: Final = 3_600.0  # a large partition is sorted before its first row comes

# By bytes, as files are sorted and as Python compares; the database's own collation may be any.
_TABLE = """
    SELECT tenant, key, position, recorded_at, event FROM log
    WHERE partition = $1 AND position <= $2 AND (tenant COLLATE "C", key) > ($3, $4)
    ORDER BY tenant COLLATE "C", key, position"""

_BEFORE_ALL: Final = ("", bytes(16))


async def keys_in_order(
    pool: asyncpg.Pool, archive: Archive, partition: int, until: int, after: tuple[str, bytes] | None = None
) -> AsyncGenerator[Whole, None]:
    """See `BulkReader.keys_in_order`.

    A step of every file is in memory, too. While somebody reads, no range is archived and no payload is removed.
    """
    async with pool.acquire() as connection, connection.transaction():
        await share_archives(connection, SORT_SECONDS)
        cursor = await connection.cursor(_TABLE, partition, until, *(after or _BEFORE_ALL), timeout=SORT_SECONDS)
        async with (
            aclosing(archive.runs(connection, partition, until, after)) as archived,
            aclosing(_runs(cursor)) as recent,
        ):
            async for whole in _merged(archived, recent):
                yield whole


async def _merged(archived: AsyncIterator[Whole], recent: AsyncIterator[Whole]) -> AsyncIterator[Whole]:
    """Keys of both in their order; what is archived of a key comes before what is recent."""
    old, new = await anext(archived, None), await anext(recent, None)
    while old is not None or new is not None:
        if new is None or (old is not None and _name(old) < _name(new)):
            assert old is not None
            yield old
            old = await anext(archived, None)
        elif old is None or _name(new) < _name(old):
            yield new
            new = await anext(recent, None)
        else:
            yield Whole(old.tenant, old.key, [*old.events, *new.events])
            old, new = await anext(archived, None), await anext(recent, None)


async def _runs(cursor: "asyncpg.cursor.Cursor") -> AsyncGenerator[Whole, None]:
    parse = pb.Event.FromString
    whole = Whole("", b"", [])
    while rows := await cursor.fetch(FETCH_ROWS, timeout=SORT_SECONDS):
        for tenant, key, position, recorded_at, event in rows:
            if key != whole.key or tenant != whole.tenant:
                if whole.events:
                    yield whole
                whole = Whole(tenant, key, [])
            whole.events.append(Recorded(position, recorded_at, parse(event)))
    if whole.events:
        yield whole


def _name(whole: Whole) -> tuple[str, bytes]:
    return whole.tenant, whole.key
