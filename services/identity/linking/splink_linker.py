"""The Linker that knows slips of the pen and how common a name is: Splink on DuckDB, an extra.

Splink is imported where it is used, so that only who links people needs it.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from libs.runtime.errors import FailedPrecondition
from services.identity.linking.candidate import Candidate
from services.identity.linking.comparisons import COMPARISONS, LISTS, WHERE_TO_LOOK, Comparison
from services.identity.linking.linker import Compared, Finding

if TYPE_CHECKING:
    from splink import Linker as Splink

MOST_PAIRS: Final = 100
"""Pairs for each person that a value in common may lead to: a town of one postcode is not compared with itself."""

_STRANGERS: Final = 1_000_000  # pairs that tell how often strangers compare alike
_SEED: Final = 1
_LEAST_LIKELY: Final = -20.0  # bits: far less likely than anybody asks for, but two of a household are among these

_SCHEMA: Final = pa.schema(
    [
        ("unique_id", pa.string()),
        ("first_name", pa.string()),
        ("middle_initial", pa.string()),
        ("last_name", pa.string()),
        ("birthday", pa.string()),
        ("gender", pa.string()),
        ("document_number", pa.string()),
        ("street_number", pa.string()),
        ("street", pa.string()),
        ("city", pa.string()),
        ("postcode", pa.string()),
        ("phones", pa.list_(pa.string())),
        ("emails", pa.list_(pa.string())),
    ]
)
_NAME: Final = re.compile(r"[a-z_]+")


class SplinkLinker:
    """Raises `FailedPrecondition` where the extra is not installed."""

    def __init__(self) -> None:
        try:
            import splink  # noqa: F401, PLC0415  # the extra may be missing
        except ImportError as missing:
            told = (
                "comparing people needs the extra: pip install 'portrait[linking]'; "
                "without it, --plain compares what is spelled alike"
            )
            raise FailedPrecondition("LINKING_NOT_INSTALLED", told) from missing

    def compare(self, people: Sequence[Candidate]) -> Iterator[Compared]:
        """Every pair that has something in common and is not out of the question."""
        table = _table(people)
        known = {name for name in _SCHEMA.names if table[name].null_count < len(table)}
        comparisons = [comparison for comparison in COMPARISONS if comparison.column in known]
        rules = [columns for columns in WHERE_TO_LOOK if known.issuperset(_named(columns))]
        if not (comparisons and rules and len(table) > 1):
            return
        splink = _splink(table, comparisons, rules)
        splink.training.estimate_u_using_random_sampling(max_pairs=_STRANGERS, seed=_SEED)
        answers = splink.inference.predict(threshold_match_weight=log2(len(table)) + _LEAST_LIKELY)
        seen: dict[Finding, Finding] = {}  # most are alike, and millions of them would fill the memory
        for batch in answers.as_pyarrow_table().to_batches(10_000):
            for row in batch.to_pylist():
                one, other = sorted((bytes.fromhex(row["unique_id_l"]), bytes.fromhex(row["unique_id_r"])))
                findings = (_finding(comparison, row) for comparison in comparisons)
                yield Compared(one, other, tuple(seen.setdefault(each, each) for each in findings if each is not None))


def _splink(table: pa.Table, comparisons: Iterable[Comparison], where_to_look: Iterable[tuple[str, ...]]) -> "Splink":
    from splink import Linker, SettingsCreator, block_on  # noqa: PLC0415  # the extra may be missing
    from splink.backends.duckdb import DuckDBAPI  # noqa: PLC0415  # as above

    database = DuckDBAPI()
    registered = database.register(table, table_name="people")
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparison.settings() for comparison in comparisons],
        blocking_rules_to_generate_predictions=[
            block_on(*columns, arrays_to_explode=[name for name in columns if name in LISTS] or None)
            for columns in where_to_look
            if _pairs(database.duckdb_con, columns) <= MOST_PAIRS * len(table)
        ],
        probability_two_random_records_match=0.5,  # says nothing: the chance is for the caller to weigh
        retain_intermediate_calculation_columns=True,
    )
    return Linker(registered, settings, log_level=logging.ERROR)


def _table(people: Iterable[Candidate]) -> pa.Table:
    rows = [
        {
            name: value or None
            for name, value in (
                ("unique_id", who.person.hex()),
                ("middle_initial", who.middle_name[:1]),
                *((name, getattr(who, name)) for name in _SCHEMA.names if hasattr(who, name)),
            )
        }
        for who in sorted(people, key=lambda one: one.person)
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _pairs(database: Any, columns: Sequence[str]) -> int:
    """How many pairs have these columns in common."""
    keys = ", ".join(f"unnest({name})" if name in LISTS else name for name in columns)
    known = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    ((count,),) = database.execute(
        f"SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM"  # noqa: S608  # names of our own
        f" (SELECT ({keys}) AS keys FROM people WHERE {known}) GROUP BY keys)"
    ).fetchall()  # all: an unfinished answer blocks the connection
    return int(count or 0)


def _named(columns: Iterable[str]) -> set[str]:
    """The columns in expressions such as `substr(last_name, 1, 3)`."""
    return {name for column in columns for name in _NAME.findall(column) if name in _SCHEMA.names}


def _finding(comparison: Comparison, row: Mapping[str, Any]) -> Finding | None:
    level = row[f"gamma_{comparison.column}"]
    if level < 0:
        return None
    weight = row[f"mw_{comparison.column}"] + (row.get(f"mw_tf_adj_{comparison.column}") or 0.0)
    return Finding(comparison.subject, comparison.grade(level), weight)
