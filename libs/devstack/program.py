"""One program of the stack: started until ready, watched, stopped; it never outlives this process."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from libs.devstack.account import Account
from libs.devstack.errors import StartFailed

TETHER = Path(__file__).with_name("tether.py")
LOG_LIMIT = 16 * 1024 * 1024  # bytes; a larger log is set aside at the next start
TAIL = 2_000  # bytes of a log that an error quotes
POLL = 0.02  # seconds between two looks at a starting program


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: program (absolute) and arguments, environment, folder and account (None = ours).

    `death_signal` is what it gets when this process is gone.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGKILL


class Program:
    """A long-running program.

    Start it from the main thread: the kernel ties it to the *thread* that started it.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._deaths: asyncio.Queue[int] = asyncio.Queue()

    @property
    def pid(self) -> int | None:
        """The process id, or None when it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, command: Command, ready: Callable[[], Awaitable[bool]], within: float) -> None:
        """Start and wait, at most `within` seconds, until `ready` says so; does nothing when it runs already.

        Errors: StartFailed, and then nothing keeps running.
        """
        if self.pid is not None:
            return
        self._process = process = await _spawn(command, self.log)
        try:
            async with asyncio.timeout(within):
                await self._until(ready, process)
        except TimeoutError:
            await self.kill()
            raise StartFailed(self.name, f"was not ready within {within:g} s", tail(self.log)) from None
        except BaseException:
            await self.kill()
            raise
        self._watch = asyncio.create_task(self._watched(process))

    async def died(self) -> int:
        """Wait for an end that nobody asked for; the exit status, negative for a signal."""
        return await self._deaths.get()

    async def stop(self, how: signal.Signals = signal.SIGTERM, grace: float = 15.0) -> None:
        """Ask it to end, and kill it when it has not after `grace` seconds (or when we are cancelled meanwhile)."""
        process = self._let_go()
        if process is None or process.returncode is not None:
            return
        try:
            process.send_signal(how)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def kill(self) -> None:
        """End it at once, without warning."""
        process = self._let_go()
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _until(self, ready: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process) -> None:
        while not await ready():
            if process.returncode is not None:
                raise StartFailed(self.name, described(process.returncode), tail(self.log))
            await asyncio.sleep(POLL)

    def _let_go(self) -> asyncio.subprocess.Process | None:
        """Stop watching: the end that follows is asked for."""
        if self._watch is not None:
            self._watch.cancel()
        process, self._process, self._watch = self._process, None, None
        return process

    async def _watched(self, process: asyncio.subprocess.Process) -> None:
        self._deaths.put_nowait(await process.wait())


async def run_to_end(name: str, command: Command, log: Path, within: float) -> None:
    """Run a program that ends by itself. Errors: StartFailed when it fails or takes more than `within` seconds."""
    process = await _spawn(command, log)
    try:
        async with asyncio.timeout(within):
            status = await process.wait()
    except TimeoutError:
        raise StartFailed(name, f"did not end within {within:g} s", tail(log)) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0:
        raise StartFailed(name, described(status), tail(log))


def described(status: int) -> str:
    """An exit status as a person says it."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def tail(log: Path) -> str:
    """The last lines of a log, at most `TAIL` bytes."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        return file.read().decode(errors="replace").strip()


async def _spawn(command: Command, log: Path) -> asyncio.subprocess.Process:
    account = f"{command.account.uid}:{command.account.gid}" if command.account else ""
    with _opened(log) as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(command.death_signal)), account),
            *command.argv,
            env=command.environment,
            cwd=command.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )


def _opened(log: Path) -> BinaryIO:
    """The log, for appending; the program writes to it directly, so a dead supervisor blocks nobody."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))
    return log.open("ab")
