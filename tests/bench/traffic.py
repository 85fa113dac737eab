"""Traffic for benchmarks of running services: requests that are cheap to send, at a rate or as many as are taken."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final, cast

import grpc
import grpc.aio

from tests.bench.load import SEED, message_ids, request, templates

COLLECT: Final = "/portrait.profile.v1.Collector/Collect"
IN_FLIGHT: Final = 12
COOKIES: Final = 0.5  # of the new identifiers; the others are devices

Call = Callable[[bytes], Awaitable[bytes]]


class Requests:
    """Requests of fresh interactions of people chosen uniformly; some are prepared so that sending is cheap.

    Of the interactions, the share `newcomers` carries an identifier that was never seen before.
    """

    def __init__(self, people: int, batch: int, newcomers: float = 0.0) -> None:
        self.chance = random.Random(SEED)
        self._people = people
        self._batch = batch
        self._newcomers = newcomers
        now = datetime.now(UTC).isoformat()
        self._shapes = templates(self.chance, [now])

    def next(self, first: int | None = None) -> bytes:
        """One request; its first interaction is of a given person if one is named."""
        shapes, people, chance = self._shapes, self._people, self.chance.random
        last = len(shapes)
        ids = message_ids(time.time_ns() // 1_000_000, self._batch)
        documents = [
            shapes[int(chance() * last)].document(id_, int(chance() * people), self._newcomer(id_)) for id_ in ids
        ]
        if first is not None:
            (id_,) = message_ids(time.time_ns() // 1_000_000, 1)
            documents[0] = shapes[0].document(id_, first)
        return request(documents)

    def _newcomer(self, message_id: bytes) -> bytes:
        """An identifier to stand in a document beside the person's; nearly always none."""
        if not self._newcomers or self.chance.random() >= self._newcomers:
            return b""
        type_ = b"cookie" if self.chance.random() < COOKIES else b"device_id"
        return b'","%b":"%b' % (type_, message_id)


def raw(channel: grpc.aio.Channel, name: str) -> Call:
    """A method on bytes: reading answers that nobody looks at would take the CPU of those who are measured."""
    method: Any = channel.unary_unary(name)
    return cast("Call", method)


@contextmanager
def suppress_overload() -> Iterator[None]:
    """Let a call be refused because too much waits: the figures will show it."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise


async def closed_loop(collect: Call, requests: Requests, seconds: float) -> None:
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            with suppress_overload():
                await collect(requests.next())

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))


async def at_rate(call: Callable[[], Coroutine[None, None, None]], per_second: float, seconds: float) -> None:
    """Start calls on schedule, whether or not earlier ones have ended; raises what the first that failed did."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as running:
        for turn in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, began + turn / per_second - time.perf_counter()))
            running.create_task(call())


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel
