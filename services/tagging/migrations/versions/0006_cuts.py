"""Thresholds by which people are ranked, and whether everybody is due for history or for news."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "cuts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("measure", sa.LargeBinary, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("thresholds", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("population", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
    )
    op.add_column("marks", sa.Column("backfill", sa.Boolean, nullable=False, server_default=sa.true()))
