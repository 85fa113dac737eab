"""Bringing a service's database to the form that its release needs, and proving that nothing is missing."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_LOCK = 0x4D494752  # advisory lock of whoever migrates, so that replicas may all try


async def migrate(url: str, scripts: Path, *, partitions: int) -> None:
    """Run the migrations of a service that its database has not had; `partitions` matters for the first run only."""
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            await connection.run_sync(_upgrade, scripts, partitions)
    finally:
        await engine.dispose()


async def drift(url: str, metadata: MetaData) -> list[Any]:
    """What a migrated database lacks, or has beyond, what the tables declare."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_differences, metadata)
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect)


def _upgrade(connection: Connection, scripts: Path, partitions: int) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    config.attributes["partitions"] = partitions
    command.upgrade(config, "head")


def _differences(connection: Connection, metadata: MetaData) -> list[Any]:
    def declared(_: object, name: str | None, kind: str, reflected: bool, __: object) -> bool:
        return not (kind == "table" and reflected and _made_at_run_time(name or "", metadata))

    context = MigrationContext.configure(connection, opts={"include_object": declared, "compare_type": True})
    return list(compare_metadata(context, metadata))


def _made_at_run_time(table: str, metadata: MetaData) -> bool:
    """Whether it is a range of the log, or holds the snapshots of a later version, such as `portraits_2`."""
    declared, _, number = table.rpartition("_")
    return table.startswith("log_from_") or (number.isdecimal() and declared in metadata.tables)
