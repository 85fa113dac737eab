"""Every table of the profile service's database."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)

from libs.eventlog.consumer_tables import checkpoint_table, lease_tables
from libs.eventlog.tables import log_tables, projection_tables
from libs.eventlog.version_tables import version_tables
from libs.people.identity_tables import identity_tables

metadata: Final = MetaData()

log_tables(metadata)
projection_tables(metadata, "portraits")
version_tables(metadata)
checkpoint_table(metadata)
lease_tables(metadata)
identity_tables(metadata)

Table(
    "cut_anchors",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("anchor", Uuid, primary_key=True),
    Column("cut_version", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)

Table(
    "span_states",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("anchor", Uuid, primary_key=True),
    Column("span", LargeBinary, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["projection", "tenant", "anchor"],
        ["cut_anchors.projection", "cut_anchors.tenant", "cut_anchors.anchor"],
        name="span_states_of_anchor",
        ondelete="CASCADE",
    ),
)

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
