"""Definitions of every kind in one table, by their names; those of tags keep theirs."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Call the table, and what names a definition in it, what they are."""
    op.rename_table("tag_definitions", "definitions")
    op.alter_column("definitions", "tag", new_column_name="name")
    op.execute("ALTER INDEX tag_definitions_pkey RENAME TO definitions_pkey")
