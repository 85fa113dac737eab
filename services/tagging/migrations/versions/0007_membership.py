"""Who is a member of what: people by number, bitmaps by term, and how far the log is in them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "membership_positions",
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "membership_numbers",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("person", sa.Uuid, nullable=False),
    )
    op.create_index("membership_numbers_by_person", "membership_numbers", ["tenant", "person"], unique=True)
    op.create_table(
        "membership_bitmaps",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("term", sa.Text, primary_key=True),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("bitmap", sa.LargeBinary, nullable=False),
    )
