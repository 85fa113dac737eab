"""The resolver's journal, so that large neighbourhoods are resolved outside of transactions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create it."""
    op.add_column("resolvers", sa.Column("followed", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.create_table(
        "journal",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("named", sa.ARRAY(sa.Uuid), nullable=False),
        sa.Column("settled", sa.ARRAY(sa.Uuid), nullable=False),
    )
