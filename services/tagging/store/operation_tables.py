"""The table of operations: what was asked for that takes longer than a call, and what came of it.

`until` is when whoever works on one must have said that it still does; behind it, another replica begins it anew.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)


def operation_table(metadata: MetaData) -> None:
    """Declare it."""
    Table(
        "operations",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("request", LargeBinary, nullable=False),
        Column("asked_by", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("state", Text, nullable=False),
        Column("looked_at", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("cancelled", Boolean, nullable=False),
        Column("runner", Text, nullable=False),
        Column("until", DateTime(timezone=True), nullable=False),
        Column("ended_at", BigInteger),
        Column("result", LargeBinary, nullable=False),
        Index("operations_running", "until", postgresql_where=text("state = 'running'")),
    )
