"""`segment_entry`: from the answer to a batch until the event can be read that tells of who entered a segment by it."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import asyncpg
import grpc
from portrait.tagging.v1 import segments_service_pb2 as pb
from portrait.tagging.v1 import segments_service_pb2_grpc as rpc

from libs.eventlog.database import open_pool
from libs.people.keys import Keyring
from libs.runtime.tenants import Tenants
from tests.bench.definitions import PROBED
from tests.bench.load import SEED
from tests.bench.people import DRAIN_SECONDS
from tests.bench.preload import TENANT, person_key
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop
from tests.bench.tagged import answered
from tests.bench.tags import AIM, PROBES, RATE, probe
from tests.bench.traffic import COLLECT, Requests, at_rate, connected, raw, suppress_overload

BATCH: Final = 100
LIVE_SECONDS: Final = 600.0
SEGMENT: Final = "entered"
DOCUMENT: Final = f"""
segment: {SEGMENT}
title: {{en: Entered}}
owner: bench
description: Whoever did what only probes do.
when: {{did: {{event: {PROBED}}}}}
"""
_STATE: Final = "SELECT state FROM definitions WHERE tenant = $1 AND name = $2 ORDER BY version DESC LIMIT 1"
_MARKED: Final = "SELECT EXISTS (SELECT FROM marks)"


async def segment_entry(shop: Shop, seconds: float = 30.0) -> None:
    """Events in batches of 100, of which one in ten is followed by a probe; everybody is of the population."""
    work("segment_entry", seed=SEED, people=shop.people, rate=RATE, batch=BATCH)
    delays: list[float] = []
    requests = Requests(shop.people, BATCH)
    probed = iter(requests.chance.sample(range(shop.people), int(seconds * RATE / BATCH / PROBES) + 1))
    keyring = Keyring(Tenants.demo().get(TENANT).secret)
    address = f"127.0.0.1:{shop.stack.services['tagging'].port}"
    async with connected(shop.address) as collector, connected(address) as channel:
        collecting, segments = raw(collector, COLLECT), rpc.SegmentsStub(channel)
        await segments.PublishSegment(pb.PublishSegmentRequest(document=DOCUMENT, look_at=1))
        await _live(shop.database_of("tagging"))
        entered = _Entered(segments)
        watching = asyncio.create_task(entered.watch())
        await entered.begun.wait()
        turn = 0

        async def send() -> None:
            nonlocal turn
            turn += 1
            with suppress_overload():
                if turn % PROBES:
                    await collecting(requests.next())
                    return
                person = next(probed)
                told = entered.of(person_key(keyring, person).hex())
                await collecting(requests.next() + probe(person))
                began = time.perf_counter()
                async with asyncio.timeout(DRAIN_SECONDS):
                    delays.append((await told - began) * 1000)

        await at_rate(send, RATE / BATCH, seconds)
        watching.cancel()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await watching
    for share, goal in ((0.5, None), (0.95, 500)):
        name, told = f"p{share * 100:.0f}_ms", f"{len(delays)} probes"
        value = percentile(delays, share)
        target = goal if RATE >= AIM else None
        Figure("segment_entry", name, value, "ms", target=target, better="lower", detail=told).print()


class _Entered:
    """When each of some people was told to have entered."""

    def __init__(self, segments: rpc.SegmentsStub) -> None:
        self.begun = asyncio.Event()
        self._segments = segments
        self._wanted: dict[str, asyncio.Future[float]] = {}

    def of(self, person: str) -> "asyncio.Future[float]":
        """The moment at which somebody's entry was read, to be waited for."""
        return self._wanted.setdefault(person, asyncio.get_running_loop().create_future())

    async def watch(self) -> None:
        """Read entries until cancelled."""
        async for one in self._segments.WatchSegment(pb.WatchSegmentRequest(segments=[SEGMENT])):
            self.begun.set()
            wanted = self._wanted.get(one.person_id)
            if one.HasField("entered") and wanted is not None and not wanted.done():
                wanted.set_result(time.perf_counter())


async def _live(url: str) -> None:
    """Wait until the segment is live and everybody has been answered by it."""
    async with open_pool(url, size=1) as pool, asyncio.timeout(LIVE_SECONDS):
        while not await _settled(pool):  # noqa: ASYNC110  another process answers
            await asyncio.sleep(0.2)


async def _settled(pool: asyncpg.Pool) -> bool:
    live = await pool.fetchval(_STATE, TENANT, f"segment:{SEGMENT}") == "live"
    return live and not await pool.fetchval(_MARKED) and await answered(pool)
