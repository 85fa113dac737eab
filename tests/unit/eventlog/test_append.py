import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from libs.eventlog.append import LARGEST_GROUP_EVENTS, Appender
from libs.eventlog.event import Appended, NewEvent
from libs.eventlog.memory import MemoryLog
from libs.runtime.clock import ManualClock
from libs.runtime.errors import QueueFull, ShuttingDown, Unavailable
from libs.telemetry.metrics import Metrics
from tests.support.logs import NOON, PARTITIONS, added, places, running


@dataclass(eq=False)
class Gated(MemoryLog):
    """A log whose appends wait at a gate, and fail as a test tells them to."""

    name: str = "gated"
    partitions: int = PARTITIONS
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[list[NewEvent]] = field(default_factory=list)
    refused: bytes = b""
    away: bool = False

    async def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        self.calls.append(list(events))
        self.arrived.set()
        await self.gate.wait()
        if self.away:
            raise Unavailable("postgresql", "gone")
        if any(event.key == self.refused for event in events):
            raise ValueError("refused")
        return await super().append(events)


@pytest.fixture
def log() -> Gated:
    log = Gated()
    log.gate.set()
    return log


@pytest.fixture
async def appender(log: Gated) -> AsyncIterator[Appender]:
    appender = Appender(log, Metrics(), queue_events=100)
    async with running(appender):
        yield appender


@asynccontextmanager
async def held(log: Gated, appender: Appender) -> AsyncIterator[None]:
    """While one append is on its way to the store, others gather."""
    log.gate.clear()
    log.arrived.clear()
    first = asyncio.ensure_future(appender.append([added("first")]))
    await log.arrived.wait()
    yield
    log.gate.set()
    await asyncio.wait([first])


async def begun(appender: Appender, *calls: Sequence[NewEvent]) -> list["asyncio.Task[list[Appended]]"]:
    tasks = [asyncio.ensure_future(appender.append(call)) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def test_a_lone_append_is_answered_with_its_places(appender: Appender) -> None:
    appended = await appender.append([added("ann"), added("ann")])
    assert [one.position for one in appended] == [1, 2]
    assert await appender.append([]) == []


async def test_what_gathers_is_recorded_in_one_transaction_and_answered_one_by_one(
    log: Gated, appender: Appender
) -> None:
    async with held(log, appender):
        calls = await begun(appender, *([added(f"{n}", id_=f"{n}")] * (n + 1) for n in range(4)))
    answers = await asyncio.gather(*calls)
    assert [len(call) for call in log.calls] == [1, 1 + 2 + 3 + 4]
    assert [len(answer) for answer in answers] == [1, 2, 3, 4]
    assert [[one.duplicate for one in answer] for answer in answers] == [[False] + [True] * n for n in range(4)]


async def test_a_group_stays_within_its_bound(log: Gated, appender: Appender) -> None:
    appender.queue_events = 10 * LARGEST_GROUP_EVENTS
    thousand = [added("ann") for _ in range(1_000)]
    async with held(log, appender):
        calls = await begun(appender, *(thousand[:] for _ in range(4)))
    await asyncio.gather(*calls)
    assert [len(call) for call in log.calls] == [1, 2_000, 2_000]


async def test_one_bad_call_does_not_fail_the_others(log: Gated, appender: Appender) -> None:
    good, bad = added("good"), added("bad")
    log.refused = bad.key
    async with held(log, appender):
        calls = await begun(appender, [good], [added("good"), bad], [added("good")])
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, ValueError) for answer in answers] == [False, True, False]
    assert len(await log.read_key("demo", good.key)) == 2
    await appender.drain()


async def test_a_full_queue_refuses_at_once_and_takes_more_when_it_has_room(log: Gated, appender: Appender) -> None:
    hundred = [added("ann") for _ in range(99)]
    async with held(log, appender):
        (waiting,) = await begun(appender, hundred)
        with pytest.raises(QueueFull, match="100 are waiting") as full:
            await appender.append([added("bob")])
        assert full.value.retryable
    assert len(await waiting) == 99
    assert len(await appender.append([added("bob")])) == 1


async def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits(appender: Appender) -> None:
    assert len(await appender.append([added("ann") for _ in range(150)])) == 150


async def test_a_caller_who_left_is_not_recorded_and_holds_no_room(log: Gated, appender: Appender) -> None:
    async with held(log, appender):
        gone, stayed = await begun(appender, [added("gone")] * 60, [added("stayed")])
        gone.cancel()
    await stayed
    await appender.drain()
    assert [len(call) for call in log.calls] == [1, 1]
    assert await log.read_key("demo", added("gone").key) == []
    assert len(await appender.append([added("ann") for _ in range(100)])) == 100


async def test_a_caller_who_leaves_while_it_is_recorded_disturbs_nobody(log: Gated, appender: Appender) -> None:
    async with held(log, appender):
        calls = await begun(appender, [added("gone")], [added("stayed")])
        log.arrived.clear()
        log.gate.set()
        log.gate.clear()
        await log.arrived.wait()
        calls[0].cancel()
    assert len(await calls[1]) == 1
    await appender.drain()


async def test_while_the_store_is_away_everybody_is_told_and_it_is_asked_once(log: Gated, appender: Appender) -> None:
    async with held(log, appender):
        calls = await begun(appender, [added("ann")], [added("bob")], [added("eve")])
        log.away = True
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) and answer.retryable for answer in answers)
    assert [len(call) for call in log.calls] == [1, 3]
    log.away = False
    assert len(await appender.append([added("ann")])) == 1


async def test_listeners_hear_of_an_append_after_its_commit_only(log: Gated, appender: Appender) -> None:
    heard: list[tuple[bytes, tuple[int, int]]] = []

    def listen(events: Sequence[NewEvent], appended: Sequence[Appended]) -> None:
        heard.extend((event.id, place) for event, place in zip(events, places(appended), strict=True))

    appender.listeners.append(listen)
    ann, bob = added("ann"), added("bob")
    log.refused = bob.key
    async with held(log, appender):
        calls = await begun(appender, [ann], [bob])
        assert heard == []
    (answer, _) = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answer, list)
    assert heard[1:] == [(ann.id, places(answer)[0])]


async def test_who_waits_when_the_service_ends_is_told_to_go_elsewhere(log: Gated) -> None:
    appender = Appender(log, Metrics())
    async with running(appender):
        log.gate.clear()
        (on_the_way,) = await begun(appender, [added("ann")])
        await log.arrived.wait()
        (waiting,) = await begun(appender, [added("bob")])
    for call in (on_the_way, waiting):
        with pytest.raises(ShuttingDown):
            await asyncio.wait_for(call, 1)


async def test_the_queue_is_measured(log: Gated) -> None:
    metrics = Metrics()
    appender = Appender(log, metrics)
    async with running(appender):
        await appender.append([added("ann"), added("bob")])
    sample = metrics.registry.get_sample_value
    assert sample("portrait_append_queue_events") == 0
    assert sample("portrait_append_events_total") == 2
    assert sample("portrait_append_seconds_count") == 1
