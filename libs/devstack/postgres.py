"""An embedded PostgreSQL 18: as an ordinary user straight from the wheel, as root under an unprivileged account."""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self
from urllib.parse import quote

import asyncpg
import psutil

from libs.devstack.account import account_for
from libs.devstack.errors import AlreadyRunning
from libs.devstack.ports import LOOPBACK, free_port, until_free
from libs.devstack.program import Command, Program, run_to_end
from libs.devstack.sockets import claim, socket_folder
from libs.devstack.wheels import postgres_programs, postgres_programs_for_others

SUPERUSER = "portrait"
START_WITHIN = 60.0  # seconds: redoing 1 GB of WAL takes about 8
STOP_WITHIN = 60.0  # seconds: the last checkpoint writes every dirty buffer
LEAVE_WITHIN = 10.0  # seconds that a former server gets to finish its shutdown

DEFAULT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "512MB",
        "max_connections": "200",
        "synchronous_commit": "on",  # an acknowledgement is a commit on disk; `off` loses acknowledged events
        "max_wal_size": "1GB",  # bounds crash recovery
        "wal_compression": "off",  # pglz spares a third of the WAL for as much CPU as all else here takes
        "checkpoint_timeout": "15min",
        "autovacuum": "on",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)

CopyStrategy = Literal["wal_log", "file_copy"]
"""How PostgreSQL copies the template of a new database."""

