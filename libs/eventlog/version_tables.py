"""Tables of projections' versions and of the rebuilds that make them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


def version_tables(metadata: MetaData) -> None:
    """Declare them. Two indexes are rules: one version is active, and one rebuild runs, of each projection.

    The snapshots of later versions lie in tables that are made when a rebuild starts (see `rebuilds.py`).
    """
    Table(
        "projection_versions",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("snapshots", Text, nullable=False),
        Column("meaning", JSONB, nullable=False),
        Column("state", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Index("projection_versions_active", "projection", unique=True, postgresql_where=text("state = 'active'")),
    )
    Table(
        "projection_switches",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("from_version", Integer, nullable=False),
        Column("to_version", Integer, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("switched_at", BigInteger, nullable=False),
    )
    Table(
        "rebuilds",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("against", Integer, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("workers", Integer, nullable=False),
        Column("phase", Text, nullable=False),
        Column("started_at", BigInteger, nullable=False),
        Column("built_at", BigInteger),
        Column("ended_at", BigInteger),
        Column("owner", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("lease_until", BigInteger, nullable=False),
        Column("paced_at", BigInteger, nullable=False),
        Column("paced_from", BigInteger, nullable=False),
        Column("trouble", Text, nullable=False),
        Index("rebuilds_running", "projection", unique=True, postgresql_where=text("phase IN ('build', 'compare')")),
    )
    Table(
        "rebuild_steps",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("phase", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("until", BigInteger, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("events", BigInteger, nullable=False),
        Column("keys", BigInteger, nullable=False),
        Column("done", Boolean, nullable=False),
        Column("found", JSONB, nullable=False),
    )
    Table(
        "rebuild_differences",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("tenant", Text, primary_key=True),
        Column("key", Uuid, primary_key=True),
        Column("partition", SmallInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("changes", JSONB, nullable=False),
    )
