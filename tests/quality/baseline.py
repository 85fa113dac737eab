"""Splink as its tutorial sets it up: its library's comparisons, trained without labels, its own clustering."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import splink.comparison_library as cl
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

from tests.quality.records import Listed

THRESHOLD: Final = 0.95
_COMPARISONS: Final = {
    "first_name": cl.NameComparison("first_name"),
    "last_name": cl.NameComparison("last_name"),
    "middle_name": cl.ExactMatch("middle_name"),
    "birthday": cl.LevenshteinAtThresholds("birthday", 1),
    "document_number": cl.LevenshteinAtThresholds("document_number", 1),
    "street_number": cl.ExactMatch("street_number"),
    "street": cl.LevenshteinAtThresholds("street", [1, 3]),
    "postcode": cl.ExactMatch("postcode"),
}
_SEED: Final = 1


def clustered(records: Sequence[Listed]) -> Iterator[list[bytes]]:
    """Records that Splink makes one person of."""
    listed = {list_: _table(records, list_) for list_ in sorted({record.list for record in records})}
    database = DuckDBAPI()
    tables = [database.register(table, table_name=name) for name, table in listed.items()]
    shared = set.intersection(*(_known(table) for table in listed.values()))
    settings = SettingsCreator(
        link_type="dedupe_only" if len(tables) == 1 else "link_only",
        comparisons=[comparison for name, comparison in _COMPARISONS.items() if name in shared],
        blocking_rules_to_generate_predictions=[
            block_on(*names)
            for names in (("first_name", "last_name"), ("last_name", "street"), ("first_name", "street"), ("birthday",))
            if shared.issuperset(names)
        ],
    )
    linker = Linker(tables if len(tables) > 1 else tables[0], settings, log_level=logging.ERROR)
    certain = [block_on("first_name", "last_name", "street")]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=_SEED)
    for names in (("first_name", "last_name"), ("street", "street_number")):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*names), record_sample_proportion=1.0
        )
    predicted = linker.inference.predict(threshold_match_probability=THRESHOLD)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=THRESHOLD
    )
    people: dict[Any, list[bytes]] = {}
    for row in clusters.as_pyarrow_table().to_pylist():
        people.setdefault(row["cluster_id"], []).append(bytes.fromhex(row["unique_id"]))
    yield from people.values()


def _table(records: Sequence[Listed], list_: str) -> pa.Table:
    schema = pa.schema([("unique_id", pa.string()), *((name, pa.string()) for name in _COMPARISONS)])
    rows = [{"unique_id": record.id.hex(), **record.traits} for record in records if record.list == list_]
    return pa.Table.from_pylist(rows, schema=schema)


def _known(table: pa.Table) -> set[str]:
    return {name for name in table.column_names if table[name].null_count < len(table)}
