"""`group_portrait`: 100,000 of 1 M people beside all of them, by twenty characteristics, answered as a message.

The index is made as the fold of the tags log leaves it, in eight partitions. The baseline is DuckDB, which has the same
people in memory as one table and is asked for the same counts, bins and quartiles; it computes no intervals. Both must
come to the same figures.
"""

import time
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from portrait.tagging.v1 import group_portrait_pb2 as pb
from pyroaring import BitMap

from libs.conditions.calendar import Calendar
from libs.conditions.numbers import SCALE
from libs.conditions.tree import Segment
from services.tagging.codec.group_portraits import portrayed_on_wire
from services.tagging.domain.characteristics import HOURS, Characteristic
from services.tagging.domain.group_portrait import BINS, MOST_ROWS
from services.tagging.membership.algebra import Part, members
from services.tagging.membership.column import CHUNK, Column
from services.tagging.membership.index import Group, Index
from services.tagging.membership.portrait import GroupPart, portray
from tests.bench.report import Figure, work

SEED: Final = 20_260_102
PEOPLE: Final = 1_000_000
GROUP: Final = 100_000
PARTITIONS: Final = 8
ROUNDS: Final = 5
TARGET_MS: Final = 2_000.0

_CITIES: Final = tuple(f"city-{n}" for n in range(60))
_STAGES: Final = ("prospect", "new", "growing", "mature", "loyal", "at_risk", "lost", "won_back")
_TEXTS: Final = {
    "tag:city": _CITIES,
    "tag:channel": ("app", "web", "store", "mini_program"),
    "tag:favourite": tuple(f"category-{n}" for n in range(25)),
    "tag:age_group": ("18-24", "25-34", "35-44", "45-54", "55-64", "65+"),
    "tag:favourite_hour": HOURS,
    "stage": _STAGES,
    "tier": ("platinum", "gold", "silver", "bronze"),
}
_FLAGS: Final = tuple(f"tag:flag_{n}" for n in range(10))
_NUMBERS: Final = ("tag:spent", "tag:orders", "tag:points")

Table = dict[str, NDArray[Any]]


