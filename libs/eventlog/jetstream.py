"""JetStream as Portrait uses it: a disposable stream a log, a subject a partition, and a broker that may be down."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from libs.runtime.errors import Unavailable

FIRST_POSITION: Final = "Portrait-First-Position"
LAST_POSITION: Final = "Portrait-Last-Position"

# Whatever a broker that is down, restarting or wiped can raise; all of it passes.
BROKER_ERRORS: Final = (nats.errors.Error, OSError, Unavailable)

# JetStream says "wrong last sequence" with the first code for a single message, with the second for a batch or replica.
_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
_STREAM_NOT_FOUND: Final = 10059
_STREAM_DIFFERS: Final = 10058

_REQUEST_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 2.0

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How much of a log a stream keeps. What it forgets, consumers read from the log itself."""

    max_age_seconds: float = 24 * 3600
    max_bytes: int = 1 << 30
    replicas: int = 1


def stream_name(log: str) -> str:
    """Name of the stream that carries a log."""
    return f"PORTRAIT_{log.upper()}"


def subject_of(log: str, partition: int) -> str:
    """The subject of one partition; there are never more subjects than partitions."""
    return f"portrait.{log}.{partition}"


def partition_in(subject: str) -> int:
    """The partition that a subject of `subject_of` names."""
    return int(subject.rsplit(".", 1)[1])


def is_conflict(error: BaseException) -> bool:
    """Whether somebody else published to the subject since we last looked."""
    return isinstance(error, APIError) and error.err_code in _WRONG_LAST_SEQUENCE


def is_stream_missing(error: BaseException) -> bool:
    """Whether the stream itself is gone, not just a message of it."""
    return isinstance(error, NotFoundError) and error.err_code == _STREAM_NOT_FOUND


def position_of(headers: Mapping[str, str] | None, name: str = LAST_POSITION) -> int:
    """A position that the relay wrote on a message; 0 on a message that no relay wrote."""
    position = (headers or {}).get(name, "")
    return int(position) if position.isdecimal() else 0


def heed_cancellation() -> None:
    """Raise the cancellation that the client swallowed: it suppresses those that come while it flushes.

    A loop that talks to the broker calls this once a turn, or it could not be stopped.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def ensure_stream(
    jetstream: JetStreamContext, log: str, partitions: int, settings: StreamSettings
) -> api.StreamInfo:
    """Create the stream of a log, or bring one that exists to these settings."""
    config = api.StreamConfig(
        name=stream_name(log),
        subjects=[subject_of(log, partition) for partition in range(partitions)],
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.OLD,
        storage=api.StorageType.FILE,
        max_age=settings.max_age_seconds,
        max_bytes=settings.max_bytes,
        num_replicas=settings.replicas,
        allow_direct=True,
    )
    try:
        return await jetstream.add_stream(config)
    except APIError as error:
        if error.err_code != _STREAM_DIFFERS:
            raise
        return await jetstream.update_stream(config)


class Broker:
    """One connection to NATS that is allowed to be down: whoever asks gets JetStream or `Unavailable` at once.

    As a context it hangs up at the end. Nothing is buffered while disconnected: a publisher must see its failure, or it
    would believe that its message is on its way. `urls` is one URL or several separated by commas.
    """

    def __init__(self, urls: str, *, name: str) -> None:
        self._urls = [url.strip() for url in urls.split(",")]
        self._name = name
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        """The standing connection; raises `Unavailable` while there is none."""
        client = self._client
        if client is None or client.is_closed:
            client = await self._connect()
        if not client.is_connected:
            raise Unavailable("nats", "reconnecting")
        return client

    async def jetstream(self) -> JetStreamContext:
        """JetStream over the standing connection; raises `Unavailable` while there is none."""
        return (await self.client()).jetstream(timeout=_REQUEST_SECONDS)

    async def _connect(self) -> Client:
        async with self._connecting:
            if self._client is not None and not self._client.is_closed:
                return self._client
            client = Client()
            opening = client.connect(
                self._urls,
                name=self._name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated as int, used as seconds
                connect_timeout=_CONNECT_SECONDS,  # type: ignore[arg-type]  # as above
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=0,
                error_cb=_told,
            )
            try:
                await asyncio.wait_for(opening, _CONNECT_SECONDS)
            except (TimeoutError, nats.errors.Error, OSError) as error:
                await client.close()
                raise Unavailable("nats", str(error) or "no answer") from error
            self._client = client
            return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None and not self._client.is_closed:
            await self._client.close()


async def _told(error: Exception) -> None:
    """Whoever uses the connection sees the failure; the library tells it once more here, for every attempt."""
    _logger.debug("nats_connection", error=repr(error))
