"""The stages of every household are those that SQL over the till's lines, and a plain ladder over days, come to."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

import duckdb

from examples.grocery import tables
from examples.grocery.conversion import ZONE
from examples.tags.documents import lifecycle
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.windows import read_day

Moved = tuple[str, str, str | None, str]
"""The day, its phase, and the stages before and after."""

LAST: Final = date(2017, 12, 31)
EPOCH: Final = date(1970, 1, 1).toordinal()


class Measured(NamedTuple):
    """What SQL says of a household on a day, at its beginning or with its baskets."""

    household: int
    day: date
    phase: str
    ever: int
    within_7: int
    within_14: int
    within_28: int
    within_60: int
    within_70: int
    within_90: int
    within_180: int
    cents_180: int


BASKETS: Final = """
CREATE TABLE baskets AS
SELECT household_id AS household, basket_id AS basket, min(transaction_timestamp) AT TIME ZONE 'UTC' AS moment,
    sum(round(100 * sales_value)::BIGINT)::BIGINT AS cents
FROM read_parquet($file) GROUP BY ALL
"""
MEASURES: Final = """
WITH bought AS (
    SELECT household, (moment AT TIME ZONE 'America/New_York')::DATE AS day, count(*) AS n, sum(cents)::BIGINT AS cents
    FROM baskets GROUP BY ALL
), known AS (
    SELECT household, unnest(generate_series(min(day), $last, INTERVAL 1 DAY))::DATE AS day
    FROM bought GROUP BY household
), dense AS (
    SELECT household, day, coalesce(n, 0) AS n, coalesce(cents, 0) AS cents
    FROM known LEFT JOIN bought USING (household, day)
), summed AS (
    SELECT household, day, n, cents, (sum(n) OVER mine)::BIGINT AS ever, (sum(cents) OVER mine)::BIGINT AS spent
    FROM dense WINDOW mine AS (PARTITION BY household ORDER BY day ROWS UNBOUNDED PRECEDING)
), whole AS (
    SELECT household, day, n, cents, ever,
        ever - lag(ever, 7, 0) OVER mine AS w7,
        ever - lag(ever, 14, 0) OVER mine AS w14,
        ever - lag(ever, 28, 0) OVER mine AS w28,
        ever - lag(ever, 60, 0) OVER mine AS w60,
        ever - lag(ever, 70, 0) OVER mine AS w70,
        ever - lag(ever, 90, 0) OVER mine AS w90,
        ever - lag(ever, 180, 0) OVER mine AS w180,
        spent - lag(spent, 180, 0) OVER mine AS c180
    FROM summed WINDOW mine AS (PARTITION BY household ORDER BY day)
)
SELECT household, day, 'begun' AS phase, ever - n, w7 - n, w14 - n, w28 - n, w60 - n, w70 - n, w90 - n, w180 - n,
    c180 - cents
FROM whole
UNION ALL
SELECT household, day, 'whole', ever, w7, w14, w28, w60, w70, w90, w180, c180 FROM whole
ORDER BY household, day, phase
"""


def by_sql(connection: duckdb.DuckDBPyConnection) -> dict[int, list[Moved]]:
    """What nothing of ours has a part in."""
    rows = connection.execute(MEASURES, {"last": LAST}).fetchall()
    return {
        household: list(climbed([Measured(*row) for row in of])) for household, of in groupby(rows, key=itemgetter(0))
    }


def climbed(days: list[Measured]) -> Iterator[Moved]:
    stage = "prospect"
    yield days[0].day.isoformat(), "begun", None, stage
    for now in days:
        while (to := next_stage(stage, now)) is not None:
            yield now.day.isoformat(), now.phase, stage, to
            stage = to


def next_stage(stage: str, now: Measured) -> str | None:  # noqa: PLR0911  one for each stage
    match stage:
        case "prospect":
            return "new" if now.ever >= 1 else None
        case "lost":
            return "won_back" if now.within_7 >= 1 else None
        case "at_risk":
            returned = "growing" if now.within_14 >= 2 else None
            return "lost" if now.within_70 == 0 else returned
        case _ if now.within_28 == 0:
            return "at_risk"
        case "new" | "won_back":
            return "growing" if now.within_60 >= 4 else None
        case "growing":
            return "mature" if now.within_90 >= 15 else None
        case "mature":
            fallen = "growing" if now.within_90 <= 8 else None
            return "loyal" if now.within_180 >= 30 and now.cents_180 >= 100_000 else fallen
        case _:
            return "mature" if now.cents_180 < 70_000 else None


def by_machine(connection: duckdb.DuckDBPyConnection) -> dict[int, list[Moved]]:
    definition, everybody = lifecycle("grocery"), dict[int, Features]()
    conditions = definition.conditions()
    plan = Plan(conditions, ZONE.key, by_day=conditions.keys())
    rows = connection.execute("SELECT household, basket, epoch_us(moment), cents FROM baskets ORDER BY basket")
    for household, basket, at, cents in rows.fetchall():
        event = Event(basket.to_bytes(16), "order_completed", at, {"products": [{"amount": cents / 100}]})
        plan.fold(everybody.setdefault(household, Features()), event)
    machine, today = definition.machine(ZONE.key), read_day(LAST.isoformat())
    assert today is not None
    return {
        household: [
            (date.fromordinal(one.day + EPOCH).isoformat(), one.phase, one.former, one.stage)
            for one in machine.course(features, today).entered
        ]
        for household, features in everybody.items()
    }


def test_every_household_goes_through_the_stages_that_sql_finds_on_the_same_days() -> None:
    with duckdb.connect() as connection:
        connection.execute(BASKETS, {"file": str(tables.DATA / "transactions.parquet")})
        found, expected = by_machine(connection), by_sql(connection)
    assert found.keys() == expected.keys() == set(tables.households())
    assert not {one: (found[one], moves) for one, moves in expected.items() if found[one] != moves}
    reached = Counter(stage for moves in found.values() for *_, stage in moves)
    assert reached.keys() == {stage.key for stage in lifecycle("grocery").stages}, (
        "a stage that nobody is in shows nothing"
    )
