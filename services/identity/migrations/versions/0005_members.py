"""A person's identifiers are found by the person alone, also where the table was empty when it was last counted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Leave the tenant out of the index: people are of one tenant as it is."""
    op.drop_index("people_by_person", "people")
    op.create_index("people_by_person", "people", ["person"], postgresql_where=sa.text("person IS NOT NULL"))
