"""The tables of what the identity log says, for the migrations of every service that follows it."""

from sqlalchemy import ARRAY, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid


def identity_tables(metadata: MetaData) -> None:
    """Declare them. A place is found by the id that it would have alone, which for an uncut identifier is its key."""
    Table(
        "identity_map",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("own_id", Uuid, primary_key=True),
        Column("identifier", Uuid, nullable=False),
        Column("span", LargeBinary, nullable=False),
        Column("person", Uuid, nullable=False),
        Column("version", BigInteger, nullable=False),
        Index("identity_map_by_person", "tenant", "person"),
    )
    Table(
        "anchor_cuts",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("identifier", Uuid, primary_key=True),
        Column("kind", Text),
        Column("times", ARRAY(BigInteger)),
        Column("version", BigInteger, nullable=False),
    )
    Table(
        "identifier_rules",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("document", Text, nullable=False),
    )
