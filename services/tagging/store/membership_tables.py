"""The tables of membership: people by number, bitmaps by term, and how far the log of tags is in them.

They are a fold of the log and nothing else: emptied, they are made anew.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)


def membership_tables(metadata: MetaData) -> None:
    """Declare them."""
    Table(
        "membership_positions",
        metadata,
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
    )
    Table(
        "membership_numbers",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("person", Uuid, nullable=False),
        Index("membership_numbers_by_person", "tenant", "person", unique=True),
    )
    # Bitmaps are dense already, so to compress them once more would only cost time.
    Table(
        "membership_bitmaps",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("term", Text, primary_key=True),
        Column("whole", Boolean, nullable=False),
        Column("bitmap", LargeBinary, nullable=False),
    )
    # The numbers of 4,096 people in a row.
    Table(
        "membership_columns",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("reference", Text, primary_key=True),
        Column("chunk", Integer, primary_key=True, autoincrement=False),
        Column("numbers", LargeBinary, nullable=False),
    )
