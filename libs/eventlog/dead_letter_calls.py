"""The part of `ops.v1.Projections` that shows dead letters and mends them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import asyncpg
from portrait.log.v1 import event_pb2 as event_pb
from portrait.ops.v1 import projections_service_pb2 as pb

from libs.eventlog.dead_letters import COLUMNS, Kind, Letter, letter_in
from libs.eventlog.mending import Dropping, Mender
from libs.rpc.caller import calling_tenant
from libs.rpc.pages import BigInt, SmallInt, Text, next_page, page_cursor
from libs.rpc.times import timestamp
from libs.runtime.errors import InvalidArgument, NotFound

PAGE: Final = 50
PAGE_BYTES: Final = 2 * 1024 * 1024  # after which a page takes no more letters, so that one is at most 128 KB over

_KINDS: Final = {
    Kind.FAILED: pb.DEAD_LETTER_KIND_FAILED,
    Kind.WAITING: pb.DEAD_LETTER_KIND_WAITING,
    Kind.DROPPED: pb.DEAD_LETTER_KIND_DROPPED,
}

_NEWEST_FIRST: Final = "parked_at DESC, projection DESC, log DESC, partition DESC, position DESC"

# Events that no longer fit into the page are not read.
_FITTING: Final = COLUMNS.replace("event", f"CASE WHEN bytes_before < {PAGE_BYTES} THEN event END AS event")

_LIST: Final = f"""
    SELECT projection, log, {_FITTING} FROM (
        SELECT *, sum(length(event)) OVER (ORDER BY {_NEWEST_FIRST} ROWS UNBOUNDED PRECEDING) - length(event)
                  AS bytes_before
        FROM dead_letters
        WHERE tenant = $1 AND ($2 = '' OR projection = $2) AND (key = $3 OR $3 IS NULL) AND ($4 OR kind <> 'dropped')
          AND (parked_at, projection, log, partition, position) < ($5, $6, $7, $8::smallint, $9)
        ORDER BY {_NEWEST_FIRST} LIMIT $10) AS page
    ORDER BY {_NEWEST_FIRST}"""  # noqa: S608  the columns are our own


@dataclass(frozen=True, slots=True)
class DeadLetterCalls:
    """Answers for the dead letters of all projections of a service, of the calling tenant."""

    pool: asyncpg.Pool
    menders: Iterable[Mender] = ()

    async def list(self, request: pb.ListDeadLettersRequest) -> pb.ListDeadLettersResponse:
        """A page of letters, newest first."""
        limit = request.page_size or PAGE
        behind = page_cursor(request, tuple[BigInt, Text, Text, SmallInt, BigInt]) or (2**62, "", "", 0, 0)
        chosen = (request.projection, request.key or None, request.show_dropped)
        rows = await self.pool.fetch(_LIST, calling_tenant(), *chosen, *behind, limit + 1)
        fitting = [row for row in rows[:limit] if row["event"] is not None]
        response = pb.ListDeadLettersResponse(
            dead_letters=[_shown(row["projection"], row["log"], letter_in(row)) for row in fitting]
        )
        if len(rows) > len(fitting):
            last = fitting[-1]
            cursor = tuple(last[name] for name in ("parked_at", "projection", "log", "partition", "position"))
            response.next_page_token = next_page(request, cursor)
        return response

    async def retry(self, request: pb.RetryDeadLetterRequest) -> pb.RetryDeadLetterResponse:
        """Fold the letters of a key again."""
        mender = self._mender(request.projection, request.log)
        mended = await mender.retry((calling_tenant(), request.key))
        return pb.RetryDeadLetterResponse(
            folded=mended.folded, waiting=mended.waiting, failed=_shown_by(mender, mended.failed)
        )

    async def drop(self, request: pb.DropDeadLetterRequest) -> pb.DropDeadLetterResponse:
        """Give up the letter that a key stands before."""
        mender, place = self._mender(request.projection, request.log), request.position
        key = (calling_tenant(), request.key)
        mended = await mender.drop(Dropping(key, place.partition, place.position, request.reason, request.request_id))
        return pb.DropDeadLetterResponse(
            dropped=_shown_by(mender, mended.dropped),
            folded=mended.folded,
            waiting=mended.waiting,
            failed=_shown_by(mender, mended.failed),
        )

    def _mender(self, projection: str, log: str) -> Mender:
        """Whoever mends a projection. Raises `NotFound`, or `InvalidArgument` where the log must be said."""
        menders = [one for one in self.menders if one.projection == projection]
        if not menders:
            raise NotFound("projection", projection)
        chosen = [one for one in menders if not log or one.log == log]
        if len(chosen) != 1:
            raise InvalidArgument(
                "log", f"{projection} folds {', '.join(sorted(one.log for one in menders))}: say which"
            )
        return chosen[0]


def _shown_by(mender: Mender, letter: Letter | None) -> pb.DeadLetter | None:
    return None if letter is None else _shown(mender.projection, mender.log, letter)


def _shown(projection: str, log: str, letter: Letter) -> pb.DeadLetter:
    return pb.DeadLetter(
        projection=projection,
        log=log,
        key=letter.key,
        position=event_pb.Position(partition=letter.partition, position=letter.position),
        kind=_KINDS[letter.kind],
        cause=letter.cause,
        parked_at=timestamp(letter.parked_at),
        event=event_pb.Event.FromString(letter.event),
        dropped_at=timestamp(letter.dropped_at),
        dropped_why=letter.dropped_why or "",
    )
