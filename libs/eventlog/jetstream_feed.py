"""A log's feed on JetStream: a stream with limits, a subject a partition, a message a batch."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from libs.eventlog.event import Batch
from libs.eventlog.feed import NoStream, Oversized, Overtaken, StreamSettings, Tail
from libs.eventlog.stream import (
    FIRST_POSITION,
    LAST_POSITION,
    REQUEST_SECONDS,
    is_conflict,
    is_stream_missing,
    position_of,
    reaching_broker,
    stream_name,
    subject_of,
)
from libs.eventlog.subscription import PullSubscription
from libs.telemetry.traces import TRACEPARENT, inject

_STREAM_DIFFERS: Final = 10058


class JetStreamFeed:
    """See `Feed`. `connected` answers with a connection that stands, or raises `Unavailable`."""

    def __init__(self, connected: Callable[[], Awaitable[Client]], log: str) -> None:
        self._connected = connected
        self._log = log
        self._stream = stream_name(log)

    async def ensure(self, partitions: int, settings: StreamSettings) -> str:
        """See `Feed.ensure`."""
        config = api.StreamConfig(
            name=self._stream,
            subjects=[subject_of(self._log, partition) for partition in range(partitions)],
            retention=api.RetentionPolicy.LIMITS,
            discard=api.DiscardPolicy.OLD,
            storage=api.StorageType.FILE,
            max_age=settings.max_age_seconds,
            max_bytes=settings.max_bytes,
            num_replicas=settings.replicas,
            allow_direct=True,
        )
        with reaching_broker():
            jetstream = await self._jetstream()
            try:
                return _told_from_others(await jetstream.add_stream(config))
            except APIError as error:
                if error.err_code != _STREAM_DIFFERS:
                    raise
                return _told_from_others(await jetstream.update_stream(config))

    async def publish(self, batch: Batch, *, follows: int, origin: bytes, seconds: float) -> int:
        """See `Feed.publish`."""
        with reaching_broker():
            jetstream = await self._jetstream()
            try:
                # Awaited with a time limit: futures of `publish_async` have none and would hold their slot for ever.
                acknowledged = await jetstream.publish(
                    subject_of(self._log, batch.partition),
                    batch.to_wire(self._log),
                    timeout=seconds,
                    headers=_headers(batch, follows, origin),
                )
            except nats.errors.MaxPayloadError as error:
                raise Oversized from error
            except APIError as error:
                if is_conflict(error):
                    raise Overtaken from error
                raise
            return acknowledged.seq

    async def end(self, partition: int) -> Tail | None:
        """See `Feed.end`."""
        with reaching_broker():
            jetstream = await self._jetstream()
            try:
                # Not `direct`: a replica that lags behind its leader would answer with an end that has been passed.
                message = await jetstream.get_last_msg(self._stream, subject_of(self._log, partition), direct=False)
            except NotFoundError as error:
                if is_stream_missing(error):
                    raise NoStream(self._log) from error
                return None
            return Tail(position_of(message.headers), message.seq or 0)

    async def purge(self, partition: int) -> None:
        """See `Feed.purge`."""
        with reaching_broker():
            await (await self._jetstream()).purge_stream(self._stream, subject=subject_of(self._log, partition))

    async def discard(self, stream: str) -> None:
        """See `Feed.discard`. Two calls, so that somebody may come between them; consumers bear that as any loss."""
        with reaching_broker():
            jetstream = await self._jetstream()
            with suppress(NotFoundError):
                if _told_from_others(await jetstream.stream_info(self._stream)) == stream:
                    await jetstream.delete_stream(self._stream)

    async def subscribe(self, positions: Mapping[int, int]) -> PullSubscription:
        """See `Feed.subscribe`."""
        with reaching_broker():
            client = await self._connected()
            subscription = PullSubscription(client, client.jetstream(timeout=REQUEST_SECONDS), self._log)
            await subscription.open(positions)
            return subscription

    async def _jetstream(self) -> JetStreamContext:
        return (await self._connected()).jetstream(timeout=REQUEST_SECONDS)


def _told_from_others(stream: api.StreamInfo) -> str:
    assert stream.created is not None
    return stream.created.isoformat()


def _headers(batch: Batch, follows: int, origin: bytes) -> dict[str, str]:
    headers = {
        FIRST_POSITION: str(batch.first_position),
        LAST_POSITION: str(batch.last_position),
        api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(follows),
    }
    if origin:
        headers[TRACEPARENT] = f"00-{origin[:16].hex()}-{origin[16:24].hex()}-{origin[24:].hex()}"
    inject(headers)
    return headers
