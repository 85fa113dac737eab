"""Tables of a log, for the migrations of the service that owns it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from libs.eventlog.snapshots import STORAGE


def log_tables(metadata: MetaData) -> None:
    """Declare the log, its heads, its ranges and archives, what is blanked, and the ids that make a repeat harmless.

    Times are microseconds since 1970 UTC. `log` has no index of its own: each range brings two, so that the index
    being written stays small (see `ranges.py`).
    """
    Table(
        "log",
        metadata,
        Column("partition", SmallInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("event", LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    Table(
        "log_heads",
        metadata,
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    Table(
        "log_ranges",
        metadata,
        Column("start_at", BigInteger, primary_key=True, autoincrement=False),
        Column("end_at", BigInteger, nullable=False),
        Column("name", Text, nullable=False, unique=True),
        Column("events_before", BigInteger, nullable=False),
    )
    # A file that left the table: with a path it is written, with archived_at it is where readers look.
    Table(
        "log_archives",
        metadata,
        Column("start_at", BigInteger, primary_key=True, autoincrement=False),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("end_at", BigInteger, nullable=False),
        Column("first_position", BigInteger, nullable=False),
        Column("last_position", BigInteger, nullable=False),
        Column("path", Text),
        Column("size", BigInteger),
        Column("digest", LargeBinary),
        Column("archived_at", BigInteger),
        Index(
            "log_archives_by_position", "partition", "last_position", postgresql_where=text("archived_at IS NOT NULL")
        ),
    )
    Table(
        "log_blanks",
        metadata,
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("tenant", Text, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("positions", ARRAY(BigInteger), nullable=False),
        Column("asked_at", BigInteger, nullable=False),
        Column("done_at", BigInteger),
        Index("log_blanks_to_do", "position", postgresql_where=text("done_at IS NULL")),
    )
    Table(
        "message_ids",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("partition", SmallInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("digest", Integer, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Column("import_id", Text, nullable=False, server_default=text("''")),
        Index("message_ids_by_import", "tenant", "import_id", postgresql_where=text("import_id <> ''")),
        Index("message_ids_by_age", "recorded_at", postgresql_where=text("import_id = ''")),
    )


def projection_tables(metadata: MetaData, snapshots: str) -> None:
    """Declare the snapshots of one lazy projection, and what all projections share."""
    Table(
        snapshots,
        metadata,
        Column("key", Uuid, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Column("parked_position", BigInteger),
        Column("state", LargeBinary, nullable=False),
        postgresql_with=STORAGE,
    )
    if "projection_horizons" in metadata.tables:
        return
    Table(
        "projection_horizons",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
    )
    dead_letter_table(metadata)


def dead_letter_table(metadata: MetaData) -> None:
    """Declare what projections could not fold, those that consume other logs included."""
    Table(
        "dead_letters",
        metadata,
        Column("projection", Text, primary_key=True),
        Column("log", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("recorded_at", BigInteger, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("event", LargeBinary, nullable=False),
        Column("kind", Text, nullable=False),
        Column("cause", Text, nullable=False),
        Column("parked_at", BigInteger, nullable=False),
        Column("dropped_at", BigInteger),
        Column("dropped_why", Text),
        Column("request_id", Text),
        Index("dead_letters_by_key", "projection", "log", "key", "position"),
        Index("dead_letters_that_failed", "projection", "log", postgresql_where=text("kind = 'failed'")),
        Index("dead_letters_dropped", "log", "partition", "position", postgresql_where=text("kind = 'dropped'")),
    )
