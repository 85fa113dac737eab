"""The database of the reference consumer."""

from typing import Final

import asyncpg
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, Uuid, text
from sqlalchemy.ext.asyncio import create_async_engine

from libs.eventlog.consumer_tables import checkpoint_table, lease_tables
from libs.eventlog.tables import dead_letter_table, log_tables
from libs.eventlog.version_tables import version_tables

_LOCK: Final = 0x50524550

metadata: Final = MetaData()

log_tables(metadata)
checkpoint_table(metadata)
lease_tables(metadata)
dead_letter_table(metadata)
version_tables(metadata)

Table(
    "counts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Uuid, primary_key=True),
    Column("count", BigInteger, nullable=False),
)


async def prepare(url: str, partitions: int) -> None:
    """Create what is missing; replicas may all try."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    def create(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        metadata.create_all(connection)
        heads = (
            "INSERT INTO log_heads SELECT partition, 0, 0 FROM generate_series(0, :last) AS partition "
            "ON CONFLICT DO NOTHING"
        )
        connection.execute(text(heads), {"last": partitions - 1})

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(create)
    finally:
        await engine.dispose()
