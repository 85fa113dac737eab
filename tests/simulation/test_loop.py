import asyncio
from random import Random

import pytest

from tests.simulation.loop import Process, Stuck, VirtualLoop


def loop(seed: int = 1) -> VirtualLoop:
    return VirtualLoop(Random(seed))


def order_of(seed: int) -> list[int]:
    order: list[int] = []

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        order.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*map(step, range(8)))

    loop(seed).run(all_of_them())
    return order


def test_a_seed_decides_the_order_and_seeds_differ() -> None:
    assert order_of(1) == order_of(1)
    assert len({tuple(order_of(seed)) for seed in range(20)}) > 10


def test_time_is_spent_by_nobody_but_sleepers() -> None:
    virtual = loop()

    async def nap() -> float:
        await asyncio.sleep(3_600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(61)
        return asyncio.get_running_loop().time()

    assert virtual.run(nap()) == 3_660


def test_what_can_never_end_is_stuck() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        loop().run(wait())


def test_a_killed_process_does_nothing_more_and_cleans_up_nothing() -> None:
    virtual, done = loop(), list[str]()

    async def work() -> None:
        try:
            while True:
                await asyncio.sleep(1)
                done.append("worked")
        finally:
            done.append("cleaned up")

    async def kill() -> list[str]:
        process = Process(virtual, "worker")
        process.run(work())
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(10)
        return list(done)

    assert virtual.run(kill()) == ["worked", "worked"]


def test_a_frozen_process_goes_on_where_it_stopped_and_late() -> None:
    virtual = loop()

    async def work() -> float:
        await asyncio.sleep(1)
        return virtual.time()

    async def freeze() -> float:
        process = Process(virtual, "worker")
        task = process.spawn(work())
        await asyncio.sleep(0.5)
        process.freeze()
        await asyncio.sleep(4.5)
        assert not task.done()
        process.thaw()
        return await task

    assert virtual.run(freeze()) == 5


def test_a_loop_that_ends_by_itself_is_a_crash() -> None:
    virtual = loop()

    async def fail() -> None:
        raise ZeroDivisionError

    async def look() -> BaseException | None:
        process = Process(virtual, "worker")
        process.run(fail())
        await asyncio.sleep(1)
        return process.crash

    assert isinstance(virtual.run(look()), ZeroDivisionError)
