import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from libs.devstack.errors import AlreadyRunning, PortTaken
from libs.devstack.postgres import PostgresServer
from tests.support.servers import SMALL, Databases

# The last: what asyncpg says when the server's farewell reached it between two statements.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError)


async def test_every_acknowledged_row_survives_a_kill(durable_postgres: PostgresServer) -> None:
    await durable_postgres.create_database("ledger", role="ledger")
    dsn = durable_postgres.dsn("ledger", role="ledger")
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def write() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE entries (number integer)")
        with suppress(*LOST):
            for number in range(1_000_000):
                await connection.execute("INSERT INTO entries VALUES ($1)", number)
                acknowledged.append(number)
                if number == 50:
                    enough.set()

    writing = asyncio.create_task(write())
    await enough.wait()
    await durable_postgres.kill()
    await writing
    await durable_postgres.start()

    connection = await asyncpg.connect(dsn)
    kept = {row["number"] for row in await connection.fetch("SELECT number FROM entries")}
    await connection.close()
    assert set(acknowledged) <= kept


async def test_it_starts_again_beside_the_orphans_of_a_killed_server(durable_postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(durable_postgres.dsn("postgres"))
    busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.1)
    assert durable_postgres.pid is not None
    family = psutil.Process(durable_postgres.pid).children()
    os.kill(durable_postgres.pid, signal.SIGKILL)
    with suppress(*LOST):
        await busy
    assert await durable_postgres.died() == -signal.SIGKILL

    await durable_postgres.start()

    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert await _answer(durable_postgres.dsn("postgres")) == 1


async def test_a_stale_lock_file_that_names_another_program_is_no_obstacle(durable_postgres: PostgresServer) -> None:
    await durable_postgres.kill()
    lock = durable_postgres.data / "cluster" / "postmaster.pid"
    lock.write_text(lock.read_text().replace(lock.read_text().split()[0], str(os.getpid()), 1))

    await durable_postgres.start()

    assert await _answer(durable_postgres.dsn("postgres")) == 1


async def test_a_second_server_on_the_same_data_is_refused_and_harms_nothing(
    durable_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.devstack.postgres.LEAVE_WITHIN", 0.2)
    with pytest.raises(AlreadyRunning) as refused:
        await PostgresServer(durable_postgres.data).start()
    assert refused.value.pid == durable_postgres.pid
    assert await _answer(durable_postgres.dsn("postgres")) == 1


async def test_a_port_in_use_is_named_and_nothing_is_left(
    own_folder: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.devstack.postgres.until_free.__defaults__", (0.2,))
    server = PostgresServer(own_folder, port=postgres.port, settings=SMALL)
    with pytest.raises(PortTaken, match=str(postgres.port)):
        await server.start()
    assert server.pid is None
    assert not server.sockets.exists()


async def test_a_role_reaches_its_own_database_only(postgres: PostgresServer, databases: Databases) -> None:
    mine = await databases.fresh()
    await postgres.create_database("stranger", role="stranger")
    assert await _answer(mine) == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _answer(postgres.dsn("stranger", role="tester"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _answer(mine, "SELECT pg_ls_dir('.')")


async def test_a_database_is_created_once(postgres: PostgresServer) -> None:
    for _ in range(2):
        await postgres.create_database("twice", role="twice")
    assert await _answer(postgres.dsn("twice", role="twice")) == 1


async def test_the_loopback_port_asks_for_a_password(postgres: PostgresServer) -> None:
    assert await _answer(postgres.tcp_dsn("postgres")) == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(user="portrait", password="guessed", host="127.0.0.1", port=postgres.port)


async def test_it_runs_as_nobody_special_and_in_utf8(postgres: PostgresServer) -> None:
    assert postgres.pid is not None
    assert psutil.Process(postgres.pid).uids().real != 0
    assert await _answer(postgres.dsn("postgres"), "SELECT upper('école 北京')") == "ÉCOLE 北京"
    assert str(await _answer(postgres.dsn("postgres"), "SHOW server_version")).startswith("18.")


async def test_a_private_parent_folder_stays_private(own_folder: Path) -> None:
    assert _mode(own_folder) == 0o700
    async with PostgresServer(own_folder / "postgres", settings=SMALL) as server:
        assert await _answer(server.dsn("postgres")) == 1
    assert _mode(own_folder) == 0o700
    assert not server.sockets.exists()


async def test_a_template_is_prepared_once_and_copied(databases: Databases) -> None:
    async def prepare(dsn: str) -> None:
        await _answer(dsn, "CREATE TABLE prepared AS SELECT 42 AS answer")

    for _ in range(2):
        dsn = await databases.fresh(await databases.template("answers", prepare))
        assert await _answer(dsn, "SELECT answer FROM prepared") == 42
        await databases.drop(dsn)


async def _answer(dsn: str, query: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777