INITDB = (
    *("--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C", "--no-sync"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    # Only the account itself and root can reach the socket; the port is open to everybody here, so it asks who comes.
    *("--auth-local", "trust", "--auth-host", "scram-sha-256"),
)


class PostgresServer:
    """One server on one folder: `data/cluster` holds the data, `data/password` the superuser's password for the port.

    `port` 0 picks a free one, kept for the life of this object; `settings` go over `DEFAULT_SETTINGS`.
    """

    name = "postgres"

    def __init__(
        self,
        data: Path,
        port: int = 0,
        settings: Mapping[str, str] = MappingProxyType({}),
        log: Path | None = None,
    ) -> None:
        self.data = data.resolve()
        self.port = port or free_port()
        self._settings = {**DEFAULT_SETTINGS, **settings}
        self._cluster = self.data / "cluster"
        self._password = self.data / "password"
        self._others = os.geteuid() == 0  # it then runs as somebody else
        self._folder = socket_folder(self.data, shared=self._others)
        self._claimed = False
        self._program = Program(self.name, log or self.data / "postgres.log")

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None."""
        return self._program.pid

    @property
    def sockets(self) -> Path:
        """The folder of the Unix socket, which exists while the server runs."""
        return self._folder / "s"

    def dsn(self, database: str, role: str = SUPERUSER) -> str:
        """How to connect over the Unix socket."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.sockets))}&port={self.port}"

    def tcp_dsn(self, database: str) -> str:
        """How tools connect over the loopback port, as superuser with the password."""
        return f"postgresql://{SUPERUSER}:{self._password.read_text()}@{LOOPBACK}:{self.port}/{quote(database)}"

    async def start(self) -> None:
        """Start, or start again after any end, and wait for a real connection.

        Errors: StartFailed, PortTaken, AlreadyRunning (another server on the same data), NoAccount, UnsafeFolder.
        """
        if self.pid is not None:
            return
        try:
            await self._start()
        except BaseException:
            self._leave_folder()
            raise

    async def _start(self) -> None:
        programs = await asyncio.to_thread(self._prepare)
        await until_free(self.name, self.port)
        if not self._cluster.exists():
            await self._found(programs)
        options = {**self._settings, "listen_addresses": LOOPBACK, "port": str(self.port)}
        options |= {"unix_socket_directories": str(self.sockets), "unix_socket_permissions": "0700"}
        argv = (str(programs / "postgres"), *(word for name in options for word in ("-c", f"{name}={options[name]}")))
        # SIGINT is PostgreSQL's fast shutdown: a clean end even when our own was not.
        await self._program.start(self._command(argv, self._cluster, signal.SIGINT), self._answers, START_WITHIN)
        if not self._password.exists():
            await self._set_password()

    async def stop(self) -> None:
        """Fast shutdown (open transactions end, everything acknowledged is on disk); leaves only the data."""
        await self._program.stop(signal.SIGINT, STOP_WITHIN)
        self._leave_folder()

    async def kill(self) -> None:
        """SIGKILL the server and all its processes, as a power cut would; `start` recovers."""
        if self.pid is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.pid).children(recursive=True)
            await self._program.kill()
            await asyncio.to_thread(_end, family)

    async def died(self) -> int:
        """Wait for an end that nobody asked for; the exit status."""
        return await self._program.died()

    async def create_database(
        self, name: str, role: str, template: str = "template1", strategy: CopyStrategy = "wal_log"
    ) -> None:
        """A database of its own for a role that is no superuser; does nothing where they exist.

        To copy files (`file_copy`) takes a checkpoint, which is quicker only where nothing is synced to the disk.
        """
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            with suppress(asyncpg.DuplicateObjectError):
                await connection.execute(f"CREATE ROLE {_quoted(role)} LOGIN")
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(
                    f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(role)} TEMPLATE {_quoted(template)} "
                    f"STRATEGY {strategy}"
                )
            await connection.execute(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC")
        finally:
            await connection.close()

    async def drop_database(self, name: str) -> None:
        """Remove a database, ending its connections; does nothing where there is none."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
        finally:
            await connection.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _prepare(self) -> Path:
        """Clear what a dead server left, make room for the sockets, and say where the programs are."""
        self.data.mkdir(parents=True, exist_ok=True)
        if (lock := self._cluster / "postmaster.pid").exists():
            _clear_leftovers(self._cluster, lock)
        claim(self._folder, shared=self._others)
        self._claimed = True
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        account = account_for(self._cluster)
        if account is None:
            return postgres_programs()
        os.chown(self.sockets, account.uid, account.gid)
        return postgres_programs_for_others(self._folder)

    def _leave_folder(self) -> None:
        if self._claimed:  # else it may serve a running server, or belong to somebody else
            shutil.rmtree(self._folder, ignore_errors=True)
        self._claimed = False

    async def _found(self, programs: Path) -> None:
        """Make the cluster: beside its place and then renamed, so that a half-made one is never taken for whole."""
        new = self._cluster.with_name("cluster.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        command = self._command((str(programs / "initdb"), *INITDB), new, signal.SIGKILL)
        if command.account is not None:
            os.chown(new, command.account.uid, command.account.gid)
        await run_to_end("initdb", command, self._program.log, START_WITHIN)
        new.rename(self._cluster)

    def _command(self, argv: tuple[str, ...], cluster: Path, death_signal: signal.Signals) -> Command:
        account = account_for(cluster)
        # Another account may not be able to walk to the folder (a clone below /root), and opening its parents to
        # everybody is no answer: it starts inside the folder instead, and knows it only as where it stands.
        place = str(cluster) if account is None else "/proc/self/cwd"
        return Command((*argv, "-D", place), folder=cluster, account=account, death_signal=death_signal)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=2)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def _set_password(self) -> None:
        password = secrets.token_urlsafe(24)
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'")
        finally:
            await connection.close()
        self._password.touch(mode=0o600)
        self._password.write_text(password)


def _clear_leftovers(cluster: Path, lock: Path) -> None:
    """Wait for a server that is just leaving, end orphans of a killed one, remove its lock file.

    PostgreSQL would refuse to start beside orphans, or when the process id in the file now belongs to another program.
    Errors: AlreadyRunning when a server stays.
    """
    server = int((lock.read_text().split() or ["0"])[0])
    family = [process for process in psutil.process_iter() if _works_in(process, cluster)]
    _, staying = psutil.wait_procs([process for process in family if process.pid == server], timeout=LEAVE_WITHIN)
    if staying:
        raise AlreadyRunning(cluster.parent, server)
    _end(family)
    lock.unlink(missing_ok=True)


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.name() == "postgres" and Path(process.cwd()) == cluster
    except psutil.Error:
        return False


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=LEAVE_WITHIN)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
