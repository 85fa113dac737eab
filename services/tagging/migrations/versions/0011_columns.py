"""Who wants to know which people change, and which did."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "columns_wanted",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "columns_touched",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("transaction", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("people", sa.ARRAY(sa.Uuid), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    )
    # Ids are as good as random: to try to compress them only costs time.
    op.execute("ALTER TABLE columns_touched ALTER COLUMN people SET STORAGE EXTERNAL")
    op.create_index("columns_touched_by_transaction", "columns_touched", ["tenant", "transaction"])
