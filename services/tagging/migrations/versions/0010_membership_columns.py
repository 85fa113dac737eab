"""The numbers that people hold, in columns beside the bitmaps of membership."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Create them, and let the fold of membership begin anew: what is folded already has none."""
    op.create_table(
        "membership_columns",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("numbers", sa.LargeBinary, nullable=False),
    )
    for table in ("membership_bitmaps", "membership_numbers", "membership_positions"):
        op.execute(sa.delete(sa.table(table)))
