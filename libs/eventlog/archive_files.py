"""Parquet files of archived events in a folder or a bucket: written under a temporary name, read by row groups.

Everything here waits for disks and networks, so the event loop calls it in threads.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from portrait.log.v1 import event_pb2 as pb
from pyarrow import fs

from libs.eventlog.archive_format import (
    BYTES,
    REPEATING,
    ROW,
    SCHEMA,
    Digest,
    Row,
    events_of,
    rows_of,
    table_of,
    times_of,
)
from libs.eventlog.blanks import says_something, without_payload
from libs.eventlog.event import Batch, Recorded
from libs.eventlog.log import Whole

GROUP_ROWS: Final = 4_096
GROUP_BYTES: Final = 4 * 1024 * 1024
PAGE_BYTES: Final = 128 * 1024
STEP_ROWS: Final = 1_024
INDEXES: Final = 512  # files whose row groups are known without a look
_SORTED_NUMBERS: Final = dict.fromkeys(("position", "recorded_at", "occurred_at"), "DELTA_BINARY_PACKED")
_UNFINISHED: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in a file: the first and last position, the number of rows, the size in bytes, the rows' digest."""

    first: int
    last: int
    rows: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Index:
    """A file's footer, and the least and greatest (tenant, key) of each row group."""

    footer: Any
    bounds: tuple[tuple[str, str, str, str], ...]

    def groups(self, tenant: str, key: str) -> list[int]:
        """Row groups that may hold a key."""
        return [
            group
            for group, (first_tenant, first_key, last_tenant, last_key) in enumerate(self.bounds)
            if first_tenant <= tenant <= last_tenant and (first_tenant < last_tenant or first_key <= key <= last_key)
        ]


