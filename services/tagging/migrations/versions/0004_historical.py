"""Whether somebody is due because of history that came in, and of nothing else."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create it."""
    op.add_column("due", sa.Column("historical", sa.Boolean, nullable=False, server_default=sa.false()))
