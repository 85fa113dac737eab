"""The identity log, evidence, decisions, rules, and who is who."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None

big, small, number, text, uuid, data = sa.BigInteger, sa.SmallInteger, sa.Integer, sa.Text, sa.Uuid, sa.LargeBinary
_OFTEN_UPDATED = {"fillfactor": "70"}


def upgrade() -> None:
    """Create everything."""
    _log()
    _archives()
    _consumer()
    _evidence()
    _decisions_and_rules()
    _resolved()


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


def _evidence() -> None:
    op.create_table(
        "identifiers",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("type", text, nullable=False),
        sa.Column("value", text, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
    )
    op.create_index("identifiers_by_age", "identifiers", ["tenant", "key", "recorded_at"])
    op.create_table(
        "pairs",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("a", uuid, primary_key=True),
        sa.Column("b", uuid, primary_key=True),
        sa.Column("together", data, nullable=False),
        postgresql_with=_OFTEN_UPDATED,
    )
    op.create_index("pairs_by_a", "pairs", ["tenant", "a", "b"])
    op.create_index("pairs_by_b", "pairs", ["tenant", "b", "a"])
    op.create_table(
        "logins",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("anchor", uuid, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("session", data, primary_key=True),
        sa.Column("account", uuid, primary_key=True),
        sa.Column("sight", data, nullable=False),
    )
    op.create_index("logins_by_session", "logins", ["tenant", "key", "session"])
    op.create_index("logins_by_account", "logins", ["tenant", "account"])


def _decisions_and_rules() -> None:
    op.create_table(
        "decisions",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("about", text, primary_key=True),
        sa.Column("a", uuid, primary_key=True),
        sa.Column("b", uuid, primary_key=True),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("event_id", uuid, nullable=False),
        sa.Column("stands", text, nullable=False),
        sa.Column("by", text, nullable=False),
        sa.Column("note", text, nullable=False),
    )
    op.create_index("decisions_by_a", "decisions", ["tenant", "a"])
    op.create_index("decisions_by_b", "decisions", ["tenant", "b"])
    op.create_table(
        "subjects",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("type", text, nullable=False),
        sa.Column("value", text, nullable=False),
    )
    op.create_table(
        "rules",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("version", number, primary_key=True, autoincrement=False),
        sa.Column("document", text, nullable=False),
        sa.Column("event_id", uuid, nullable=False),
        sa.Column("published_at", big, nullable=False),
    )
    op.create_table(
        "rules_in_force",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("version", number, nullable=False),
    )
    op.create_table(
        "screened",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
    )


def _resolved() -> None:
    op.create_table(
        "people",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("person", uuid),
        sa.Column("mark", text),
        sa.Column("cut", data),
        sa.Column("version", big, nullable=False),
    )
    op.create_index("people_by_person", "people", ["tenant", "person"], postgresql_where=sa.text("person IS NOT NULL"))
    op.create_table(
        "spans",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("span", data, primary_key=True),
        sa.Column("person", uuid, nullable=False),
        sa.Column("tied_to", uuid, nullable=False),
    )
    op.create_index("spans_by_person", "spans", ["tenant", "person"])
    op.create_index("spans_by_tie", "spans", ["tenant", "tied_to"])
    op.create_table(
        "span_ids",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("id", uuid, primary_key=True),
        sa.Column("key", uuid, nullable=False),
        sa.Column("span", data, nullable=False),
    )
    op.create_table(
        "refused",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("a", uuid, primary_key=True),
        sa.Column("b", uuid, primary_key=True),
        sa.Column("refusals", data, nullable=False),
    )
    op.create_index("refused_by_b", "refused", ["tenant", "b"])
    op.create_table(
        "resolvers",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("version", big, nullable=False),
        sa.Column("decided_at", big, nullable=False),
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "waiting",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("key", uuid, primary_key=True),
        sa.Column("cause", uuid, nullable=False),
        sa.Column("since", big, nullable=False),
        sa.Column("oversized", sa.Boolean, nullable=False),
    )
    op.create_index("waiting_by_age", "waiting", ["tenant", "oversized", "since"])