async def run() -> None:
    """Print how long a portrait takes."""
    characteristics = [
        *(Characteristic(one, {}, "flag") for one in _FLAGS),
        *(Characteristic(one, {}, "hours" if values is HOURS else "choice") for one, values in _TEXTS.items()),
        *(Characteristic(one, {}, "numbers") for one in _NUMBERS),
    ]
    work(
        "group_portrait",
        seed=SEED,
        people=PEOPLE,
        group=GROUP,
        characteristics=len(characteristics),
        partitions=PARTITIONS,
    )
    table = _people()
    indexes = [_index(table, partition) for partition in range(PARTITIONS)]
    database = duckdb.connect()
    database.register("arrow", pa.table({name.replace(":", "_"): values for name, values in table.items()}))
    database.execute("CREATE TABLE people AS SELECT * FROM arrow")
    took, of_duckdb = list[float](), list[float]()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        portrait = _portrait(indexes, characteristics)
        took.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        told = _asked(database)
        of_duckdb.append(1000 * (time.perf_counter() - began))
    _compare(portrait, told)
    value, baseline = sorted(took)[ROUNDS // 2], sorted(of_duckdb)[ROUNDS // 2]
    Figure("group_portrait", "ms", value, "ms", baseline, TARGET_MS, "lower", "baseline: DuckDB, counts alone").print()


def _portrait(indexes: list[Index], characteristics: list[Characteristic]) -> pb.GetGroupPortraitResponse:
    parts = []
    for index in indexes:
        everyone = index.holders("segment:everyone")
        group = members(Segment("chosen"), Part(index, everyone, Calendar("UTC")))
        assert group is not None
        parts.append(GroupPart(index, everyone, group))
    found = portray(parts, characteristics, MOST_ROWS)
    answer = pb.GetGroupPortraitResponse(
        group=found.sizes.group,
        everyone=found.sizes.everyone,
        distributions=[portrayed_on_wire(one) for one in found.portrayed],
    )
    answer.SerializeToString()
    return answer


def _people() -> Table:
    """Whoever is chosen is of other cities, stages and spending than the rest; one in ten has no value of a text."""
    chance = np.random.default_rng(SEED)
    chosen = np.zeros(PEOPLE, bool)
    chosen[chance.choice(PEOPLE, GROUP, replace=False)] = True
    table: Table = {"chosen": chosen}
    for reference, values in _TEXTS.items():
        drawn = chance.beta(np.where(chosen, 1.2, 2.0), 2.0) * len(values)
        texts = np.array([*values, None], object)
        table[reference] = texts[np.where(chance.random(PEOPLE) < 0.1, len(values), drawn.astype(int))]
    for reference in _FLAGS:
        table[reference] = chance.random(PEOPLE) < np.where(chosen, 0.35, 0.2)
    for reference in _NUMBERS:
        table[reference] = np.round(chance.lognormal(np.where(chosen, 5.5, 5.0), 1.0), 2)
    return table


def _index(table: Table, partition: int) -> Index:
    mine = {name: values[partition::PARTITIONS] for name, values in table.items()}
    people = len(mine["chosen"])
    index = Index(people)
    index.groups["segment:everyone"] = Group(BitMap(range(people)))
    index.groups["segment:chosen"] = Group(_bitmap(mine["chosen"]))
    for reference in _FLAGS:
        index.groups[reference] = Group(_bitmap(mine[reference]))
    for reference, values in _TEXTS.items():
        by_value = {value: _bitmap(mine[reference] == value) for value in values}
        index.groups[reference] = Group(BitMap.union(*by_value.values()), by_value)
    for reference in _NUMBERS:
        index.groups[reference] = Group(BitMap(range(people)), whole=False)
        index.columns[reference] = _column(np.round(mine[reference] * SCALE).astype(np.int64))
    return index


def _bitmap(held: NDArray[Any]) -> BitMap:
    return BitMap(np.flatnonzero(held).astype(np.uint32))


def _column(numbers: NDArray[np.int64]) -> Column:
    padded = np.full(-(-len(numbers) // CHUNK) * CHUNK, -(2**63), np.int64)
    padded[: len(numbers)] = numbers
    column = Column()
    for chunk in range(len(padded) // CHUNK):
        column.load(chunk, padded[chunk * CHUNK : (chunk + 1) * CHUNK].tobytes())
    return column


def _asked(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The counts of each text and flag by name; of numbers the bins, and the quartiles of both."""
    told: dict[str, Any] = {}
    for reference in (*_TEXTS, *_FLAGS):
        name = reference.replace(":", "_")
        rows = database.execute(
            f"SELECT {name}, count(*) FILTER (chosen), count(*) FROM people WHERE {name} IS NOT NULL GROUP BY 1"
        ).fetchall()
        told[reference] = {value: (group, all_) for value, group, all_ in rows}
    steps = [step / BINS for step in range(1, BINS + 1)]
    for reference in _NUMBERS:
        name = reference.replace(":", "_")
        quartiles = database.execute(
            f"SELECT quantile_disc({name}, [0.25, 0.5, 0.75]) FILTER (chosen), quantile_disc({name}, ?) FROM people",
            [[0.25, 0.5, 0.75, *steps]],
        ).fetchone()
        assert quartiles is not None
        place = " + ".join(f"({name} > {end!r})::INT" for end in quartiles[1][3:])
        bins = database.execute(
            f"SELECT {place}, count(*) FILTER (chosen), count(*) FROM people GROUP BY 1 ORDER BY 1"
        ).fetchall()
        told[reference] = (quartiles[0], quartiles[1][:3], [(group, all_) for _, group, all_ in bins])
    return told


def _compare(portrait: pb.GetGroupPortraitResponse, told: dict[str, Any]) -> None:
    """Both must have counted the same."""
    assert (portrait.group, portrait.everyone) == (GROUP, PEOPLE)
    for one in portrait.distributions:
        counted = [(row.comparison.group, row.comparison.everyone) for row in one.rows]
        said = told[one.reference]
        if one.kind == pb.DISTRIBUTION_KIND_NUMBERS:
            mine, all_ = one.spread.quartiles, one.spread.quartiles_of_everyone
            assert [mine.first, mine.median, mine.third] == said[0], one.reference
            assert [all_.first, all_.median, all_.third] == said[1], one.reference
            assert counted == said[2], one.reference
        elif one.kind == pb.DISTRIBUTION_KIND_FLAG:
            assert counted == [said[True]], one.reference
        else:
            assert {row.value: counts for row, counts in zip(one.rows, counted, strict=True)}.items() <= said.items()
