"""Every table of the identity service's database.

evidence    identifiers, pairs, logins     a row for each anchor that it was folded from
decisions   decisions, subjects            registers, and what they are about
rules       rules, rules_in_force, screened
resolved    people, spans, refused         what stands now, compared with at the next change
the work    resolvers, waiting, journal    a lock for each tenant, and the slow lane
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

from libs.eventlog.consumer_tables import checkpoint_table, lease_tables
from libs.eventlog.tables import dead_letter_table, log_tables

metadata: Final = MetaData()

_OFTEN_UPDATED: Final = {"fillfactor": "70"}  # so that an update stays on its page and touches no index

log_tables(metadata)
dead_letter_table(metadata)
checkpoint_table(metadata)
lease_tables(metadata)


def _key(name: str) -> Column[Any]:
    return Column(name, Uuid, primary_key=True)


def _tenant() -> Column[Any]:
    return Column("tenant", Text, primary_key=True)


# Evidence stands under the anchor whose interactions it was folded from: taking some of those back replaces these rows
# and no others. What is known of an identifier or a pair is the combination of its rows.
Table(
    "identifiers",
    metadata,
    _tenant(),
    _key("anchor"),
    _key("key"),
    Column("type", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("identifiers_by_age", "tenant", "key", "recorded_at"),
)
Table(
    "pairs",
    metadata,
    _tenant(),
    _key("anchor"),
    _key("a"),
    _key("b"),
    Column("together", LargeBinary, nullable=False),
    Index("pairs_by_a", "tenant", "a", "b"),
    Index("pairs_by_b", "tenant", "b", "a"),
    postgresql_with=_OFTEN_UPDATED,
)
Table(
    "logins",
    metadata,
    _tenant(),
    _key("anchor"),
    _key("key"),
    Column("session", LargeBinary, primary_key=True),
    _key("account"),
    Column("sight", LargeBinary, nullable=False),
    Index("logins_by_session", "key", "session"),
    Index("logins_by_account", "account"),
)

# `about` is "link", "forbid" or "block"; of a block, b is a. What was undone stands as "nothing".
Table(
    "decisions",
    metadata,
    _tenant(),
    Column("about", Text, primary_key=True),
    _key("a"),
    _key("b"),
    Column("recorded_at", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("stands", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("decisions_by_a", "tenant", "a"),
    Index("decisions_by_b", "tenant", "b"),
)
Table(
    "subjects",
    metadata,
    _tenant(),
    _key("key"),
    Column("type", Text, nullable=False),
    Column("value", Text, nullable=False),
)

Table(
    "rules",
    metadata,
    _tenant(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)
Table(
    "rules_in_force",
    metadata,
    _tenant(),
    Column("version", Integer, nullable=False),
)
# Identifiers whose values the rules in force refuse: they name nobody, though they may have been collected before.
Table("screened", metadata, _tenant(), _key("key"))

# `version` counts all that was said of an identifier, and is never reset: a row stays where nothing is left to say.
Table(
    "people",
    metadata,
    _tenant(),
    _key("key"),
    Column("person", Uuid),
    Column("mark", Text),
    Column("cut", LargeBinary),
    Column("version", BigInteger, nullable=False),
    Index("people_by_person", "person", postgresql_where=text("person IS NOT NULL")),
)
Table(
    "spans",
    metadata,
    _tenant(),
    _key("key"),
    Column("span", LargeBinary, primary_key=True),
    Column("person", Uuid, nullable=False),
    Column("tied_to", Uuid, nullable=False),
    Index("spans_by_person", "person"),
    Index("spans_by_tie", "tied_to"),
)
# An identifier's own id says whose it is, that of a span does not: and whoever was such a person can be asked for.
Table(
    "span_ids",
    metadata,
    _tenant(),
    _key("id"),
    Column("key", Uuid, nullable=False),
    Column("span", LargeBinary, nullable=False),
)
Table(
    "refused",
    metadata,
    _tenant(),
    _key("a"),
    _key("b"),
    Column("refusals", LargeBinary, nullable=False),
    Index("refused_by_b", "tenant", "b"),
)

Table(
    "resolvers",
    metadata,
    _tenant(),
    Column("version", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("followed", Boolean, nullable=False, server_default=text("false")),
    postgresql_with={"fillfactor": "10"},
)
Table(
    "waiting",
    metadata,
    _tenant(),
    _key("key"),
    Column("cause", Uuid, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("oversized", Boolean, nullable=False),
    Index("waiting_by_age", "tenant", "oversized", "since", "key"),
)

# What transactions did, by the resolver's version, while somebody who reads no tables any more wants to know.
Table(
    "journal",
    metadata,
    _tenant(),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("named", ARRAY(Uuid), nullable=False),
    Column("settled", ARRAY(Uuid), nullable=False),
)

# Two people by the identifiers that found them, and what spoke for their being one when it was suggested.
Table(
    "suggestions",
    metadata,
    _tenant(),
    _key("id"),
    Column("one", Uuid, nullable=False),
    Column("other", Uuid, nullable=False),
    Column("score", Float(53), nullable=False),
    Column("told", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("suggested_at", BigInteger, nullable=False),
    Index("suggestions_by_score", "tenant", "state", "score", "id"),
)
