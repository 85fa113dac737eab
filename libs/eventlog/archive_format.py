"""Events as rows of a Parquet file: columns for people and for DuckDB, and the exact bytes for Portrait.

An event's bytes are `event_head || payload || event_tail`: the payload stands in a file once, as text, and what stands
around it on the wire beside it. A payload that is no JSON document stays within `event_head`, and `payload` is null.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC
from hashlib import blake2b
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from portrait.log.v1 import event_pb2 as pb

Row = tuple[int, int, str, bytes, bytes]
"""Position, recorded_at (microseconds), tenant, key and bytes of an event."""

_TIME: Final = pa.timestamp("us", tz=str(UTC))
SCHEMA: Final = pa.schema(
    [
        ("partition", pa.int16()),
        ("position", pa.int64()),
        ("recorded_at", _TIME),
        ("tenant", pa.string()),
        ("key", pa.string()),  # hexadecimal, as `portrait profile show` takes it
        ("event_id", pa.string()),
        ("type", pa.string()),
        ("version", pa.int32()),
        ("occurred_at", _TIME),
        ("mode", pa.string()),
        ("import_id", pa.string()),
        ("payload", pa.string()),
        ("event_head", pa.binary()),
        ("event_tail", pa.binary()),
    ]
)
REPEATING: Final = ["partition", "tenant", "key", "type", "version", "mode", "import_id", "event_tail"]
BYTES: Final = ["event_head", "payload", "event_tail"]
ROW: Final = ["position", "recorded_at", "tenant", "key", *BYTES]

_FACTS: Final = struct.Struct("<qqII").pack
_MODES: Final = {value: name.removeprefix("MODE_").lower() for name, value in pb.Mode.items()}


class Digest:
    """A hash over rows in the order of their file; equal if and only if every byte of every event is."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=32)

    def add(self, rows: Iterable[Row]) -> None:
        """Take more rows in."""
        update = self._hash.update
        for position, recorded_at, tenant, key, event in rows:
            name = tenant.encode()
            update(b"".join((_FACTS(position, recorded_at, len(name), len(event)), name, key, event)))

    def value(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


def table_of(partition: int, rows: Sequence[Row]) -> pa.Table:
    """Rows as columns."""
    positions, times, tenants, keys, wires = zip(*rows, strict=True)
    events = [pb.Event.FromString(wire) for wire in wires]
    heads, payloads, tails = zip(*map(_split, wires, events), strict=True)
    return pa.table(
        [
            pa.repeat(pa.scalar(partition, pa.int16()), len(rows)),
            pa.array(positions, pa.int64()),
            pa.array(times, pa.int64()).cast(_TIME),
            pa.array(tenants, pa.string()),
            pa.array([key.hex() for key in keys], pa.string()),
            pa.array([event.id.hex() for event in events], pa.string()),
            pa.array([event.type for event in events], pa.string()),
            pa.array([event.version for event in events], pa.int32()),
            pa.array([event.occurred_at_micros for event in events], pa.int64()).cast(_TIME),
            pa.array([_MODES.get(event.mode, str(event.mode)) for event in events], pa.string()),
            pa.array([event.import_id for event in events], pa.string()),
            pa.array(payloads, pa.string()),
            pa.array(heads, pa.binary()),
            pa.array(tails, pa.binary()),
        ],
        schema=SCHEMA,
    )


def rows_of(table: pa.Table) -> list[Row]:
    """The opposite of `table_of`, from the columns named by `ROW`."""
    return list(
        zip(
            table["position"].to_pylist(),
            times_of(table),
            table["tenant"].to_pylist(),
            map(bytes.fromhex, table["key"].to_pylist()),
            events_of(table),
            strict=True,
        )
    )


def times_of(table: pa.Table) -> list[int]:
    """When the events were recorded, in microseconds."""
    times: list[int] = table["recorded_at"].cast(pa.int64()).to_pylist()
    return times


def events_of(table: pa.Table) -> list[bytes]:
    """The exact bytes of the events, from the columns named by `BYTES`."""
    head, payload, tail = (table[name].cast(pa.binary()) for name in BYTES)
    joined: Any = pc.binary_join_element_wise(head, payload, tail, b"", null_handling="replace", null_replacement=b"")
    events: list[bytes] = joined.to_pylist()
    return events


def _split(wire: bytes, event: pb.Event) -> tuple[bytes, str | None, bytes]:
    """Wherever the payload's bytes are found in the event's, cutting them out and putting them back changes nothing."""
    if event.payload.startswith(b"{"):
        try:
            text = event.payload.decode()
        except UnicodeDecodeError:
            return wire, None, b""
        head, _, tail = wire.partition(event.payload)
        return head, text, tail
    return wire, None, b""
