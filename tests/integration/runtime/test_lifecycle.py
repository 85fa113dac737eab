"""The life of a service as its operating system sees it: real processes, real signals."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from portrait.ops.v1.projections_service_pb2 import ListProjectionsRequest, ListProjectionsResponse
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub

from libs.rpc.client import channel
from tests.support.transport import WITHIN_SECONDS

SERVICE = "tests.integration.runtime.service"
Start = Callable[..., Awaitable[tuple[Process, int]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def started(*behaviour: str) -> tuple[Process, int]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", SERVICE, *behaviour, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        processes.append(process)
        return process, int(await told(process) or b"0")

    yield started
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def told(process: Process) -> bytes:
    """The next line that it says."""
    assert process.stdout
    return await asyncio.wait_for(process.stdout.readline(), WITHIN_SECONDS)


async def ended(process: Process) -> tuple[int | None, str]:
    _, errors = await asyncio.wait_for(process.communicate(), WITHIN_SECONDS)
    return process.returncode, errors.decode()


@asynccontextmanager
async def calling(
    process: Process, port: int
) -> AsyncIterator[tuple[grpc.aio.Channel, asyncio.Future[ListProjectionsResponse]]]:
    """A call that takes a while, under way."""
    async with channel(f"127.0.0.1:{port}") as connected:
        list_projections = ProjectionsStub(connected).ListProjections
        call = asyncio.ensure_future(list_projections(ListProjectionsRequest(), timeout=WITHIN_SECONDS))
        assert await told(process) == b"called\n"
        yield connected, call


async def not_serving(connected: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(connected)
    async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
        if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
            return


async def test_after_sigterm_health_says_no_the_running_call_ends_and_the_exit_is_clean(start: Start) -> None:
    process, port = await start("slow")
    async with calling(process, port) as (connected, call):
        process.send_signal(signal.SIGTERM)
        await not_serving(connected)
        assert not call.done()
        assert process.stdin
        process.stdin.write(b"go on\n")
        assert (await call).projections
    status, errors = await ended(process)
    assert status == 0
    assert errors.index("server stopped") < errors.index("loop stopped") < errors.index("first part stopped")


async def test_the_crash_of_a_background_task_stops_the_service_with_an_error(start: Start) -> None:
    process, _ = await start("crash")
    status, errors = await ended(process)
    assert status == 1
    assert "background_failed" in errors
    assert "ZeroDivisionError" in errors
    assert "first part stopped" in errors


async def test_a_second_signal_exits_at_once(start: Start) -> None:
    process, port = await start("slow")
    async with calling(process, port) as (connected, _):
        process.send_signal(signal.SIGTERM)
        await not_serving(connected)
        process.send_signal(signal.SIGTERM)
        status, errors = await ended(process)
    assert status == 128 + signal.SIGTERM
    assert "first part stopped" not in errors


async def test_a_part_that_can_not_start_stops_those_before_it(start: Start) -> None:
    process, _ = await start("broken")
    status, errors = await ended(process)
    assert status == 1
    assert "ConnectionRefusedError" in errors
    assert "first part stopped" in errors


async def test_a_signal_while_a_part_waits_to_start_ends_cleanly(start: Start) -> None:
    process, _ = await start("waiting")
    process.send_signal(signal.SIGINT)
    status, errors = await ended(process)
    assert status == 0
    assert "first part stopped" in errors


async def test_nothing_is_left_running(start: Start) -> None:
    process, _ = await start()
    process.send_signal(signal.SIGTERM)
    await ended(process)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
