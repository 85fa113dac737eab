"""Who is who, as the identity log says, and the states of what is cut into spans."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

big, text, uuid, raw = sa.BigInteger, sa.Text, sa.Uuid, sa.LargeBinary


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "identity_map",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("own_id", uuid, primary_key=True),
        sa.Column("identifier", uuid, nullable=False),
        sa.Column("span", raw, nullable=False),
        sa.Column("person", uuid, nullable=False),
        sa.Column("version", big, nullable=False),
    )
    op.create_index("identity_map_by_person", "identity_map", ["tenant", "person"])
    op.create_table(
        "anchor_cuts",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("identifier", uuid, primary_key=True),
        sa.Column("kind", text),
        sa.Column("times", sa.ARRAY(big)),
        sa.Column("version", big, nullable=False),
    )
    op.create_table(
        "cut_anchors",
        sa.Column("projection", text, primary_key=True),
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("cut_version", big, nullable=False),
        sa.Column("position", big, nullable=False),
    )
    op.create_table(
        "span_states",
        sa.Column("projection", text, primary_key=True),
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("span", raw, primary_key=True),
        sa.Column("state", raw, nullable=False),
        sa.ForeignKeyConstraint(
            ["projection", "tenant", "anchor"],
            ["cut_anchors.projection", "cut_anchors.tenant", "cut_anchors.anchor"],
            name="span_states_of_anchor",
            ondelete="CASCADE",
        ),
    )
