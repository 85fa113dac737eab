"""Going at rebuilds in processes of their own, so that folding years of events never delays a call.

Every replica runs one. Whoever takes the lease of a rebuild starts its workers and watches them; when that replica
dies, its workers end too, and another one goes on. A lease is no lock: the epoch fences whoever does not know yet.
"""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
import uvloop

from libs.eventlog.database import TROUBLE
from libs.eventlog.rebuild import Overtaken, Run
from libs.eventlog.rebuilds import Rebuilds
from libs.eventlog.versions import Version
from libs.runtime.lifecycle import GC_THRESHOLDS
from libs.telemetry.metrics import Metrics

LOOK_SECONDS: Final = 1.0
RENEW_SECONDS: Final = 2.0
ORPHANED_SECONDS: Final = 0.5
NICENESS: Final = 10
STARTER: Final = "PORTRAIT_REBUILD_STARTER"  # who to end with; it may be dead before a worker can ask who it was

Worker = Callable[[Run], Sequence[str]]


@dataclass(frozen=True, slots=True)
class RebuildRunner:
    """Looks for rebuilds of one projection that nobody goes at, and goes at them.

    `worker` is the command line of one worker of a run; for `knows` see `Rebuilds.take`.
    """

    rebuilds: Rebuilds
    worker: Worker
    knows: Callable[[Version], bool]
    owner: str
    metrics: Metrics

    async def run(self) -> None:
        """Work until cancelled; a database that is away only delays it."""
        log = structlog.get_logger()
        while True:
            try:
                run = await self.rebuilds.take(self.owner, self.knows)
                if run is not None:
                    await self._go_at(run)
            except TROUBLE as error:
                log.warning("rebuild_delayed", error=repr(error))
            self.metrics.heartbeat("rebuild")
            await asyncio.sleep(LOOK_SECONDS)

    async def _go_at(self, run: Run) -> None:
        log = structlog.get_logger().bind(projection=run.projection, version=run.version, epoch=run.epoch)
        trouble = ""
        processes: list[asyncio.subprocess.Process] = []
        try:
            log.info("rebuild_taken", workers=run.workers)
            for _ in range(run.workers):
                processes.append(await _started(self.worker(run)))  # noqa: PERF401  all that run must end with us
            trouble = await self._watch(run, processes)
        finally:
            await _ended(processes)
            await asyncio.shield(self.rebuilds.release(run, trouble))
            if trouble:
                log.error("rebuild_in_trouble", trouble=trouble)

    async def _watch(self, run: Run, processes: Sequence[asyncio.subprocess.Process]) -> str:
        """Keep the lease until all workers have ended; what went wrong, if anything did."""
        waiting = {asyncio.ensure_future(process.wait()) for process in processes}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, timeout=RENEW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if failed := [status.result() for status in done if status.result()]:
                    return f"a worker ended with status {failed[0]}; the log of the service says why"
                if waiting and not await self.rebuilds.renew(run):
                    return ""
            return ""
        finally:
            for one in waiting:
                one.cancel()


async def _started(command: Sequence[str]) -> asyncio.subprocess.Process:
    environment = {**os.environ, STARTER: str(os.getpid())}
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, env=environment)
    with suppress(ProcessLookupError):
        _step_aside(process.pid)
    return process


def _step_aside(worker: int) -> None:
    """Leave a worker the CPU that nobody else wants; at once, for its imports alone would delay calls for a second."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(worker, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.setpriority(os.PRIO_PROCESS, worker, NICENESS)


async def _ended(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Nothing that was started goes on; what a worker has not saved is done again."""
    for process in processes:
        if process.returncode is None:
            process.kill()
    for process in processes:
        await process.wait()


def work(goal: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Live the life of a worker: work, and end with whoever started it.

    The exit status is 0 also for one that was overtaken, 1 for one that failed.
    """
    log, starter = structlog.get_logger(), int(os.environ.get(STARTER) or os.getppid())
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        uvloop.run(_until_orphaned(goal(), starter))
    except Overtaken:
        log.info("rebuild_overtaken")
    except Exception:
        log.exception("rebuild_failed")
        return 1
    return 0


async def _until_orphaned(working: Coroutine[Any, Any, None], starter: int) -> None:
    """Nobody would end a worker whose starter was killed; what it has saved stands."""
    task = asyncio.ensure_future(working)
    while not task.done():
        if os.getppid() != starter:
            os._exit(1)
        await asyncio.wait([task], timeout=ORPHANED_SECONDS)
    await task
