"""A stack's data folder: held by one process at a time, and where others read what runs."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from libs.devstack.errors import AlreadyRunning
from libs.devstack.supervisor import State

PATIENCE = 1.0  # seconds; a passing reader of the lock is not an owner


@dataclass(frozen=True, slots=True)
class Running:
    """One part of a running stack; `address` is a DSN, URL or gRPC target.

    `environment` is what a service was given over that of the stack, for programs of its own that run beside it.
    """

    name: str
    state: State
    pid: int | None
    restarts: int
    address: str
    log: str
    metrics_port: int | None = None
    detail: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackState:
    """What `stack.json` says: the supervisor's process id, and whether every part has been serving.

    `tenants_file` is the tenants document of its services; empty for the one that Portrait ships.
    """

    pid: int
    ready: bool
    parts: tuple[Running, ...]
    tenants_file: str = ""


class DataFolder:
    """The folder and its two files: `stack.lock`, held as long as its owner lives, and `stack.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._state = self.path / "stack.json"
        self._lock = self.path / "stack.lock"

    def log(self, name: str) -> Path:
        """Where a part writes."""
        return self.path / "logs" / f"{name}.log"

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Own the folder; the kernel lets go of it however this process ends. Errors: AlreadyRunning."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            for wait in (0.05,) * round(PATIENCE / 0.05):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(wait)
                else:
                    break
            else:
                raise AlreadyRunning(self.path, self._holder())
            os.truncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            try:
                yield
            finally:
                self._state.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def owner(self) -> int | None:
        """The process id of the stack that holds this folder, or None."""
        if not self._lock.exists():
            return None
        with self._lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return self._holder()
        return None

    def write(self, state: StackState) -> None:
        """Publish what runs, whole or not at all."""
        new = self._state.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        new.replace(self._state)

    def read(self) -> StackState | None:
        """What runs here, or None when nothing does."""
        owner = self.owner()
        try:
            state = msgspec.json.decode(self._state.read_bytes(), type=StackState)
        except FileNotFoundError:
            return None
        return state if state.pid == owner else None  # else: left by one that was killed

    def _holder(self) -> int:
        while not (written := self._lock.read_text()):  # between the owner's lock and its next statement
            time.sleep(0.001)
        return int(written)


@asynccontextmanager
async def opened(path: Path | None) -> AsyncIterator[DataFolder]:
    """Hold the folder, or a temporary one that is gone afterwards. Errors: AlreadyRunning."""
    folder = DataFolder(path or Path(tempfile.mkdtemp(prefix="portrait-data-")))
    try:
        async with folder.held():
            yield folder
    finally:
        if path is None:
            shutil.rmtree(folder.path, ignore_errors=True)
