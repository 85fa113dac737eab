"""Tables of who consumes a log, or shares the work on one, for the migrations of their service."""

from sqlalchemy import BigInteger, Column, DateTime, MetaData, SmallInteger, Table, Text


def checkpoint_table(metadata: MetaData) -> Table:
    """Declare the checkpoints, for the migrations of a service that consumes or relays."""
    return Table(
        "checkpoints",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("log", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )


def lease_tables(metadata: MetaData) -> None:
    """Declare the leases and who is alive, for the migrations of a service that has replicas.

    `expires_at` is set and judged by the clock of the database alone: those of replicas differ.
    """
    Table(
        "leases",
        metadata,
        Column("role", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("owner", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
    )
    Table(
        "lease_members",
        metadata,
        Column("role", Text, primary_key=True),
        Column("member", Text, primary_key=True),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
