"""The stack that service benchmarks run against, with a shop preloaded, and its processes' CPU time."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psutil

from libs.devstack.stack import Stack
from libs.eventlog.database import open_pool
from libs.eventlog.ranges import Ranges
from tests.bench.known import acquaint
from tests.bench.preload import preload
from tests.bench.report import work
from tests.bench.tagged import tag_everybody

PEOPLE: Final = int(os.environ.get("PORTRAIT_BENCH_PEOPLE", "200000"))
PARTITIONS: Final = 8
CALM_SECONDS: Final = 3
CALM_SHARE: Final = 0.2  # of a core, for each service

POSTGRES: Final = {"shared_buffers": "2GB"}


@dataclass(frozen=True, slots=True)
class Shop:
    """A running stack that knows `people` people."""

    stack: Stack
    people: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.stack.services['profile'].port}"

    @property
    def database(self) -> str:
        return self.database_of("profile")

    def database_of(self, service: str) -> str:
        """Where a service keeps what it has."""
        return self.stack.postgres.dsn(service, service)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by program, children included; the load generator is none of them."""
        return {name: _cpu(pid) for name, pid in self._programs().items()}

    def memory_mb(self) -> dict[str, float]:
        """Proportional memory by program in MB."""
        return {name: _memory(pid) / 1e6 for name, pid in self._programs().items()}

    def _programs(self) -> dict[str, int]:
        programs = {"postgres": self.stack.postgres.pid, "nats": self.stack.nats.pid}
        programs |= {name: service.pid for name, service in self.stack.services.items()}
        return {name: pid for name, pid in programs.items() if pid is not None}


@asynccontextmanager
async def open_shop(people: int = PEOPLE, *, who_is_who: bool = False, tags: bool = False) -> AsyncIterator[Shop]:
    """Start everything, preload it, and go on as after a restart.

    `who_is_who` is for the identity service, too; `tags` for both identity and tagging.
    """
    who_is_who = who_is_who or tags
    services = ("profile", *(["identity"] if who_is_who else []), *(["tagging"] if tags else []))
    async with Stack(services=services, postgres_settings=POSTGRES) as stack:
        shop = Shop(stack, people)
        for service in stack.services.values():
            await service.stop()
        async with open_pool(shop.database, size=1) as pool:
            await Ranges(pool).cover(time.time_ns() // 1000)
        began = time.perf_counter()
        events = await preload(shop.database, people=people, partitions=PARTITIONS)
        if who_is_who:
            await acquaint(shop.database_of("identity"), people, shop.database)
        if tags:
            await tag_everybody(shop.database_of("tagging"), people, shop.database)
        work("preload", people=people, interactions=events, seconds=round(time.perf_counter() - began))
        async with open_pool(stack.postgres.dsn("profile"), size=1) as pool:
            await pool.execute("CHECKPOINT", timeout=600)
        for service in stack.services.values():
            await service.start()
        await _settled(shop)
        yield shop


async def _settled(shop: Shop) -> None:
    """Wait until what a start sets going (counting tails, for one) is done."""
    before, calm = sum(shop.cpu().values()), 0
    while calm < CALM_SECONDS:
        await asyncio.sleep(1)
        now = sum(shop.cpu().values())
        calm = calm + 1 if now - before < CALM_SHARE * len(shop.stack.services) else 0
        before = now


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu(pid: int) -> float:
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            times = process.cpu_times()
            total += times.user + times.system
    own = psutil.Process(pid).cpu_times()  # children that have ended count as their parent's
    return total + own.children_user + own.children_system


def _memory(pid: int) -> float:
    return float(sum(process.memory_full_info().pss for process in _family(pid)))
