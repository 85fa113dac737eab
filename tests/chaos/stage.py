"""Where chaos plays: one PostgreSQL, one broker, two replicas of each service and two of a consumer of their log."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Protocol, get_args

from libs.devstack import supervisor
from libs.devstack.errors import StartFailed
from libs.devstack.folder import opened
from libs.devstack.nats import NatsServer
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.postgres import PostgresServer
from libs.devstack.service import Service
from libs.runtime.clock import Micros
from tests.chaos.process import CLOCK, MODULE, MUTANT, OFFSET, POISON

PROFILES: Final = ("profile-1", "profile-2")
IDENTITIES: Final = ("identity-1", "identity-2")
TAGGINGS: Final = ("tagging-1", "tagging-2")
CONSUMERS: Final = ("consumer-1", "consumer-2")
Database = Literal["profile", "identity", "tagging", "reference"]
DATABASES: Final[tuple[Database, ...]] = get_args(Database)
PARTITIONS: Final = 8
SMALL: Final = MappingProxyType({"shared_buffers": "128MB", "log_min_messages": "warning"})
LEASE: Final = 2.0  # seconds
BACK_WITHIN: Final = 120.0  # seconds
LARGEST: Final = 30  # identifiers that are resolved in passing: few, so that the slow lane has something to do
NO_MUTANTS: Final[Mapping[Database, str]] = MappingProxyType({})


class Part(supervisor.Part, Protocol):
    """Something that can be ended, gently or not, and started again."""

    async def kill(self) -> None: ...


@dataclass(frozen=True)
class Stage:
    """Everything that runs, and the switches of its faults. `quiet` are the locks of parts: a fault holds its own."""

    folder: Path
    postgres: PostgresServer
    nats: NatsServer
    replicas: Mapping[str, Service]
    quiet: Mapping[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def part(self, name: str) -> Part:
        """A server or a replica by its name."""
        parts: Mapping[str, Part] = {"postgres": self.postgres, "nats": self.nats, **self.replicas}
        return parts[name]

    @property
    def profiles(self) -> str:
        """A gRPC target that spreads calls over the replicas of the profile service."""
        return _all_of(self.replicas[name].port for name in PROFILES)

    @property
    def identities(self) -> str:
        """The same of the identity service."""
        return _all_of(self.replicas[name].port for name in IDENTITIES)

    @property
    def taggings(self) -> str:
        """The same of the tagging service."""
        return _all_of(self.replicas[name].port for name in TAGGINGS)

    @property
    def tags(self) -> bool:
        """Whether anybody is tagged."""
        return TAGGINGS[0] in self.replicas

    def dsn(self, database: Database) -> str:
        """How to look into a database."""
        return self.postgres.dsn(database, role=database)

    def log(self, name: str) -> Path:
        """What a part wrote."""
        return self.folder / "logs" / f"{name}.log"

    def set_clock(self, replica: str, offset: Micros) -> None:
        """Let a replica's clock be wrong by so much from now on."""
        with _clock(self.folder, replica).open("r+b") as file:
            file.write(OFFSET.pack(offset))

    def set_poison(self, *, on: bool) -> None:
        """Let the consumers fail over poisonous events, or mend them."""
        switch = _poison(self.folder)
        if on:
            switch.touch()
        else:
            switch.unlink(missing_ok=True)

    async def bring_back(self, part: Part) -> None:
        """Start a part again, for as long as what it needs is not there, as whoever supervises it would."""
        async with asyncio.timeout(BACK_WITHIN):
            while True:
                try:
                    return await part.start()
                except StartFailed:
                    await asyncio.sleep(0.2)


@asynccontextmanager
async def staged(mutants: Mapping[Database, str] = NO_MUTANTS, *, tags: bool = True) -> AsyncIterator[Stage]:
    """Everything up inside the block and gone after it, the tagging service if there are to be tags.

    The replicas on some databases may be mutants.
    """
    async with AsyncExitStack() as undo:
        folder = (await undo.enter_async_context(opened(None))).path
        postgres = PostgresServer(folder / "postgres", settings=SMALL, log=folder / "logs" / "postgres.log")
        nats = NatsServer(folder / "nats", log=folder / "logs" / "nats.log")
        for server in (postgres, nats):
            undo.push_async_callback(server.stop)
            await server.start()
        for name in DATABASES:
            await postgres.create_database(name, role=name)
        taggings = TAGGINGS if tags else ()
        ports = {name: free_port() for name in (*PROFILES, *IDENTITIES, *taggings, *CONSUMERS)}
        profiles, identities = (_all_of(ports[name] for name in those) for those in (PROFILES, IDENTITIES))
        more: Mapping[Database, Mapping[str, str]] = {
            "profile": {"IDENTITY": identities},
            "identity": {"SOURCE": profiles, "LARGEST_NEIGHBOURHOOD": str(LARGEST)},
            "tagging": {"SOURCE": profiles, "IDENTITY": identities},
            "reference": {"SOURCE": profiles},
        }

        def replica(name: str, kind: Database) -> Service:
            servers = {"DATABASE_URL": postgres.dsn(kind, role=kind), "NATS_URL": nats.url}
            return _replica(folder, name, kind, ports[name], {**servers, **more[kind]}, mutants.get(kind, ""))

        replicas = {
            **{name: replica(name, "profile") for name in PROFILES},
            **{name: replica(name, "identity") for name in IDENTITIES},
            **{name: replica(name, "tagging") for name in taggings},
            **{name: replica(name, "reference") for name in CONSUMERS},
        }
        stage = Stage(folder, postgres, nats, replicas)
        for those in (PROFILES, IDENTITIES, taggings, CONSUMERS):
            for first in those[:1]:
                await replicas[first].migrate()
        undo.push_async_callback(_stop, replicas.values())
        await asyncio.gather(*(one.start() for one in replicas.values()))
        yield stage


def _replica(folder: Path, name: str, kind: Database, port: int, settings: Mapping[str, str], mutant: str) -> Service:
    clock = _clock(folder, name)
    clock.write_bytes(OFFSET.pack(0))
    settings = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "METRICS_PORT": str(free_port()),
        "LOG_LEVEL": "warning",
        "DRAIN_SECONDS": "3",
        "LEASE_SECONDS": f"{LEASE:g}",
        **settings,
    }
    environment = {
        MODULE: "tests.support.reference_consumer" if kind == "reference" else f"services.{kind}",
        CLOCK: str(clock),
        POISON: str(_poison(folder)),
        MUTANT: mutant,
    } | {f"PORTRAIT_{kind.upper()}_{setting}": value for setting, value in settings.items()}
    return Service(name, "tests.chaos.process", port, environment, folder / "logs" / f"{name}.log")


async def _stop(replicas: Iterable[Service]) -> None:
    """All at once, for each of them may take its time."""
    await asyncio.gather(*(one.stop() for one in replicas))


def _all_of(ports: Iterable[int]) -> str:
    return "ipv4:" + ",".join(f"{LOOPBACK}:{port}" for port in ports)


def _clock(folder: Path, replica: str) -> Path:
    return folder / f"{replica}.clock"


def _poison(folder: Path) -> Path:
    return folder / "poison"
