"""The tags log, who is who, what is kept of events, and what people hold."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None

big, small, number, text, uuid, data = sa.BigInteger, sa.SmallInteger, sa.Integer, sa.Text, sa.Uuid, sa.LargeBinary
_OFTEN_UPDATED = {"fillfactor": "70", "toast_tuple_target": "8160"}


def upgrade() -> None:
    """Create everything."""
    _log()
    _archives()
    _consumer()
    _people()
    _features()
    _tags()


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
        "message_ids_by_import", "message_ids", ["tenant", "import_id"], postgresql_where=sa.text("import_id <> ''")
    )
    op.create_index("message_ids_by_age", "message_ids", ["recorded_at"], postgresql_where=sa.text("import_id = ''"))


def _archives() -> None:
    op.create_table(
        "log_archives",
        sa.Column("start_at", big, primary_key=True, autoincrement=False),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("end_at", big, nullable=False),
        sa.Column("first_position", big, nullable=False),
        sa.Column("last_position", big, nullable=False),
        sa.Column("path", text),
        sa.Column("size", big),
        sa.Column("digest", data),
        sa.Column("archived_at", big),
    )
    op.create_index(
        "log_archives_by_position",
        "log_archives",
        ["partition", "last_position"],
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_table(
        "log_blanks",
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, primary_key=True, autoincrement=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", uuid, nullable=False),
        sa.Column("positions", sa.ARRAY(big), nullable=False),
        sa.Column("asked_at", big, nullable=False),
        sa.Column("done_at", big),
    )
    op.create_index("log_blanks_to_do", "log_blanks", ["position"], postgresql_where=sa.text("done_at IS NULL"))


def _consumer() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("consumer", text, primary_key=True),
        sa.Column("log", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "leases",
        sa.Column("role", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("owner", text, nullable=False),
        sa.Column("epoch", big, nullable=False),
    )
    op.create_table(
        "lease_members",
        sa.Column("role", text, primary_key=True),
        sa.Column("member", text, primary_key=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "dead_letters",
        sa.Column("projection", text, primary_key=True),
        sa.Column("log", text, primary_key=True),
        sa.Column("partition", small, primary_key=True, autoincrement=False),
        sa.Column("position", big, primary_key=True, autoincrement=False),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("tenant", text, nullable=False),
        sa.Column("key", uuid, nullable=False),
        sa.Column("event", data, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("cause", text, nullable=False),
        sa.Column("parked_at", big, nullable=False),
        sa.Column("dropped_at", big),
        sa.Column("dropped_why", text),
        sa.Column("request_id", text),
    )
    op.create_index("dead_letters_by_key", "dead_letters", ["projection", "log", "key", "position"])
    op.create_index(
        "dead_letters_that_failed", "dead_letters", ["projection", "log"], postgresql_where=sa.text("kind = 'failed'")
    )
    op.create_index(
        "dead_letters_dropped",
        "dead_letters",
        ["log", "partition", "position"],
        postgresql_where=sa.text("kind = 'dropped'"),
    )


def _people() -> None:
    op.create_table(
        "identity_map",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("own_id", uuid, primary_key=True),
        sa.Column("identifier", uuid, nullable=False),
        sa.Column("span", data, nullable=False),
        sa.Column("person", uuid, nullable=False),
        sa.Column("version", big, nullable=False),
    )
    op.create_index("identity_map_by_person", "identity_map", ["tenant", "person"])
    op.create_table(
        "anchor_cuts",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("identifier", uuid, primary_key=True),
        sa.Column("kind", text),
        sa.Column("times", sa.ARRAY(big)),
        sa.Column("version", big, nullable=False),
    )
    op.create_table(
        "identifier_rules",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("document", text, nullable=False),
    )


def _features() -> None:
    op.create_table(
        "features",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("place", uuid, primary_key=True),
        sa.Column("layer", number, primary_key=True, autoincrement=False),
        sa.Column("anchor", uuid, nullable=False),
        sa.Column("state", data, nullable=False),
        postgresql_with=_OFTEN_UPDATED,
    )
    op.create_index("features_of_parts", "features", ["tenant", "anchor"], postgresql_where=sa.text("anchor <> place"))
    op.create_table(
        "layers",
        sa.Column("number", number, primary_key=True),
        sa.Column("tenant", text, nullable=False),
        sa.Column("features", data, nullable=False),
        sa.Column("state", text, nullable=False),
    )
    op.create_index("layers_of_tenant", "layers", ["tenant", "number"])
    op.create_table(
        "refolds",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("layer", number, primary_key=True, autoincrement=False),
    )


def _tags() -> None:
    op.create_table(
        "due",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("person", uuid, primary_key=True),
        sa.Column("at", big, nullable=False),
        sa.Column("affected", sa.ARRAY(text)),
        sa.Column("backfill", sa.ARRAY(text), nullable=False),
        sa.Column("cause", uuid),
        postgresql_with=_OFTEN_UPDATED,
    )
    op.create_index("due_by_time", "due", ["tenant", "at"])
    op.create_table(
        "holdings",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("person", uuid, primary_key=True),
        sa.Column("revision", big, nullable=False),
        sa.Column("state", data, nullable=False),
        postgresql_with=_OFTEN_UPDATED,
    )
    op.create_table(
        "set_by_hand",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("identifier", uuid, primary_key=True),
        sa.Column("tag", text, primary_key=True),
        sa.Column("value", data),
        sa.Column("about", text, nullable=False),
        sa.Column("set_at", big, nullable=False),
        sa.Column("expires_at", big),
        sa.Column("by", text, nullable=False),
        sa.Column("import_id", text, nullable=False),
        sa.Column("event_id", uuid, nullable=False),
    )
