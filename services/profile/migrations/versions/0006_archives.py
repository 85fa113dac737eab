"""Files that ranges of the log went to, and what is blanked."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

big, small, text, uuid, data = sa.BigInteger, sa.SmallInteger, sa.Text, sa.Uuid, sa.LargeBinary


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "log_archives",
        sa.Column("start_at", big, primary_key=True, autoincrement=False),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("end_at", big, nullable=False),
        sa.Column("first_position", big, nullable=False),
        sa.Column("last_position", big, nullable=False),
        sa.Column("path", text),
        sa.Column("size", big),
        sa.Column("digest", data),
        sa.Column("archived_at", big),
    )
    op.create_index(
        "log_archives_by_position",
        "log_archives",
        ["partition", "last_position"],
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_table(
        "log_blanks",
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, primary_key=True, autoincrement=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", uuid, nullable=False),
        sa.Column("positions", sa.ARRAY(big), nullable=False),
        sa.Column("asked_at", big, nullable=False),
        sa.Column("done_at", big),
    )
    op.create_index("log_blanks_to_do", "log_blanks", ["position"], postgresql_where=sa.text("done_at IS NULL"))
