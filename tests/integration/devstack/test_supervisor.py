import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from libs.devstack.errors import StartFailed
from libs.devstack.ports import free_port
from libs.devstack.service import Service
from libs.devstack.supervisor import Condition, Supervisor

PACKAGE = "tests.integration.devstack.services"


def service(folder: Path, name: str = "ledger", alias: str = "") -> Service:
    port = free_port()
    environment = {"PORTRAIT_LEDGER_PORT": str(port)}
    return Service(alias or name, f"{PACKAGE}.{name}", port, environment, folder / f"{alias or name}.log")


async def test_a_dead_program_is_restarted_and_reported(own_folder: Path) -> None:
    heard: asyncio.Queue[Condition] = asyncio.Queue()
    async with Supervisor(heard.put_nowait) as supervisor:
        ledger = service(own_folder)
        await supervisor.start(ledger)
        for restarts in (1, 2):
            first = ledger.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            while (now := await heard.get()).restarts < restarts or now.state != "serving":
                assert "SIGKILL" in now.detail or now.state != "restarting"
            assert now.pid == ledger.pid != first
    assert ledger.pid is None
    assert not psutil.pid_exists(now.pid or 0)


async def test_a_program_that_is_stopped_on_purpose_stays_down_until_started(own_folder: Path) -> None:
    heard: list[Condition] = []
    async with Supervisor(heard.append) as supervisor:
        ledger = service(own_folder)
        await supervisor.start(ledger)
        await ledger.kill()
        await asyncio.sleep(0.3)
        assert ledger.pid is None
        await ledger.start()
        assert ledger.pid is not None
    assert not [condition for condition in heard if condition.state == "restarting"]


async def test_a_part_can_be_away_for_a_while(own_folder: Path) -> None:
    heard: list[Condition] = []
    async with Supervisor(heard.append) as supervisor:
        ledger = service(own_folder)
        await supervisor.start(ledger)
        async with supervisor.without(ledger):
            assert (ledger.pid, heard[-1].state) == (None, "stopped")
        assert (ledger.pid, heard[-1].state) == (heard[-1].pid, "serving")
        assert ledger.pid is not None


async def test_a_failing_start_says_why_and_stops_what_ran_before(own_folder: Path) -> None:
    ledger = service(own_folder)
    async with Supervisor(lambda _: None) as supervisor:
        await supervisor.start(ledger)
        with pytest.raises(StartFailed, match="PORTRAIT_BROKEN_KEY is missing") as failure:
            await supervisor.start(service(own_folder, "broken"))
    assert failure.value.name == "broken"
    assert ledger.pid is None


async def test_parts_stop_in_reverse_order(own_folder: Path) -> None:
    heard: list[Condition] = []
    async with Supervisor(heard.append) as supervisor:
        await supervisor.start(service(own_folder, alias="first"))
        await supervisor.start(service(own_folder, alias="second"))
    assert [condition.name for condition in heard if condition.state == "stopped"] == ["second", "first"]
