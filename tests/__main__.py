"""Runs tests as `make test` does: `python -m tests PATH…`.

Most wait, for servers and for each other, and go two at a time; those that kill servers under load come after them, one
at a time. What only computes takes the CPU that all of them leave, and what it says is shown at the end.

A few of those that wait may fail because a machine with other work makes them wait too long: they are run once more,
alone, and named. Whatever fails again has failed, and what only computes or is under load has one try.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

import pytest

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
FEW: Final = 3  # tests; more than that are no accident
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
        status = waiting(parts.waiting) if parts.waiting else 0
        if parts.killing and not status:
            status = run([*PYTEST, *parts.killing])
        return max(status, its_end())


def waiting(paths: Sequence[str]) -> int:
    """Run those that wait; the few that fail once more, alone; the status of the last try."""
    with TemporaryDirectory(prefix="portrait-tests-") as cache:
        remembering = [*PYTEST, "-o", f"cache_dir={cache}"]
        status = run([*remembering, *BY_TWO, *paths])
        failed = Path(cache, "v", "cache", "lastfailed")
        if status != pytest.ExitCode.TESTS_FAILED or not failed.exists():
            return status
        again = json.loads(failed.read_text(encoding="utf-8"))
        if len(again) > FEW:
            return status
        status = run([*remembering, "--last-failed", *paths])
        sys.stdout.write("\n".join([f"failed beside others, {'and' if status else 'not'} alone:", *again, ""]))
        sys.stdout.flush()
        return status


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
