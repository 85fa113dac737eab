import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from libs.devstack import commands
from libs.devstack.errors import AlreadyRunning, StartFailed
from libs.devstack.folder import StackState

PACKAGE = "tests.integration.devstack.services"


@pytest.fixture
def data(own_folder: Path) -> Iterator[Path]:
    yield own_folder
    commands.down(own_folder)


def up(data: Path, service: str = "ledger", heard: list[str] | None = None) -> StackState:
    said = heard if heard is not None else []
    state = commands.up(
        data, services=(service,), ports="free", package=PACKAGE, report=lambda condition: said.append(str(condition))
    )
    assert state is not None
    return state


def test_a_detached_stack_is_found_refuses_a_second_one_and_goes_down_whole(data: Path) -> None:
    heard: list[str] = []
    state = up(data, heard=heard)
    assert "ledger: serving" in heard
    assert commands.status(data) == state
    with pytest.raises(AlreadyRunning, match=f"in use by process {state.pid}"):
        up(data)

    assert commands.down(data)

    assert commands.status(data) is None
    assert not commands.down(data)
    assert not any(psutil.pid_exists(part.pid) for part in state.parts if part.pid)


def test_an_up_that_fails_says_why_and_leaves_nothing_running(data: Path) -> None:
    with pytest.raises(StartFailed, match="PORTRAIT_BROKEN_KEY is missing"):
        up(data, "broken")
    assert commands.status(data) is None


def test_what_a_killed_stack_left_is_not_taken_for_running(data: Path) -> None:
    state = up(data)
    family = [psutil.Process(part.pid) for part in state.parts if part.pid]
    os.kill(state.pid, signal.SIGKILL)
    psutil.wait_procs(family, 60)
    assert (data / "stack.json").exists()
    assert commands.status(data) is None
    assert up(data).pid != state.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_in_the_foreground_a_signal_ends_it_in_order(own_folder: Path, number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.devstack", str(own_folder), "--services", "ledger"),
        *("--package", PACKAGE, "--ports", "free"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline()]
    while lines[-1] != b"ledger: serving\n":
        lines.append(await process.stdout.readline())
    process.send_signal(number)
    rest = (await process.stdout.read()).decode().splitlines()
    assert rest == ["ledger: stopped", "nats: stopped", "postgres: stopped"]
    assert await process.wait() == 0
