"""Real servers for tests, on free ports and in temporary folders; each starts when the first test asks for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import nats as nats_client
import pytest

from libs.devstack.nats import NatsServer
from libs.devstack.postgres import PostgresServer
from libs.devstack.service import Service

FORGETFUL = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
SMALL = {"shared_buffers": "128MB"}


class Databases:
    """Fresh databases on one server, each owned by the role `tester`, who is no superuser."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._numbers = count(1)
        self._templates: dict[str, str] = {}

    async def fresh(self, template: str = "template1") -> str:
        """A new database, empty or a copy of a `template` made below; its DSN."""
        return await self._create(f"test_{next(self._numbers)}", template)

    async def template(self, name: str, prepare: Callable[[str], Awaitable[None]]) -> str:
        """A database prepared once per session (schema, migrations) for copying; `prepare` must leave no connection."""
        if name not in self._templates:
            await prepare(await self._create(f"template_{name}", "template1"))
            self._templates[name] = f"template_{name}"
        return self._templates[name]

    async def drop(self, dsn: str) -> None:
        """Remove what `fresh` made, whoever is still connected."""
        await self._server.drop_database(urlsplit(dsn).path.removeprefix("/"))

    async def _create(self, name: str, template: str) -> str:
        await self._server.create_database(name, role="tester", template=template, strategy="file_copy")
        return self._server.dsn(name, role="tester")


async def kill(service: Service) -> None:
    """kill -9, which nobody has asked its supervisor for; as soon as it runs, if it is being started again."""
    while (pid := service.pid) is None:  # noqa: ASYNC110  its supervisor does it
        await asyncio.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Where the session's servers keep their data; gone afterwards, unlike pytest's own folders."""
    with TemporaryDirectory(prefix="portrait-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """The same for the servers of one test."""
    with TemporaryDirectory(prefix="portrait-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
async def postgres(server_folder: Path) -> AsyncIterator[PostgresServer]:
    """One PostgreSQL for the session. It forgets what it was told if the machine fails: for durability, see below."""
    async with PostgresServer(server_folder / "postgres", settings=FORGETFUL) as server:
        yield server


@pytest.fixture
async def durable_postgres(own_folder: Path) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of the test's own, with the settings of the stack: to kill and start again."""
    async with PostgresServer(own_folder / "postgres", settings=SMALL) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: PostgresServer) -> Databases:
    """Where tests get databases from, when they need several or copies of a template."""
    return Databases(postgres)


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[str]:
    """The DSN of an empty database of the test's own."""
    dsn = await databases.fresh()
    yield dsn
    await databases.drop(dsn)


@pytest.fixture(scope="session")
async def nats(server_folder: Path) -> AsyncIterator[NatsServer]:
    """One nats-server for the session; take `nats_url` to find it empty."""
    async with NatsServer(server_folder / "nats") as server:
        yield server


@pytest.fixture
async def nats_url(nats: NatsServer) -> AsyncIterator[str]:
    """The URL of the session's nats-server, whose streams are removed after the test."""
    yield nats.url
    client = await nats_client.connect(nats.url, allow_reconnect=False, connect_timeout=30)
    try:
        stream = client.jetstream(timeout=30)
        for info in await stream.streams_info():
            await stream.delete_stream(info.config.name or "")
    finally:
        await client.close()


@pytest.fixture
async def own_nats(own_folder: Path) -> AsyncIterator[NatsServer]:
    """A nats-server of the test's own: to kill, wipe and start again."""
    async with NatsServer(own_folder / "nats") as server:
        yield server
