"""JetStream as Portrait uses it: one connection to NATS, which may be down, and the feeds that it carries."""

import asyncio
from typing import Final, Self

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from libs.eventlog.jetstream_feed import JetStreamFeed
from libs.eventlog.stream import REQUEST_SECONDS
from libs.runtime.errors import Unavailable

_CONNECT_SECONDS: Final = 2.0
_CANCEL_SECONDS: Final = 0.05

_logger = structlog.get_logger(__name__)


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

    def feed(self, log: str) -> JetStreamFeed:
        """The feed of a log over the standing connection."""
        return JetStreamFeed(self.client, log)

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
        return (await self.client()).jetstream(timeout=REQUEST_SECONDS)

    async def _connect(self) -> Client:
        async with self._connecting:
            if self._client is not None and not self._client.is_closed:
                return self._client
            client = Client()
            opening = asyncio.ensure_future(
                client.connect(
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
            )
            try:
                await asyncio.wait([opening], timeout=_CONNECT_SECONDS)
            finally:
                await _ended(opening)
            try:
                opening.result()
            except (asyncio.CancelledError, nats.errors.Error, OSError) as error:
                await client.close()
                raise Unavailable("nats", str(error) or "no answer") from error
            self._client = client
            return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None and not self._client.is_closed:
            await self._client.close()


async def _ended(opening: asyncio.Future[None]) -> None:
    """Cancel until it has ended: the client tries for ever, and loses a cancellation that meets a refusal."""
    while not opening.done():
        opening.cancel()
        await asyncio.wait([opening], timeout=_CANCEL_SECONDS)


async def _told(error: Exception) -> None:
    """Whoever uses the connection sees the failure; the library tells it once more here, for every attempt."""
    _logger.debug("nats_connection", error=repr(error))
