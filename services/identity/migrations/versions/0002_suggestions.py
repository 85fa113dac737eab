"""Suggestions: pairs of people who may be one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "suggestions",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("one", sa.Uuid, nullable=False),
        sa.Column("other", sa.Uuid, nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.Column("told", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("suggested_at", sa.BigInteger, nullable=False),
    )
    op.create_index("suggestions_by_score", "suggestions", ["tenant", "state", "score", "id"])