class ArchiveFiles:
    """The files under one folder or URL; paths are relative to it, partly so that it can be moved."""

    def __init__(self, where: str) -> None:
        if "://" in where:
            self._system, self._root = fs.FileSystem.from_uri(where)
        else:
            self._system, self._root = fs.LocalFileSystem(), str(Path(where).absolute())
        self._index = lru_cache(INDEXES)(self._read_index)

    def write(self, path: str, partition: int) -> "Writing":
        """A file that others see when it is published."""
        full = self._full(path)
        self._system.create_dir(full.rpartition("/")[0], recursive=True)
        return Writing(self._system.open_output_stream(full + _UNFINISHED), partition)

    def publish(self, path: str, expected: Digest) -> Written:
        """Read back what was written for a path, compare, and let it be seen; raises `ArchiveDiffers`."""
        written = self.check(path + _UNFINISHED)
        if written.digest != expected.value() or written.rows != written.last - written.first + 1:
            raise ArchiveDiffers(path)
        full = self._full(path)
        self._persist(full + _UNFINISHED)
        self._system.move(full + _UNFINISHED, full)
        self._persist(full.rpartition("/")[0])
        return written

    def rewrite(self, path: str, fresh: str, partition: int, blank: Collection[int]) -> Written | None:
        """Copy a file without the payloads at some positions; None if it has none there."""
        blank, path = frozenset(blank), self.present(path)
        file = self._open(path, self._index(path).footer)
        table = file.read(columns=["position", *BYTES], use_threads=False)
        table = table.filter(pc.is_in(table["position"], pa.array(blank, pa.int64())))
        if not any(map(says_something, events_of(table))):
            return None
        writing = self.write(fresh, partition)
        for rows in self.rows(path):
            writing.add((*row[:-1], without_payload(row[-1])) if row[0] in blank else row for row in rows)
        return self.publish(fresh, writing.close())

    def tidy(self, stem: str, keep: str | None) -> None:
        """Remove every file whose path begins so, but for one: what was replaced, and what a crash left behind."""
        folder = self._full(stem).rpartition("/")[0]
        for found in self._system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
            if found.path.startswith(self._full(stem)) and (keep is None or found.path != self._full(keep)):
                self._system.delete_file(found.path)

    def present(self, path: str) -> str:
        """The path of a file, or of what replaced it: a database restored to an earlier moment knows the former one."""
        if self._system.get_file_info(self._full(path)).type == fs.FileType.NotFound:
            folder, stem = path.rpartition("/")[0], path.rpartition("-")[0]
            found = self._system.get_file_info(fs.FileSelector(self._full(folder), allow_not_found=True))
            others = [f"{folder}/{one.base_name}" for one in found if one.extension == "parquet"]
            return next((other for other in others if other.rpartition("-")[0] == stem), path)
        return path

    def check(self, path: str) -> Written:
        """Read a whole file, checksums of its pages included."""
        digest, first, last, count = Digest(), 0, 0, 0
        for rows in self.rows(path):
            digest.add(rows)
            positions = [row[0] for row in rows]
            first, last = min(first or positions[0], *positions), max(last, *positions)
            count += len(rows)
        size = self._system.get_file_info(self._full(path)).size
        return Written(first, last, count, size, digest.value())

    def rows(self, path: str) -> Iterator[list[Row]]:
        """All rows of a file in their order, row group by row group."""
        file = self._open(path, None)
        for group in range(file.num_row_groups):
            yield rows_of(file.read_row_group(group, columns=ROW, use_threads=False))

    def window(self, path: str, partition: int, after: int, until: int, most_bytes: int) -> Batch:
        """Consecutive events in order of position; a file is sorted by key, so this reads through all of it."""
        file = self._open(path, self._index(path).footer)
        footer = file.metadata
        size = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
        until = min(until, after + max(STEP_ROWS, most_bytes * footer.num_rows // max(size, 1)))
        found = [
            _within(
                file.read_row_group(group, columns=["position", "recorded_at", *BYTES], use_threads=False), after, until
            )
            for group in range(file.num_row_groups)
        ]
        table = pa.concat_tables(found).sort_by("position")
        return Batch(partition, after + 1, times_of(table), events_of(table))

    def of_key(self, path: str, tenant: str, key: bytes, after: int) -> list[Recorded]:
        """Every event of a key behind a position."""
        index, name = self._index(path), key.hex()
        groups = index.groups(tenant, name)
        if not groups:
            return []
        table = self._open(path, index.footer).read_row_groups(groups, columns=ROW, use_threads=False)
        mine = (pc.field("tenant") == tenant) & (pc.field("key") == name) & (pc.field("position") > after)
        table = table.filter(mine)
        return list(map(_recorded, table["position"].to_pylist(), times_of(table), events_of(table)))

    def last_of_keys(self, path: str, after: int, until: int) -> list[tuple[str, bytes, int]]:
        """Tenant, key and last position of every key that has events in a stretch."""
        table = _within(self._names(path), after, until)
        last = table.group_by(["tenant", "key"]).aggregate([("position", "max")])
        names = zip(last["tenant"].to_pylist(), last["key"].to_pylist(), last["position_max"].to_pylist(), strict=True)
        return [(tenant, bytes.fromhex(key), position) for tenant, key, position in names]

    def keys_at(self, path: str, positions: Collection[int]) -> dict[int, bytes]:
        """The key of the event at each position that the file holds."""
        table = self._names(path)
        table = table.filter(pc.is_in(table["position"], pa.array(positions, pa.int64())))
        return dict(zip(table["position"].to_pylist(), map(bytes.fromhex, table["key"].to_pylist()), strict=True))

    def runs(self, paths: Iterable[str], until: int, after: tuple[str, bytes] | None) -> Iterator[Whole]:
        """Every key behind one, with its events up to a position, of files in the order of their positions.

        A step of every file is in memory, and all events of one key.
        """
        ordered = merge(*(self._runs(path, place, until, after) for place, path in enumerate(paths)), key=itemgetter(0))
        for (tenant, key), parts in groupby(ordered, key=lambda part: part[0][:2]):
            yield Whole(tenant, key, [recorded for _, events in parts for recorded in events])

    def _runs(
        self, path: str, place: int, until: int, after: tuple[str, bytes] | None
    ) -> Iterator[tuple[tuple[str, bytes, int], list[Recorded]]]:
        index = self._index(path)
        groups = [group for group, bound in enumerate(index.bounds) if after is None or bound[2:] >= _named(after)]
        file = self._open(path, index.footer, buffer_size=PAGE_BYTES)
        steps = file.iter_batches(STEP_ROWS, row_groups=groups, columns=ROW, use_threads=False)
        rows = (row for step in steps for row in rows_of(pa.table(step)))
        for name, run in groupby(rows, key=itemgetter(2, 3)):
            if after is None or name > after:
                events = [_recorded(row[0], row[1], row[4]) for row in run if row[0] <= until]
                if events:
                    yield (*name, place), events

    def _names(self, path: str) -> pa.Table:
        file = self._open(path, self._index(path).footer)
        return file.read(columns=["position", "tenant", "key"], use_threads=False)

    def _read_index(self, path: str) -> Index:
        footer = self._open(path, None).metadata
        tenant, key = (SCHEMA.get_field_index(name) for name in ("tenant", "key"))
        bounds = []
        for group in range(footer.num_row_groups):
            tenants, keys = (footer.row_group(group).column(at).statistics for at in (tenant, key))
            bounds.append((tenants.min, keys.min, tenants.max, keys.max))
        return Index(footer, tuple(bounds))

    def _open(self, path: str, footer: Any, *, buffer_size: int = 0) -> Any:
        source = self._system.open_input_file(self._full(path))
        return pq.ParquetFile(
            source, metadata=footer, pre_buffer=False, buffer_size=buffer_size, page_checksum_verification=True
        )

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _persist(self, full: str) -> None:
        """A file system of this machine keeps what was written only when told to; a bucket does so by itself."""
        if self._system.type_name == "local":
            handle = os.open(full, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class Writing:
    """Writes rows, sorted by (tenant, key, position), into row groups small enough to be read for one key."""

    def __init__(self, sink: Any, partition: int) -> None:
        self.digest = Digest()
        self._partition = partition
        self._sink = sink
        self._rows: list[Row] = []
        self._bytes = 0
        self._writer = pq.ParquetWriter(
            sink,
            SCHEMA,
            compression="zstd",
            use_dictionary=REPEATING,
            column_encoding=_SORTED_NUMBERS,
            data_page_size=PAGE_BYTES,
            write_page_checksum=True,
            sorting_columns=pq.SortingColumn.from_ordering(
                SCHEMA, [(name, "ascending") for name in ("tenant", "key", "position")]
            ),
        )

    def add(self, rows: Iterable[Row]) -> None:
        """Write more rows."""
        for row in rows:
            self._rows.append(row)
            self._bytes += len(row[-1])
            if len(self._rows) == GROUP_ROWS or self._bytes >= GROUP_BYTES:
                self._flush()

    def close(self) -> Digest:
        """Write what is left; answers what the file must be equal to."""
        self._flush()
        self._writer.close()
        self._sink.close()
        return self.digest

    def _flush(self) -> None:
        if self._rows:
            self.digest.add(self._rows)
            self._writer.write_table(table_of(self._partition, self._rows))
        self._rows, self._bytes = [], 0


class ArchiveDiffers(Exception):
    """What was read back from a file is not what was written to it; the log keeps its events."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not hold what was written to it")
        self.path = path


def _within(table: pa.Table, after: int, until: int) -> pa.Table:
    return table.filter((pc.field("position") > after) & (pc.field("position") <= until))


def _recorded(position: int, recorded_at: int, event: bytes) -> Recorded:
    return Recorded(position, recorded_at, pb.Event.FromString(event))


def _named(key: tuple[str, bytes]) -> tuple[str, str]:
    return key[0], key[1].hex()
