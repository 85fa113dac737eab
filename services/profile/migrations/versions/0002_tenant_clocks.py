"""The clocks of tenants on event time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tenant_clocks",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("shows", sa.BigInteger, nullable=False),
    )
