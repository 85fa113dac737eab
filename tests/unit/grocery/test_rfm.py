"""Recency, frequency, money and tiers of every household are what SQL over the till's lines computes of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import duckdb

from examples.grocery import tables
from examples.grocery.conversion import ZONE
from examples.tags.documents import EXAMPLES
from examples.tags.interactions import micros
from libs.conditions.event import Event
from libs.conditions.features import Features
from services.tagging.compiled import compile_definitions
from services.tagging.domain.around import Around
from services.tagging.domain.definition import Definition
from services.tagging.domain.kinds import read_definitions
from tests.unit.grocery.ranked import RANKS, RFM, cuts_of

NOW: Final = datetime.fromisoformat("2017-12-31T23:59:59-05:00")

LINES: Final = """
CREATE TABLE lines AS
SELECT household_id AS person, basket_id AS basket, transaction_timestamp AT TIME ZONE 'UTC' AS moment,
    (transaction_timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York')::DATE AS day,
    round(100 * sales_value)::BIGINT AS cents
FROM read_parquet(getvariable('file')) WHERE transaction_timestamp AT TIME ZONE 'UTC' <= getvariable('now');
CREATE VIEW orders AS SELECT DISTINCT person, basket, day FROM lines;
CREATE VIEW paid AS SELECT person, day, cents::BIGINT AS amount FROM lines;
"""

Ranked = dict[int, tuple[int | None, int | None, int | None, str | None]]


def baskets(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, Event]]:
    rows = connection.execute(
        "SELECT person, basket, epoch_us(min(moment)), list(cents) FROM lines GROUP BY person, basket"
    )
    for household, basket, at, lines in rows.fetchall():
        products = [{"amount": cents / 100} for cents in lines]
        yield household, Event(basket.to_bytes(16), "order_completed", at, {"products": products})


def documents() -> dict[str, Definition]:
    files = [*(EXAMPLES / "grocery/tags" / f"{key}.yaml" for key in RFM), EXAMPLES / "grocery/tiers.yaml"]
    return {one.name: one for file in files for one in read_definitions(file.read_text(encoding="utf-8"), 1)}


def by_catalogue(connection: duckdb.DuckDBPyConnection) -> Ranked:
    definitions, now, people = documents(), micros(NOW), dict[int, Features]()
    compiled = compile_definitions(definitions, ZONE.key, 1, {})
    for household, event in baskets(connection):
        compiled.plan.fold(people.setdefault(household, Features()), event)
    cuts = cuts_of(compiled, people.values(), ZONE.key, compiled.plan.zones.tenant.day(now))
    compiled, ours = compile_definitions(definitions, ZONE.key, 2, {}, cuts), Ranked()
    for household, features in people.items():
        asked = compiled.asked(features, Around({}), {}, {}, now)
        tier = compiled.definitions["tier"].verdict(asked).value
        frequency, monetary, recency = (asked.standing.scores.get(key) for key in RFM)
        ours[household] = (frequency, monetary, recency, None if tier is None else str(tier))
    return ours


def by_sql(connection: duckdb.DuckDBPyConnection) -> Ranked:
    """What nothing of ours has a part in."""
    connection.execute(RANKS)
    rows = connection.execute("SELECT person, frequency, monetary, recency, tier FROM ranks JOIN tiers USING (person)")
    return {household: tuple(rest) for household, *rest in rows.fetchall()}


def test_ranks_and_tiers_of_every_household_are_what_duckdb_computes() -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{ZONE.key}'; SET VARIABLE now = TIMESTAMPTZ '{NOW.isoformat()}'")
        connection.execute("SET VARIABLE file = ?", [str(tables.DATA / "transactions.parquet")])
        connection.execute(LINES)
        ours, theirs = by_catalogue(connection), by_sql(connection)
    assert ours.keys() == theirs.keys() == set(tables.households())
    assert not {one: (ours[one], ranks) for one, ranks in theirs.items() if ours[one] != ranks}
    assert {tier for *_, tier in theirs.values()} == {"gold", "silver", "dormant", None}
