"""Collecting as much as the services take, and what that costs of them together."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
import grpc.aio
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc

from libs.eventlog.database import open_pool
from tests.bench.machine import Stolen
from tests.bench.report import Figure
from tests.bench.shop import Shop
from tests.bench.traffic import COLLECT, Requests, closed_loop, connected, raw

BATCH: Final = 500
SERVERS: Final = frozenset({"postgres", "nats"})
WARMING_SECONDS: Final = 15.0
"""Until caches are warm and compaction keeps pace."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What some seconds of collecting came to. `cpu_us` is by program, an event; `backlogs` before and after."""

    events: int
    elapsed: float
    cpu_us: Mapping[str, float]
    memory_mb: Mapping[str, float]
    backlogs: tuple[int, int]
    stolen: float

    @property
    def events_per_s(self) -> float:
        return self.events / self.elapsed

    def print(
        self, bench: str, *, events_per_s: float, cpu_us: float | None, alone: "Collected | None" = None, told: str = ""
    ) -> None:
        """Write the figures, with their targets; the baseline is what collecting comes to `alone`."""
        shares = ", ".join(f"{name} {value:.1f}" for name, value in self.cpu_us.items())
        resident = ", ".join(f"{name} {value:.0f}" for name, value in self.memory_mb.items())
        detail = f"{told}{self.stolen:.0%} of the CPU went to other machines"
        pace, cost = (alone.events_per_s, sum(alone.cpu_us.values())) if alone else (None, None)
        services = sum(value for name, value in self.memory_mb.items() if name not in SERVERS)
        before, after = self.backlogs
        for figure in (
            Figure(bench, "events_per_s", self.events_per_s, "events/s", pace, events_per_s, detail=detail),
            Figure(bench, "cpu_us_per_event", sum(self.cpu_us.values()), "µs", cost, cpu_us, "lower", shares),
            Figure(bench, "rss_mb", services, "MB", detail=resident),
            Figure(bench, "backlog", after, "events", target=1.25 * before + 16_000, better="lower"),
        ):
            figure.print()


async def nothing_more() -> None:
    """What is acknowledged is done."""


async def collect(
    shop: Shop, requests: Requests, seconds: float, until: Callable[[], Awaitable[None]] = nothing_more
) -> Collected:
    """Collect in a closed loop, and wait `until` what follows is done, too: that counts as well."""
    async with connected(shop.address) as channel, open_pool(shop.database, size=1) as pool:
        before, recorded, cpu = await _backlog(channel), await _recorded(pool), shop.cpu()
        began, stolen = time.perf_counter(), Stolen()
        await closed_loop(raw(channel, COLLECT), requests, seconds)
        await until()
        elapsed, events = time.perf_counter() - began, await _recorded(pool) - recorded
        spent = {name: (seconds_ - cpu[name]) / events * 1e6 for name, seconds_ in shop.cpu().items()}
        backlogs = before, await _backlog(channel)
        return Collected(events, elapsed, spent, shop.memory_mb(), backlogs, stolen.share())


async def _backlog(channel: grpc.aio.Channel) -> int:
    answer = await ops_rpc.ProjectionsStub(channel).ListProjections(ops_pb.ListProjectionsRequest())
    return sum(one.lag_events for one in answer.projections if one.name == "portraits")


async def _recorded(pool: asyncpg.Pool) -> int:
    recorded: int = await pool.fetchval("SELECT sum(position)::bigint FROM log_heads")
    return recorded
