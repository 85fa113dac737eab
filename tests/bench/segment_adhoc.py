"""How long it takes to count exactly who meets a rule that is being edited, beside DuckDB and PostgreSQL."""

import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import duckdb

from libs.conditions.features import decode, encode
from libs.conditions.yaml_form import read_condition
from libs.devstack.postgres import PostgresServer
from libs.eventlog.database import open_pool
from libs.eventlog.migrations import migrate
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.catalogue import Catalogues
from services.tagging.courses import Courses
from services.tagging.domain.layers import BASE
from services.tagging.migrations import SCRIPTS
from services.tagging.store.due import DueRows
from services.tagging.store.features import FeatureRows, Kept
from services.tagging.tallying import Tallying
from tests.bench.edited_rule import NOW, Town, edits, lines
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import PARTITIONS

SEED: Final = 20_260_701
PEOPLE: Final = 1_000_000
ROUNDS: Final = 5
CHANGED: Final = 2_000
TARGET_MS: Final = 1_000.0
MOST_BYTES: Final = 2**30
TENANT: Final = "demo"

DOCUMENTS: Final = {
    "orders": "{did: {event: order_completed, times: 1}}",
    "spent": "{did: {event: order_completed, sum: {of: total, at_least: 1}}}",
    "looked": "{did: {event: viewed, times: 1}}",
    "local": "{trait: {city: 上海}}",
}

_PUBLISH: Final = """
    INSERT INTO definitions (tenant, name, version, state, document, published_at, published_by, event_id)
    VALUES ($1, $2, 1, 'live', $3, 1, 'bench', $4)"""


async def run(people: int = PEOPLE, rounds: int = ROUNDS) -> None:
    """Print how long a count takes, and how many times as long elsewhere; what reading everybody costs, too."""
    town, asked = Town(people, SEED), edits()
    work("segment_adhoc", seed=SEED, people=people, conditions=len(asked), rounds=rounds, changed=CHANGED)
    by_duckdb, expected = _by_duckdb(town, asked, rounds)
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        settings = {"shared_buffers": "1GB", "max_parallel_workers_per_gather": "2", "jit": "off"}
        async with PostgresServer(Path(folder) / "postgres", settings=settings) as server:
            await server.create_database("tagging", role="tagging")
            dsn = server.dsn("tagging", "tagging")
            await migrate(dsn, SCRIPTS, partitions=PARTITIONS)
            async with _columns(dsn, town) as columns:
                began = time.perf_counter()
                await _wanted(columns, asked)
                seconds = time.perf_counter() - began
                ours = await _by_columns(columns, asked, rounds, expected)
                changing = [await _changed(columns, town, asked, number) for number in range(rounds)]
                megabytes = sum(one.table.nbytes for one in columns._kept.values()) / 2**20
            by_postgres = await _by_postgres(dsn, town, asked, expected)
    median = percentile(ours, 0.5)
    detail = f"{len(asked)} conditions about {people:,} people; p99 {percentile(ours, 0.99):.1f} ms"
    Figure("segment_adhoc", "ms", median, "ms", target=TARGET_MS, better="lower", detail=detail).print()
    Figure("segment_adhoc", "p99_ms", percentile(ours, 0.99), "ms", target=TARGET_MS, better="lower").print()
    Figure("segment_adhoc", "to_duckdb", median, "ratio", baseline=by_duckdb, better="lower", detail="ms").print()
    Figure("segment_adhoc", "to_postgres", median, "ratio", baseline=by_postgres, better="lower", detail="ms").print()
    detail = f"{CHANGED:,} people changed since the question before"
    detail += f"; at the most {max(changing):.1f} ms"
    Figure(
        "segment_adhoc", "changed_ms", percentile(changing, 0.5), "ms", target=TARGET_MS, better="lower", detail=detail
    ).print()
    Figure("segment_adhoc", "read_seconds", seconds, "s", better="lower", detail="once, behind the answers").print()
    Figure("segment_adhoc", "memory_mb", megabytes, "MB", better="lower").print()


