"""Writes everybody who meets a condition to a file: Parquet, or CSV. A file has its name only once it is whole."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from portrait.tagging.v1 import membership_pb2 as pb
from pyarrow import csv, parquet

from libs.conditions.tree import Condition, Segment, Stage, Tag, Tier
from libs.rpc.times import micros_in
from libs.runtime.errors import FailedPrecondition
from services.tagging.catalogue import Catalogues
from services.tagging.codec.crowds import condition_of, positions_on_wire
from services.tagging.domain.holding import Holding
from services.tagging.domain.names import STAGE, TIER
from services.tagging.operations.rewinding import Rewinding
from services.tagging.operations.running import Progress
from services.tagging.operations.walking import Portion, Walking
from services.tagging.queries.question import Question
from services.tagging.store.operations import Operation

SCHEMA: Final = pa.schema(
    [pa.field("person_id", pa.string(), nullable=False), pa.field("since", pa.timestamp("us", tz="UTC"))]
)
_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Exporting:
    """The work of an operation that writes a file; its request is an ExportSegmentRequest."""

    folder: Path | None
    walking: Walking
    rewinding: Rewinding
    catalogues: Catalogues

    def need_folder(self) -> Path:
        """Where files go; raises `FailedPrecondition` if nobody said."""
        if self.folder is None:
            told = "there is no folder for exports: set PORTRAIT_TAGGING_EXPORTS for the tagging service"
            raise FailedPrecondition("NO_FOLDER", told)
        return self.folder

    async def work(self, operation: Operation, progress: Progress) -> pb.SegmentExport:
        """The file that was written."""
        request = pb.ExportSegmentRequest.FromString(operation.request)
        condition = condition_of(request.crowd, "crowd")
        ending = "csv" if request.format == pb.EXPORT_FORMAT_CSV else "parquet"
        target = self.need_folder() / operation.tenant / f"{operation.id.hex()}.{ending}"
        file = _File(target, request.format, _single(condition))
        as_of = micros_in(request, "as_of")
        if as_of is not None:
            heads = await self.rewinding.log.heads()
            live = self.catalogues.live(operation.tenant)
            question = Question.of(self.walking.tenants.get(operation.tenant), condition, live)
            written = await file.write(self.rewinding.portions(question, as_of, heads, progress))
            return written.told(heads)
        async with self.walking.over(operation.tenant, condition) as walk:
            written = await file.write(_counted(walk.portions, progress))
        return written.told(walk.positions)


class _Written(NamedTuple):
    """A file that has its name, and how many people are in it."""

    path: str
    people: int
    size: int

    def told(self, positions: Mapping[int, int]) -> pb.SegmentExport:
        """The answer, as of some positions of the log of tags."""
        return pb.SegmentExport(
            path=self.path, people=self.people, bytes=self.size, positions=positions_on_wire(positions)
        )


@dataclass(frozen=True, slots=True)
class _File:
    """A file to be; `since` names what tells since when somebody is in it, None for nothing."""

    target: Path
    format: "pb.ExportFormat.ValueType"
    since: str | None

    async def write(self, portions: AsyncIterator[Portion]) -> _Written:
        """Write everybody, and give the file its name; raises `FailedPrecondition` if it can't be written."""
        with self._filing():
            await asyncio.to_thread(self._clear)
        partial = self._partials / f".{self.target.name}.{os.getpid()}"
        people = 0
        try:
            with self._filing():
                writer = self._writer(partial)
            try:
                async for portion in portions:
                    people += len(portion.met)
                    if portion.met:
                        with self._filing():
                            await asyncio.to_thread(writer.write_table, self._table(portion.met))
            finally:
                with self._filing():
                    writer.close()
            with self._filing():
                await asyncio.to_thread(_finish, partial, self.target)
                return _Written(self._path, people, self.target.stat().st_size)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    @contextmanager
    def _filing(self) -> Iterator[None]:
        """Tell the file system's errors from the database's, which pass; the host's own path stays untold."""
        try:
            yield
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "the file system fails"
            raise FailedPrecondition("NOT_WRITTEN", f"{self._path} in the folder for exports: {why}") from error

    @property
    def _path(self) -> str:
        return f"{self.target.parent.name}/{self.target.name}"

    @property
    def _partials(self) -> Path:
        return self.target.parent

    def _clear(self) -> None:
        """Have the folder, and nothing left of who went away over this file."""
        self._partials.mkdir(parents=True, exist_ok=True)
        for left in self._partials.glob(f".{self.target.name}.*"):
            left.unlink(missing_ok=True)

    def _writer(self, path: Path) -> Any:
        """Something with `write_table` and `close`; pyarrow has no types."""
        return (csv.CSVWriter if self.format == pb.EXPORT_FORMAT_CSV else parquet.ParquetWriter)(path, SCHEMA)

    def _table(self, met: Mapping[bytes, Holding]) -> pa.Table:
        held = [one.tags.get(self.since) if self.since else None for one in met.values()]
        since = [None if one is None else one.since for one in held]
        return pa.table({"person_id": [person.hex() for person in met], "since": since}, schema=SCHEMA)


def _single(condition: Condition) -> str | None:
    """The name of the one thing that a condition asks for."""
    match condition:
        case Tag(key):
            return key
        case Segment(key):
            return f"segment:{key}"
        case Stage():
            return STAGE
        case Tier():
            return TIER
        case _:
            return None


async def _counted(portions: AsyncIterator[Portion], progress: Progress) -> AsyncIterator[Portion]:
    async for portion in portions:
        progress.looked_at += portion.looked_at
        yield portion


def _finish(partial: Path, target: Path) -> None:
    """Let a whole file stand under its name, also after the machine fails."""
    for path in (partial, target.parent):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
        if path == partial:
            partial.replace(target)
