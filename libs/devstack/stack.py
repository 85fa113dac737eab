"""The whole of Portrait on one machine: PostgreSQL, nats-server and the services, with nothing to install."""

import dataclasses
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self

from libs.devstack.folder import Running, StackState, opened
from libs.devstack.nats import NatsServer
from libs.devstack.ports import DEFAULT_PORTS, LOOPBACK, METRICS_OFFSET, free_port
from libs.devstack.postgres import PostgresServer
from libs.devstack.service import Service
from libs.devstack.supervisor import Condition, Part, Report, Supervisor

Ports = Literal["default", "free"]

SERVICES: Final = ("profile", "identity", "tagging")
_CALLED: Final = MappingProxyType(
    {
        "profile": {"IDENTITY": "identity"},
        "identity": {"SOURCE": "profile"},
        "tagging": {"SOURCE": "profile", "IDENTITY": "identity"},
    }
)
"""Which settings of a service say where another one is."""
_EXPORTING: Final = "tagging"
"""Writes files of members, which stand in the data folder beside its database."""


def quiet(_: Condition) -> None:
    """Report nothing."""


class Stack:
    """Everything up inside its `async with` block, everything gone after it.

    `data` None means a temporary folder, removed at the end. `ports`: the published ones, or free ones.
    Each service runs in so many `replicas` on one database: `profile`, `profile-2` and so on. `environment` goes over
    what each of them is given; `package` is where the services' modules live.
    """

    postgres: PostgresServer
    nats: NatsServer
    services: Mapping[str, Service]

    def __init__(
        self,
        data: Path | None = None,
        *,
        services: Sequence[str] = SERVICES,
        replicas: int = 1,
        tenants_file: Path | None = None,
        ports: Ports = "free",
        environment: Mapping[str, str] = MappingProxyType({}),
        postgres_settings: Mapping[str, str] = MappingProxyType({}),
        package: str = "services",
        report: Report = quiet,
    ) -> None:
        self._data = data
        self._names = services
        self._replicas = replicas
        self._tenants_file = tenants_file
        self._ports: Ports = ports
        self._overrides = environment
        self._postgres_settings = postgres_settings
        self._package = package
        self._report = report
        self._ready = False
        self._running: dict[str, Running] = {}
        self._undo = AsyncExitStack()

    @property
    def data(self) -> Path:
        """The data folder in use."""
        return self._folder.path

    @property
    def state(self) -> StackState:
        """What runs, as `stack.json` has it."""
        tenants_file = "" if self._tenants_file is None else str(self._tenants_file.resolve())
        return StackState(os.getpid(), self._ready, tuple(self._running.values()), tenants_file)

    def without(self, part: Part) -> AbstractAsyncContextManager[None]:
        """Stop one part for the length of the block, and start it again."""
        return self._supervisor.without(part)

    @asynccontextmanager
    async def another(self, service: str, **settings: str) -> AsyncIterator[Service]:
        """One more replica of a service for the length of the block, with settings over its own, such as CONSUMES.

        Nobody starts it again if it ends.
        """
        name = f"{service}-{self._replicas + 1}"
        self._found[name] = self._port(name)
        replica = self._replica(service, name, settings)
        try:
            await replica.start()
            yield replica
        finally:
            await replica.stop()
            del self._found[name], self._running[name]

    async def __aenter__(self) -> Self:
        """Start all of it. Errors: DevstackError, and then nothing of it runs."""
        async with self._undo as undo:  # left early, it undoes what was done; at the end it is handed on
            self._folder = await undo.enter_async_context(opened(self._data))
            self._supervisor = await undo.enter_async_context(Supervisor(self._changed))
            await self._start_servers()
            self._found = {name: self._port(name) for service in self._names for name in self._replicas_of(service)}
            self.services = {
                name: self._replica(service, name) for service in self._names for name in self._replicas_of(service)
            }
            for name in self._names:
                await self.postgres.create_database(name, role=name)
                await self.services[name].migrate()
            for service in self.services.values():
                await self._supervisor.start(service)
            self._ready = True
            self._folder.write(self.state)
            self._undo = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._undo.aclose()

    async def _start_servers(self) -> None:
        folder = self._folder
        self.postgres = PostgresServer(
            folder.path / "postgres", self._port("postgres"), self._postgres_settings, folder.log("postgres")
        )
        self.nats = NatsServer(
            folder.path / "nats", self._port("nats"), self._port("nats", METRICS_OFFSET), folder.log("nats")
        )
        self._introduce("postgres", self.postgres.dsn("postgres"))
        self._introduce("nats", self.nats.url, self.nats.monitoring_port)
        await self._supervisor.start(self.postgres)
        await self._supervisor.start(self.nats)

    def _replicas_of(self, service: str) -> Iterator[str]:
        yield service
        for number in range(2, self._replicas + 1):
            yield f"{service}-{number}"

    def _target(self, service: str) -> str:
        """Where a service is, in all its replicas."""
        return "ipv4:" + ",".join(f"{LOOPBACK}:{self._found[name]}" for name in self._replicas_of(service))

    def _replica(self, service: str, name: str, more: Mapping[str, str] = MappingProxyType({})) -> Service:
        port, metrics_port = self._found[name], self._port(name, METRICS_OFFSET)
        settings = {
            "HOST": LOOPBACK,
            "PORT": str(port),
            "METRICS_PORT": str(metrics_port),
            "DATABASE_URL": self.postgres.dsn(service, role=service),
            "NATS_URL": self.nats.url,
        }
        if service == _EXPORTING:
            settings["EXPORTS"] = str(self._folder.path.resolve() / "exports")
        if self._tenants_file is not None:
            settings["TENANTS_FILE"] = str(self._tenants_file.resolve())
        for setting, called in _CALLED.get(service, {}).items():
            if called in self._names:
                settings[setting] = self._target(called)
        settings |= more
        own = {f"PORTRAIT_{service.upper()}_{setting}": value for setting, value in settings.items()}
        environment = {**own, **self._overrides}
        replica = Service(name, f"{self._package}.{service}", port, environment, self._folder.log(name))
        self._introduce(name, replica.target, metrics_port, environment)
        return replica

    def _port(self, name: str, offset: int = 0) -> int:
        if self._ports == "default" and name in DEFAULT_PORTS:
            return DEFAULT_PORTS[name] + offset
        return free_port()

    def _introduce(
        self,
        name: str,
        address: str,
        metrics_port: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        log = str(self._folder.log(name))
        self._running[name] = Running(
            name, "stopped", None, 0, address, log, metrics_port, environment=dict(environment)
        )

    def _changed(self, now: Condition) -> None:
        self._running[now.name] = dataclasses.replace(
            self._running[now.name], state=now.state, pid=now.pid, restarts=now.restarts, detail=now.detail
        )
        self._folder.write(self.state)
        self._report(now)
