"""The tables of definitions.

`catalogues.version` counts every change of what is live or filling; whoever changes definitions holds its row.
"""

from sqlalchemy import ARRAY, BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, Uuid


def definition_tables(metadata: MetaData) -> None:
    """Declare them."""
    Table(
        "catalogues",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("version", BigInteger, nullable=False),
    )
    Table(
        "definitions",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("state", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("published_at", BigInteger, nullable=False),
        Column("published_by", Text, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Column("retired_by", Uuid),
    )
    # Thresholds by which people are ranked, from the beginning of a day on, by what was measured.
    Table(
        "cuts",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("tag", Text, primary_key=True),
        Column("measure", LargeBinary, primary_key=True),
        Column("day", Integer, primary_key=True, autoincrement=False),
        Column("thresholds", ARRAY(BigInteger), nullable=False),
        Column("population", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Column("event_id", Uuid, nullable=False),
    )
