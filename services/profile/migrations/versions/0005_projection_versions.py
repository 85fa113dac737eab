"""Versions of projections, and the rebuilds that make them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

big, small, number, text, flag = sa.BigInteger, sa.SmallInteger, sa.Integer, sa.Text, sa.Boolean


def upgrade() -> None:
    """Create the tables; the service writes version 1 of each projection when it first starts."""
    op.create_table(
        "projection_versions",
        sa.Column("projection", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("snapshots", text, nullable=False),
        sa.Column("meaning", JSONB, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("created_at", big, nullable=False),
    )
    op.create_index(
        "projection_versions_active",
        "projection_versions",
        ["projection"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "projection_switches",
        sa.Column("projection", text, primary_key=True),
        sa.Column("number", number, primary_key=True, autoincrement=False),
        sa.Column("from_version", number, nullable=False),
        sa.Column("to_version", number, nullable=False),
        sa.Column("request_id", text, nullable=False),
        sa.Column("switched_at", big, nullable=False),
    )
    op.create_table(
        "rebuilds",
        sa.Column("projection", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("against", number, nullable=False),
        sa.Column("request_id", text, nullable=False),
        sa.Column("workers", number, nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("started_at", big, nullable=False),
        sa.Column("built_at", big),
        sa.Column("ended_at", big),
        sa.Column("owner", text, nullable=False),
        sa.Column("epoch", big, nullable=False),
        sa.Column("lease_until", big, nullable=False),
        sa.Column("paced_at", big, nullable=False),
        sa.Column("paced_from", big, nullable=False),
        sa.Column("trouble", text, nullable=False),
    )
    op.create_index(
        "rebuilds_running",
        "rebuilds",
        ["projection"],
        unique=True,
        postgresql_where=sa.text("phase IN ('build', 'compare')"),
    )
    op.create_table(
        "rebuild_steps",
        sa.Column("projection", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("phase", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("until", big, nullable=False),
        sa.Column("epoch", big, nullable=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", sa.Uuid, nullable=False),
        sa.Column("events", big, nullable=False),
        sa.Column("keys", big, nullable=False),
        sa.Column("done", flag, nullable=False),
        sa.Column("found", JSONB, nullable=False),
    )
    op.create_table(
        "rebuild_differences",
        sa.Column("projection", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", sa.Uuid, primary_key=True),
        sa.Column("partition", small, nullable=False),
        sa.Column("position", big, nullable=False),
        sa.Column("changes", JSONB, nullable=False),
    )
