import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import pytest

from libs.eventlog.event import Batch
from libs.eventlog.log import BATCH_BYTES, BATCH_EVENTS
from libs.eventlog.memory import MemoryLog
from libs.eventlog.watch import POLL_SECONDS, Watch
from libs.runtime.clock import ManualClock
from tests.support.logs import NOON, PARTITIONS, added, key_of, running

ANN, BOB = ("demo", key_of("ann")), ("demo", key_of("bob"))


@dataclass(eq=False)
class Observed(MemoryLog):
    """A log that counts its reads, answers for its heads when a test lets it, and is away when told so."""

    name: str = "observed"
    partitions: int = PARTITIONS
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    reads: int = 0
    away: Exception | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event | None = None

    async def heads(self) -> dict[int, int]:
        answer = self.answer
        self.asked.set()
        if answer is not None:
            await answer.wait()
        return await super().heads()

    async def read(
        self, after: Mapping[int, int], *, limit: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES
    ) -> list[Batch]:
        self.reads += 1
        if self.away is not None:
            raise self.away
        return await super().read(after, limit=limit, max_bytes=max_bytes)


@pytest.fixture
def log() -> Observed:
    return Observed()


@pytest.fixture
def watch(log: Observed) -> Watch:
    return Watch(log)


async def wakes(changed: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), 2)
    except TimeoutError:
        return False
    changed.clear()
    return True


async def test_a_watcher_wakes_when_its_key_changes_and_no_other(log: Observed, watch: Watch) -> None:
    async with running(watch), watch.changes(ANN) as ann, watch.changes(BOB) as bob:
        await log.append([added("ann"), added("ann", tenant="other"), added("eve")])
        assert await wakes(ann)
        await log.append([added("eve"), added("ann")])
        assert await wakes(ann)
        assert not bob.is_set()


async def test_every_watcher_of_a_key_wakes(log: Observed, watch: Watch) -> None:
    async with running(watch), watch.changes(ANN) as one, watch.changes(ANN) as other:
        await log.append([added("ann")])
        assert await wakes(one)
        assert await wakes(other)


async def test_what_was_there_before_wakes_nobody(log: Observed, watch: Watch) -> None:
    await log.append([added("ann")])
    async with running(watch), watch.changes(ANN) as ann, watch.changes(BOB) as bob:
        await log.append([added("bob")])
        assert await wakes(bob)
        assert not ann.is_set()


async def test_nothing_is_read_while_nobody_watches(log: Observed, watch: Watch) -> None:
    async with running(watch):
        async with watch.changes(ANN) as ann:
            await log.append([added("ann")])
            assert await wakes(ann)
        await asyncio.sleep(0.1)  # a read on its way may end
        reads = log.reads
        await asyncio.sleep(0.2)
        assert log.reads == reads
        async with watch.changes(ANN) as ann:
            await log.append([added("ann")])
            assert await wakes(ann)


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(), asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.CannotConnectNowError("starting")],
)
async def test_a_database_that_is_away_delays_a_watcher_and_hides_nothing(
    log: Observed, watch: Watch, error: Exception
) -> None:
    async with running(watch), watch.changes(ANN) as ann:
        log.away = error
        await log.append([added("ann")])
        await asyncio.sleep(0.1)
        assert not ann.is_set()
        log.away = None
        assert await wakes(ann)


async def test_two_first_watchers_miss_nothing_that_lies_between_their_heads(log: Observed, watch: Watch) -> None:
    async with running(watch):
        log.answer = late = asyncio.Event()
        second = watch.changes(BOB)
        entering = asyncio.ensure_future(second.__aenter__())
        await log.asked.wait()
        log.answer = None
        async with watch.changes(ANN) as ann:
            await asyncio.sleep(POLL_SECONDS / 5)  # the log has just been read, and will not be for a while
            await log.append([added("ann")])
            late.set()
            await entering
            assert await wakes(ann)
        await second.__aexit__(None, None, None)
