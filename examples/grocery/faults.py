"""What the demo breaks on purpose, and how little comes of it."""

import asyncio
import os
import signal
from collections.abc import Iterable
from time import monotonic
from typing import Final

from examples.grocery.expectation import expect, expect_soon
from examples.grocery.scene import Scene
from libs.cli.sending import Manner
from libs.cli.texts import lasting, many
from libs.devstack.folder import Running
from libs.eventlog.jetstream import Broker
from libs.runtime.errors import Unavailable

LOG: Final = "interactions"
BACK_WITHIN: Final = 90.0  # seconds
POLL: Final = 0.05
SMALL_BATCHES: Final = Manner(rows=50)  # so that some are under way when it strikes


async def kill(scene: Scene, households: int) -> None:
    """Kill the service while it collects from so many households."""
    scene.chapter(
        "Killed on the way",
        f"{many(households, 'more household')}; and halfway the service gets kill -9. Its supervisor starts it again, "
        "and whoever was not answered sends again.",
    )
    halfway = asyncio.Event()
    tally, away = await asyncio.gather(
        scene.books.send(households, SMALL_BATCHES, halfway), _kill_and_wait(scene, halfway)
    )
    lost = f", {tally.duplicates:,} of them a second time, because the first answer died" if tally.duplicates else ""
    scene.done(f"killed, and back after {lasting(away)}; {many(tally.answered, 'interaction')} were answered for{lost}")
    said, _ = await scene.books.balance()
    scene.done(f"the log holds each of them once, and {said}")


async def lose_the_broker(scene: Scene, households: int) -> None:
    """Stop NATS, wipe what it stored, and collect from so many households meanwhile."""
    scene.chapter(
        "The broker loses everything",
        f"NATS is stopped and its store wiped; {many(households, 'more household')} are collected while it is away. "
        "It only carries the log to other services, so nobody else notices.",
    )
    before = await scene.books.heads()
    await expect_soon("the ends of the stream", lambda: _ends(scene, before), before)
    async with scene.stack.without(scene.stack.nats):
        await scene.stack.nats.wipe_store()
        tally = await scene.books.send(households)
        expect("interactions recorded while the broker was away", tally.recorded, tally.answered)
        said, _ = await scene.books.balance()
        await expect_soon("whether the lag tells of them", lambda: _lags(scene, tally.recorded), expected=True)
        scene.done(f"{many(tally.recorded, 'interaction')} recorded without a broker, and as many wait to be relayed")
        scene.done(said)
    began, heads = monotonic(), await scene.books.heads()
    grown = {partition: head for partition, head in heads.items() if head > before[partition]}
    await expect_soon("the ends of the stream", lambda: _ends(scene, grown), grown)
    await expect_soon("events that wait to be relayed", scene.books.waiting, 0)
    scene.done(f"NATS is back, empty; {lasting(monotonic() - began)} later it has all of them, and nothing waits")


async def _lags(scene: Scene, events: int) -> bool:
    return await scene.books.waiting() >= events


async def _ends(scene: Scene, partitions: Iterable[int]) -> dict[int, int]:
    """The last position on the stream, by partition."""
    async with Broker(scene.stack.nats.url, name="demo") as broker:
        try:
            ends = {partition: await broker.feed(LOG).end(partition) for partition in partitions}
        except Unavailable:
            return {}
    return {partition: end.position if end else 0 for partition, end in ends.items()}


async def _kill_and_wait(scene: Scene, halfway: asyncio.Event) -> float:
    """Kill the service once it is time; seconds until it serves again."""
    await halfway.wait()
    before, began = _profile(scene), monotonic()
    assert before.pid is not None, "it has just answered"
    os.kill(before.pid, signal.SIGKILL)
    async with asyncio.timeout(BACK_WITHIN):
        while (now := _profile(scene)).restarts == before.restarts or now.state != "serving":  # noqa: ASYNC110  the stack's state has no event
            await asyncio.sleep(POLL)
        took = monotonic() - began
        await scene.shop.calling.channel.channel_ready()
    return took


def _profile(scene: Scene) -> Running:
    return next(part for part in scene.stack.state.parts if part.name == "profile")
