"""The interactions log, portraits over it, schemas and quarantine."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None

big, small, number, text, uuid, data = sa.BigInteger, sa.SmallInteger, sa.Integer, sa.Text, sa.Uuid, sa.LargeBinary


def upgrade() -> None:
    """Create everything."""
    _log()
    _projections()
    _schemas_and_quarantine()


def _log() -> None:
    op.create_table(
        "log",
        sa.Column("partition", small, nullable=False),
        sa.Column("position", big, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", uuid, nullable=False),
        sa.Column("event", data, nullable=False),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    # Append-only: not even the owner changes or removes a row without granting itself the right first.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON log FROM CURRENT_USER")
    heads = op.create_table(
        "log_heads",
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    partitions: int = context.config.attributes["partitions"]
    op.bulk_insert(heads, [{"partition": n, "position": 0, "recorded_at": 0} for n in range(partitions)])
    op.create_table(
        "log_ranges",
        sa.Column("start_at", big, primary_key=True, autoincrement=False),
        sa.Column("end_at", big, nullable=False),
        sa.Column("name", text, nullable=False, unique=True),
        sa.Column("events_before", big, nullable=False),
    )
    op.create_table(
        "message_ids",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("event_id", uuid, primary_key=True),
        sa.Column("partition", small, nullable=False),
        sa.Column("position", big, nullable=False),
        sa.Column("digest", number, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("import_id", text, nullable=False, server_default=sa.text("''")),
    )
    op.create_index(
        "message_ids_by_import",
        "message_ids",
        ["tenant", "import_id"],
        postgresql_where=sa.text("import_id <> ''"),
    )
    op.create_index("message_ids_by_age", "message_ids", ["recorded_at"], postgresql_where=sa.text("import_id = ''"))


def _projections() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("consumer", text, primary_key=True),
        sa.Column("log", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "portraits",
        sa.Column("key", uuid, primary_key=True),
        sa.Column("tenant", text, nullable=False),
        sa.Column("position", big, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("parked_position", big),
        sa.Column("state", data, nullable=False),
        postgresql_with={"fillfactor": "80", "toast_tuple_target": "8160"},
    )
    # A state stays in its row, uncompressed: compressing 3.5 KB costs more than writing it.
    op.execute("ALTER TABLE portraits ALTER COLUMN state SET STORAGE EXTERNAL")
    op.create_table(
        "projection_horizons",
        sa.Column("projection", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("projection", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, primary_key=True, autoincrement=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", uuid, nullable=False),
        sa.Column("cause", text, nullable=False),
        sa.Column("parked_at", big, nullable=False),
        sa.Column("event", data, nullable=False),
    )


def _schemas_and_quarantine() -> None:
    op.create_table(
        "schemas",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("revision", number, primary_key=True, autoincrement=False),
        sa.Column("event_id", uuid, nullable=False),
        sa.Column("document", data, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("quarantine_id", uuid, primary_key=True),
        sa.Column("arrived_at", big, nullable=False),
        sa.Column("document", data, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("message", text, nullable=False),
        sa.Column("mode", number, nullable=False),
        sa.Column("import_id", text, nullable=False),
        sa.Column("attempts", number, nullable=False),
        sa.Column("ended_at", big),
        sa.Column("ended_why", text),
    )
    op.create_index("quarantine_by_arrival", "quarantine", ["tenant", "arrived_at"])
