"""Dead letters know their log, whether they failed or wait behind one that did, and who dropped them and why."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Letters that are there are of events that failed, in the only log there was."""
    for name, kind, before in (
        ("log", sa.Text, "'interactions'"),
        ("recorded_at", sa.BigInteger, "parked_at"),
        ("kind", sa.Text, "'failed'"),
    ):
        op.add_column("dead_letters", sa.Column(name, kind))
        op.execute(f"UPDATE dead_letters SET {name} = {before}")  # noqa: S608  the names are those above
        op.alter_column("dead_letters", name, nullable=False)
    op.add_column("dead_letters", sa.Column("dropped_at", sa.BigInteger))
    op.add_column("dead_letters", sa.Column("dropped_why", sa.Text))
    op.add_column("dead_letters", sa.Column("request_id", sa.Text))
    op.drop_constraint("dead_letters_pkey", "dead_letters")
    op.create_primary_key("dead_letters_pkey", "dead_letters", ["projection", "log", "partition", "position"])
    op.create_index("dead_letters_by_key", "dead_letters", ["projection", "log", "key", "position"])
    op.create_index(
        "dead_letters_that_failed", "dead_letters", ["projection", "log"], postgresql_where=sa.text("kind = 'failed'")
    )
    op.create_index(
        "dead_letters_dropped",
        "dead_letters",
        ["log", "partition", "position"],
        postgresql_where=sa.text("kind = 'dropped'"),
    )
