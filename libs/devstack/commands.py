"""What `portrait up`, `down` and `status` do, without their looks."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from libs.devstack.errors import AlreadyRunning, StartFailed
from libs.devstack.folder import DataFolder, StackState
from libs.devstack.program import described, tail
from libs.devstack.signals import ended_by_signals
from libs.devstack.stack import SERVICES, Ports, Stack, quiet
from libs.devstack.supervisor import Condition, Report

UP_WITHIN = 180.0  # seconds
DOWN_WITHIN = 120.0  # seconds, then by force
POLL = 0.05


def up(
    data: Path,
    *,
    services: Sequence[str] = SERVICES,
    replicas: int = 1,
    tenants_file: Path | None = None,
    ports: Ports = "default",
    package: str = "services",
    detach: bool = True,
    report: Report = quiet,
) -> StackState | None:
    """Start the stack on a data folder: detached, and its state once all parts serve; else until a signal, and None.

    Errors: AlreadyRunning, StartFailed, PortTaken and the other DevstackErrors.
    """
    if not detach:
        stack = Stack(
            data,
            services=services,
            replicas=replicas,
            tenants_file=tenants_file,
            ports=ports,
            package=package,
            report=report,
        )
        asyncio.run(_until_told(stack))
        return None
    folder = DataFolder(data)
    if (owner := folder.owner()) is not None:
        raise AlreadyRunning(folder.path, owner)
    argv = [sys.executable, "-m", "libs.devstack", str(folder.path), "--ports", ports, "--package", package]
    argv += ["--services", *services, "--replicas", str(replicas)]
    argv += ["--tenants-file", str(tenants_file.resolve())] if tenants_file is not None else []
    log = folder.log("stack")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    return _followed(folder, process, report)


def down(data: Path) -> bool:
    """Stop the stack on a data folder and wait until all of it is gone; False when none ran."""
    folder = DataFolder(data)
    owner = folder.owner()
    if owner is None:
        return False
    for number, patience in ((signal.SIGTERM, DOWN_WITHIN), (signal.SIGKILL, DOWN_WITHIN)):
        with suppress(ProcessLookupError):
            os.kill(owner, number)
        patient_until = time.monotonic() + patience
        while time.monotonic() < patient_until:
            if folder.owner() != owner:
                return True
            time.sleep(POLL)
    raise StartFailed("stack", f"(process {owner}) does not end", tail(folder.log("stack")))


def status(data: Path) -> StackState | None:
    """What runs on a data folder, or None."""
    return DataFolder(data).read()


async def _until_told(stack: Stack) -> None:
    with ended_by_signals():
        async with stack:
            await asyncio.Event().wait()


def _followed(folder: DataFolder, process: subprocess.Popen[bytes], report: Report) -> StackState:
    """Report the parts of a starting stack until all serve."""
    seen: dict[str, Condition] = {}
    patient_until = time.monotonic() + UP_WITHIN
    while time.monotonic() < patient_until:
        ended = process.poll()
        if ended is not None:
            raise StartFailed("stack", described(ended), tail(folder.log("stack")))
        state = folder.read()
        if state is not None and state.pid == process.pid:
            for part in state.parts:
                now = Condition(part.name, part.state, part.pid, part.restarts, part.detail)
                if seen.get(part.name, now.state) != now and (part.name in seen or now.state != "stopped"):
                    seen[part.name] = now
                    report(now)
            if state.ready:
                return state
        time.sleep(POLL)
    process.terminate()
    raise StartFailed("stack", f"was not up within {UP_WITHIN:g} s", tail(folder.log("stack")))
