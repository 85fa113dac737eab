"""Every table of the profile service's database."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

from libs.eventlog.checkpoint import checkpoint_table
from libs.eventlog.lease_store import lease_tables
from libs.eventlog.tables import log_tables, projection_tables
from libs.eventlog.version_tables import version_tables

metadata: Final = MetaData()

log_tables(metadata)
projection_tables(metadata, "portraits")
version_tables(metadata)
checkpoint_table(metadata)
lease_tables(metadata)

Table(
    "schemas",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("event_id", Uuid, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

Table(
    "tenant_clocks",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("shows", BigInteger, nullable=False),
)

Table(
    "quarantine",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("quarantine_id", Uuid, primary_key=True),
    Column("arrived_at", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("import_id", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_why", Text),
    Index("quarantine_by_arrival", "tenant", "arrived_at"),
)
