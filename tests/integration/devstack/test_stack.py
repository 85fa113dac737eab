import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from libs.devstack.errors import AlreadyRunning, StartFailed
from libs.devstack.folder import DataFolder
from libs.devstack.service import is_serving
from libs.devstack.stack import Stack
from libs.devstack.supervisor import Condition

PACKAGE = "tests.integration.devstack.services"
SMALL = {"shared_buffers": "128MB"}
ENDLESS = """
import asyncio, sys
from pathlib import Path
from libs.devstack.stack import Stack

async def main():
    async with Stack(Path(sys.argv[1]), postgres_settings={"shared_buffers": "128MB"}, services=()) as stack:
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def stack(data: Path | None = None, *services: str) -> Stack:
    return Stack(data, services=services, package=PACKAGE, postgres_settings=SMALL)


async def test_a_temporary_stack_migrates_serves_and_leaves_nothing() -> None:
    async with stack(None, "ledger") as running:
        ledger = running.services["ledger"]
        assert await is_serving(ledger.target)
        connection = await asyncpg.connect(running.postgres.dsn("ledger", role="ledger"))
        assert await connection.fetchval("SELECT count(*) FROM entries") == 0
        await connection.close()
        state = DataFolder(running.data).read()
        assert state == running.state
        assert state.ready
        assert [part.name for part in state.parts] == ["postgres", "nats", "ledger"]
        pids = [part.pid for part in state.parts if part.pid]
    assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not running.data.exists()
    assert not running.postgres.sockets.exists()


async def test_replicas_of_a_service_share_its_database() -> None:
    async with Stack(services=("ledger",), replicas=2, package=PACKAGE, postgres_settings=SMALL) as running:
        first, second = running.services["ledger"], running.services["ledger-2"]
        assert await is_serving(first.target)
        assert await is_serving(second.target)
        databases = {one._environment["PORTRAIT_LEDGER_DATABASE_URL"] for one in (first, second)}
        assert databases == {running.postgres.dsn("ledger", role="ledger")}
        assert [part.name for part in running.state.parts] == ["postgres", "nats", "ledger", "ledger-2"]


@pytest.mark.parametrize("name", ["nats", "postgres"])
async def test_a_dead_broker_or_database_comes_back_under_the_same_address(own_folder: Path, name: str) -> None:
    heard: asyncio.Queue[Condition] = asyncio.Queue()
    async with Stack(own_folder, services=(), postgres_settings=SMALL, report=heard.put_nowait) as running:
        (part,) = (part for part in running.state.parts if part.name == name)
        assert part.pid is not None
        os.kill(part.pid, signal.SIGKILL)
        while (now := await heard.get()).restarts == 0 or now.state != "serving":
            pass
        assert await _answers(running)
        (again,) = (part for part in running.state.parts if part.name == name)
        assert again.address == part.address
        assert again.pid != part.pid


async def test_data_outlive_the_stack(own_folder: Path) -> None:
    async with stack(own_folder, "ledger") as running:
        connection = await asyncpg.connect(running.postgres.dsn("ledger", role="ledger"))
        await connection.execute("INSERT INTO entries VALUES (7)")
        await connection.close()
    assert DataFolder(own_folder).read() is None
    async with stack(own_folder, "ledger") as running:
        connection = await asyncpg.connect(running.postgres.dsn("ledger", role="ledger"))
        assert await connection.fetchval("SELECT amount FROM entries") == 7
        await connection.close()


async def test_a_service_that_cannot_start_takes_the_stack_down_with_its_reason(own_folder: Path) -> None:
    failing = stack(own_folder, "broken")
    with pytest.raises(StartFailed, match="PORTRAIT_BROKEN_KEY is missing"):
        async with failing:
            pytest.fail("it must not come up")
    assert failing.postgres.pid is failing.nats.pid is None
    assert DataFolder(own_folder).owner() is None


async def test_a_second_stack_on_the_same_data_is_refused(own_folder: Path) -> None:
    async with stack(own_folder):
        with pytest.raises(AlreadyRunning, match=f"in use by process {os.getpid()}"):
            await stack(own_folder).__aenter__()


async def test_nothing_survives_a_killed_supervisor_and_the_next_start_is_clean(own_folder: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENDLESS, str(own_folder), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    assert await supervisor.stdout.readline() == b"up\n"
    family = psutil.Process(supervisor.pid).children(recursive=True)
    assert {"postgres", "nats-server"} <= {process.name() for process in family}

    supervisor.kill()
    await supervisor.wait()

    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 60)
    assert not alive
    async with stack(own_folder) as running:
        assert await _answers(running)


async def _answers(running: Stack) -> bool:
    connection = await asyncpg.connect(running.postgres.dsn("postgres"))
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()
