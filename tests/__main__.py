"""Runs tests as `make test` does: `python -m tests PATH…`.

Most wait, for servers and for each other, and go two at a time; those that kill servers under load come after them, one
at a time. What only computes takes the CPU that all of them leave, and what it says is shown at the end.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Final

# Nothing of it may depend on a clock or on a port, or on a process that must start in time: it stands still for long.
COMPUTING: Final = (
    "tests/simulation",
    "tests/unit/clinic",
    "tests/unit/conditions",
    "tests/unit/grocery",
    "tests/unit/identity",
    "tests/unit/people",
    "tests/unit/profile",
    "tests/unit/questions",
    "tests/unit/shop",
    "tests/unit/tagging",
    "tests/unit/tags",
)
KILLING: Final = ("tests/chaos",)
PYTEST: Final = (sys.executable, "-m", "pytest")
BY_TWO: Final = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
PATIENTLY: Final = ("--timeout", "900")  # seconds
NICENESS: Final = 19  # where nothing is as idle as SCHED_IDLE


@dataclass
class Parts:
    """What pytest is to be told of each part of what is wanted."""

    waiting: list[str] = field(default_factory=list)
    killing: list[str] = field(default_factory=list)
    computing: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Run what is at a path, a folder or less."""
        if path.startswith(COMPUTING):
            self.computing.append(path)
        elif path.startswith(KILLING):
            self.killing.append(path)
        else:
            within = [one for one in COMPUTING if one.startswith(f"{path}/")]
            self.waiting += [path, *(f"--ignore={one}" for one in within)]
            self.computing += within


def main(paths: Sequence[str]) -> int:
    """Run what is named; the worst exit status."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # the first would be ignored by all that runs in the background
        signal.signal(ending, signal.default_int_handler)
    parts = Parts()
    for path in paths:
        parts.add(path.rstrip("/"))
    if not parts.waiting and not parts.killing:
        return run([*PYTEST, *BY_TWO, *parts.computing])
    with beside(parts.computing) as its_end:
        status = run([*PYTEST, *BY_TWO, *parts.waiting]) if parts.waiting else 0
        if parts.killing and not status:
            status = run([*PYTEST, *parts.killing])
        return max(status, its_end())


@contextmanager
def beside(paths: Sequence[str]) -> Iterator[Callable[[], int]]:
    """Run what only computes meanwhile; the function waits for its end, shows what it said and answers its status."""
    if not paths:
        yield lambda: 0
        return
    with TemporaryFile() as said:
        process = subprocess.Popen([*PYTEST, *PATIENTLY, *paths], stdout=said, stderr=subprocess.STDOUT)
        step_aside(process.pid)

        def its_end() -> int:
            status = process.wait()
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout.buffer)
            sys.stdout.flush()
            return status

        try:
            yield its_end
        finally:
            end(process)


def step_aside(process: int) -> None:
    """Leave a process the CPU that nobody else wants: beside others at a low priority, rebuilds would never end."""
    with suppress(ProcessLookupError):
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, process, NICENESS)


def run(command: Sequence[str]) -> int:
    """Run a command to its end; the status."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt it if it still runs, so that it clears up; Ctrl-C may have told it already."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
