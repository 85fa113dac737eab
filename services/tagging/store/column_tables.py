"""The tables by which columns in memory are kept in step: nothing stands in them while nobody has any."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Index, MetaData, Table, Text, Uuid, func


def column_tables(metadata: MetaData) -> None:
    """Declare them."""
    Table(
        "columns_wanted",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("until", DateTime(timezone=True), nullable=False),
    )
    # Who changed in a transaction: what they hold, or else what is kept of them.
    Table(
        "columns_touched",
        metadata,
        Column("tenant", Text, nullable=False),
        Column("transaction", BigInteger, nullable=False),
        Column("held", Boolean, nullable=False),
        Column("people", ARRAY(Uuid), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Index("columns_touched_by_transaction", "tenant", "transaction"),
    )
