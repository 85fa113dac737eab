"""Every table of the tagging service's database.

who is who    identity_map, anchor_cuts, identifier_rules    as the identity log says
definitions   catalogues, definitions                        by what people are answered
kept          features, layers, refolds                      of the events of each place, in layers
held          due, marks, holdings, set_by_hand              who is to be answered, and what was answered
membership    membership_{positions, numbers, bitmaps}       who holds what, for all at once
columns       columns_wanted, columns_touched                who changes, told to whoever keeps columns in memory
asked for     operations                                     what takes longer than a call
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    false,
    text,
    true,
)

from libs.eventlog.consumer_tables import checkpoint_table, lease_tables
from libs.eventlog.tables import dead_letter_table, log_tables
from libs.people.identity_tables import identity_tables
from services.tagging.store.column_tables import column_tables
from services.tagging.store.definition_tables import definition_tables
from services.tagging.store.membership_tables import membership_tables
from services.tagging.store.operation_tables import operation_table

metadata: Final = MetaData()

# An update stays on its page and touches no index. A state of a few kilobytes stays in its row: to compress it and put
# it elsewhere takes longer than to write it.
_OFTEN_UPDATED: Final = {"fillfactor": "70", "toast_tuple_target": "8160"}

log_tables(metadata)
dead_letter_table(metadata)
checkpoint_table(metadata)
lease_tables(metadata)
identity_tables(metadata)
definition_tables(metadata)
membership_tables(metadata)
column_tables(metadata)
operation_table(metadata)


def _key(name: str) -> Column[Any]:
    return Column(name, Uuid, primary_key=True)


def _tenant() -> Column[Any]:
    return Column("tenant", Text, primary_key=True)


# A place is known by the id of the person that it would be alone; of an uncut anchor that is its key. Every place of
# which an event was seen has a row, an empty one too: they are the population, which "did not" is about.
Table(
    "features",
    metadata,
    _tenant(),
    _key("place"),
    Column("layer", Integer, primary_key=True, autoincrement=False),
    Column("anchor", Uuid, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index("features_of_parts", "tenant", "anchor", postgresql_where=text("anchor <> place")),
    postgresql_with=_OFTEN_UPDATED,
)
# Features that were computed on history for new definitions; `state` is "filling" or "live".
Table(
    "layers",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Index("layers_of_tenant", "tenant", "number"),
)
# Anchors that are to be folded anew from their owner's log, in a layer that is filling, or in all that are live (0).
Table(
    "refolds",
    metadata,
    _tenant(),
    _key("anchor"),
    Column("layer", Integer, primary_key=True, autoincrement=False),
)

# `affected` names the tags to answer, all of them where it is null; `backfill` those that are answered by history.
# `historical` tells that all of it follows from interactions that were collected as history.
Table(
    "due",
    metadata,
    _tenant(),
    _key("person"),
    Column("at", BigInteger, nullable=False),
    Column("affected", ARRAY(Text)),
    Column("backfill", ARRAY(Text), nullable=False),
    Column("cause", Uuid),
    Column("historical", Boolean, nullable=False, server_default=false()),
    Index("due_by_time", "tenant", "at"),
    postgresql_with=_OFTEN_UPDATED,
)
# Tags that went live, for which nobody behind the id `reached` is due yet.
Table(
    "marks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("reached", Uuid, nullable=False),
    Column("backfill", Boolean, nullable=False, server_default=true()),
    Index("marks_of_tenant", "tenant", "number"),
)
# `revision` counts what was told of a person and is never reset: a row stays where nothing is held any more.
Table(
    "holdings",
    metadata,
    _tenant(),
    _key("person"),
    Column("revision", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    postgresql_with=_OFTEN_UPDATED,
)
# What somebody said of the person whom a place is; what was cleared has no value.
Table(
    "set_by_hand",
    metadata,
    _tenant(),
    _key("identifier"),
    Column("tag", Text, primary_key=True),
    Column("value", LargeBinary),
    Column("about", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("by", Text, nullable=False),
    Column("import_id", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
)
