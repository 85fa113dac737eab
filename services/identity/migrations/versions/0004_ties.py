"""Indexes that PostgreSQL may confuse, told apart.

Where it expects one row, any index costs the same that has the tenant in it. So a value that came in with thousands of
others, such as that of a kiosk, was read with all of them to find one, and everybody who waited to find one of them.
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let a key be expected to have many rows, and let an index be no use for what it was not made for."""
    op.execute("ALTER TABLE identifiers ALTER COLUMN key SET (n_distinct = 100)")
    # Keys are of one tenant as it is, and an index without the tenant is of no use for anything else.
    for name, table, columns in (
        ("logins_by_session", "logins", ["key", "session"]),
        ("logins_by_account", "logins", ["account"]),
        ("spans_by_person", "spans", ["person"]),
        ("spans_by_tie", "spans", ["tied_to"]),
    ):
        op.drop_index(name, table)
        op.create_index(name, table, columns)
    op.drop_index("waiting_by_age", "waiting")
    op.create_index("waiting_by_age", "waiting", ["tenant", "oversized", "since", "key"])
    # Of indexes that cost the same it takes the newest. Tables of those who wait are often empty when they are counted.
    op.execute("ALTER TABLE waiting DROP CONSTRAINT waiting_pkey, ADD PRIMARY KEY (tenant, key)")
