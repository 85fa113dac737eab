"""`segment_count`: an and/or/not over five tags of ten million people, by bitmaps, DuckDB and PostgreSQL.

Each has the same people in the form that suits it: bitmaps as a replica has them in memory, and a wide table with one
column a tag, in memory too. What is measured is from the document of the question to the number.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import asyncpg
import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap

from libs.conditions.calendar import Calendar
from libs.conditions.reading import read_document
from libs.devstack.postgres import PostgresServer
from services.tagging.membership.algebra import Part, members
from services.tagging.membership.index import Group, Index
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PARTITIONS

SEED: Final = 20_260_101
PEOPLE: Final = 10_000_000
ROUNDS: Final = 30
TARGET_MS: Final = 10.0

SHARES: Final = {"vip": 0.05, "buyer": 0.4, "reader": 0.25, "silent": 0.5, "lost": 0.01}
DOCUMENT: Final = {
    "all": [
        {"any": [{"tag": "vip"}, {"tag": "buyer"}]},
        {"tag": "reader"},
        {"not": {"tag": "silent"}},
        {"not": {"tag": "lost"}},
    ]
}
QUERY: Final = "SELECT count(*) FROM people WHERE (vip OR buyer) AND reader AND NOT silent AND NOT lost"

_AT_ONCE: Final = 100_000

Tags = dict[str, NDArray[np.bool_]]


async def run(people: int = PEOPLE, rounds: int = ROUNDS) -> None:
    """Print how long the count takes, and how many times as long elsewhere."""
    work("segment_count", seed=SEED, people=people, rounds=rounds, tags=len(SHARES), query=QUERY)
    chance = np.random.default_rng(SEED)
    tags = {tag: chance.random(people) < share for tag, share in SHARES.items()}
    expected = int(np.count_nonzero((tags["vip"] | tags["buyer"]) & tags["reader"] & ~tags["silent"] & ~tags["lost"]))
    ours = _by_bitmaps(tags, rounds, expected)
    median = percentile(ours, 0.5)
    detail = f"{expected:,} of {people:,} people; p99 {percentile(ours, 0.99):.2f} ms"
    Figure("segment_count", "ms", median, "ms", target=TARGET_MS, better="lower", detail=detail).print()
    by_duckdb = percentile(_by_duckdb(tags, rounds, expected), 0.5)
    Figure("segment_count", "to_duckdb", median, "ratio", baseline=by_duckdb, better="lower", detail="ms").print()
    by_postgres = percentile(await _by_postgres(tags, rounds, expected), 0.5)
    Figure("segment_count", "to_postgres", median, "ratio", baseline=by_postgres, better="lower", detail="ms").print()


def _by_bitmaps(tags: Tags, rounds: int, expected: int) -> list[float]:
    calendar = Calendar("Asia/Shanghai")
    parts = [_part(tags, partition, calendar) for partition in range(PARTITIONS)]

    def count() -> int:
        condition = read_document(DOCUMENT)
        return sum(len(found) for part in parts if (found := members(condition, part)) is not None)

    return _timed(count, rounds, expected)


def _part(tags: Tags, partition: int, calendar: Calendar) -> Part:
    """Every so manieth person, as a partition of a log has them."""
    held = {f"tag:{tag}": np.flatnonzero(mask[partition::PARTITIONS]) for tag, mask in tags.items()}
    people = len(next(iter(tags.values()))[partition::PARTITIONS])
    groups = {reference: Group(BitMap(numbers.astype(np.uint32))) for reference, numbers in held.items()}
    return Part(Index(people, groups), BitMap(range(people)), calendar)


def _by_duckdb(tags: Tags, rounds: int, expected: int) -> list[float]:
    table = pa.table({"person": np.arange(len(tags["vip"])), **tags})
    with duckdb.connect() as connection:
        connection.register("tags", table)
        connection.execute("CREATE TABLE people AS SELECT * FROM tags")

        def count() -> int:
            row = connection.execute(QUERY).fetchone()
            return row[0] if row else 0

        return _timed(count, rounds, expected)


async def _by_postgres(tags: Tags, rounds: int, expected: int) -> list[float]:
    settings = {"shared_buffers": "1GB", "max_parallel_workers_per_gather": "2", "jit": "off"}
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        async with PostgresServer(Path(folder) / "postgres", settings=settings) as server:
            await server.create_database("people", role="people")
            connection = await asyncpg.connect(server.dsn("people", "people"))
            try:
                columns = ", ".join(f"{tag} boolean NOT NULL" for tag in tags)
                await connection.execute(
                    f"CREATE TABLE people (person integer GENERATED ALWAYS AS IDENTITY, {columns})"
                )
                await connection.copy_to_table("people", source=_lines(tags), columns=list(tags), timeout=600)
                await connection.execute("VACUUM ANALYZE people", timeout=600)
                found = []
                for _ in range(rounds):
                    began = time.perf_counter()
                    assert await connection.fetchval(QUERY) == expected
                    found.append((time.perf_counter() - began) * 1000)
                return found
            finally:
                await connection.close()


async def _lines(tags: Tags) -> AsyncIterator[bytes]:
    """Rows as COPY reads them, a hundred thousand at once."""
    letters = [np.where(mask, ord("t"), ord("f")).astype(np.uint8) for mask in tags.values()]
    between = np.full(len(letters[0]), ord("\t"), dtype=np.uint8)
    columns = [one for column in letters for one in (column, between)]
    lines = np.stack(columns, axis=1)
    lines[:, -1] = ord("\n")
    for begin in range(0, len(lines), _AT_ONCE):
        yield lines[begin : begin + _AT_ONCE].tobytes()


def _timed(count: Callable[[], int], rounds: int, expected: int) -> list[float]:
    """Milliseconds of each round."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        assert count() == expected
        found.append((time.perf_counter() - began) * 1000)
    return found
