import asyncio
from typing import Any

import pytest
from nats.aio.client import Client

from libs.eventlog.jetstream import Broker
from libs.runtime.errors import Unavailable

NOBODY = "nats://127.0.0.1:9"


@pytest.fixture(autouse=True)
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that loses the first cancellation, as that of NATS does when it meets a refused connection."""

    async def connect(*_: Any, **__: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def close(_: Client) -> None:
        pass

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr(Client, "close", close)


async def test_nobody_who_answers_is_unavailable_although_a_cancellation_was_lost() -> None:
    async with asyncio.timeout(10), Broker(NOBODY, name="test") as broker:
        with pytest.raises(Unavailable, match="no answer"):
            await broker.client()


async def test_whoever_waits_for_a_connection_can_be_stopped_although_a_cancellation_was_lost() -> None:
    async with asyncio.timeout(10), Broker(NOBODY, name="test") as broker:
        waiting = asyncio.ensure_future(broker.client())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
