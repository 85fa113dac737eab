"""The tables of definitions.

`catalogues.version` counts every change of what is live or filling; whoever changes definitions holds its row.
"""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, Uuid


def definition_tables(metadata: MetaData) -> None:
    """Declare them."""
    Table(
        "catalogues",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("version", BigInteger, nullable=False),
    )
    Table(
        "tag_definitions",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("tag", Text, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("state", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("published_at", BigInteger, nullable=False),
        Column("published_by", Text, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Column("retired_by", Uuid),
    )