@asynccontextmanager
async def _columns(dsn: str, town: Town) -> AsyncIterator[Tallying]:
    """A replica of the tagging service that knows the town, as far as it counts."""
    async with open_pool(dsn, size=4, scans=False) as pool:
        await pool.execute("INSERT INTO catalogues (tenant, version) VALUES ($1, 1)", TENANT)
        for number, (tag, when) in enumerate(DOCUMENTS.items()):
            document = (
                f"tag: {tag}\ntitle: {{en: {tag}}}\ncategory: behaviour\nowner: bench\n"
                f"description: of the bench\nvalue: flag\nsource: rule\nwhen: {when}\n"
            )
            await pool.execute(_PUBLISH, TENANT, tag, document, number.to_bytes(16, "big"))
        tenants, metrics = Tenants.demo(), Metrics()
        catalogues = Catalogues(pool, tenants, metrics)
        await catalogues.refresh()
        states = town.states(catalogues.live(TENANT).plan)
        async with pool.acquire() as connection:
            rows, held = town.rows(states, TENANT, BASE), town.holdings(TENANT)
            names = ["tenant", "place", "layer", "anchor", "state"]
            await connection.copy_records_to_table("features", records=rows, columns=names, timeout=1_800)
            names = ["tenant", "person", "revision", "state"]
            await connection.copy_records_to_table("holdings", records=held, columns=names, timeout=1_800)
            await connection.execute("VACUUM ANALYZE", timeout=1_800)
        yield Tallying(pool, Courses(catalogues), tenants, lambda _: NOW, metrics, MOST_BYTES, 600)


async def _wanted(columns: Tallying, asked: Mapping[str, str]) -> None:
    """Let everything be read that is asked for: nothing can be answered before."""
    for one in asked:
        assert await columns.count(TENANT, read_condition(one)) is None
    await columns.turn()


async def _by_columns(
    columns: Tallying, asked: Mapping[str, str], rounds: int, expected: Mapping[str, int]
) -> list[float]:
    found = []
    for _ in range(rounds):
        for one in asked:
            began = time.perf_counter()
            tally = await columns.count(TENANT, read_condition(one))
            found.append((time.perf_counter() - began) * 1000)
            assert tally is not None
            assert tally.people == expected[one], one
    return found


async def _changed(columns: Tallying, town: Town, asked: Mapping[str, str], number: int) -> float:
    """Milliseconds of a count behind which many people have changed: of each the features are written anew."""
    people = [town.person(number * CHANGED + index) for index in range(CHANGED)]
    async with columns.pool.acquire() as connection, connection.transaction():
        rows = FeatureRows(connection, TENANT)
        kept = await rows.load(people, [BASE])
        again = [Kept(person, person, encode(decode(mine[0].state))) for person, mine in kept.items()]
        await rows.write(BASE, again)
        await DueRows(connection, TENANT).mark(dict.fromkeys(people))
    began = time.perf_counter()
    assert await columns.count(TENANT, read_condition(list(asked)[-1])) is not None
    return (time.perf_counter() - began) * 1000


def _by_duckdb(town: Town, asked: Mapping[str, str], rounds: int) -> tuple[float, dict[str, int]]:
    """The median in milliseconds, and what must be found."""
    found, expected = [], {}
    with duckdb.connect() as connection:
        connection.register("told", town.days)
        connection.register("held", town.table)
        connection.execute("CREATE TABLE days AS SELECT * FROM told")
        connection.execute("CREATE TABLE people AS SELECT * FROM held")
        for _ in range(rounds):
            for one, query in asked.items():
                began = time.perf_counter()
                row = connection.execute(query.replace("SELECT FROM", "SELECT 1 FROM")).fetchone()
                found.append((time.perf_counter() - began) * 1000)
                assert row is not None
                expected[one] = row[0]
    return percentile(found, 0.5), expected


async def _by_postgres(dsn: str, town: Town, asked: Mapping[str, str], expected: Mapping[str, int]) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "CREATE TABLE days (person integer NOT NULL, day integer NOT NULL, orders integer NOT NULL,"
            " total integer NOT NULL, looks integer NOT NULL)"
        )
        await connection.execute("CREATE TABLE people (person integer PRIMARY KEY, vip boolean NOT NULL, city text)")
        for name, table in (("days", town.days), ("people", town.table)):
            await connection.copy_to_table(name, source=lines(table), timeout=1_800)
        await connection.execute("CREATE INDEX ON days (day)", timeout=1_800)
        await connection.execute("VACUUM ANALYZE days", timeout=1_800)
        await connection.execute("VACUUM ANALYZE people", timeout=1_800)
        found = []
        for one, query in asked.items():
            began = time.perf_counter()
            assert await connection.fetchval(query, timeout=600) == expected[one], one
            found.append((time.perf_counter() - began) * 1000)
        return percentile(found, 0.5)
    finally:
        await connection.close()
