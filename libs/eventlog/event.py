"""Events as bytes: how one is written, and how a run of them travels without being parsed again."""

import secrets
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from portrait.log.v1 import event_pb2 as pb

from libs.runtime.clock import Micros

_FIXED64: Final = struct.Struct("<q").pack


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event about to be appended: its wire form, and the few facts that the log itself looks at.

    `id` and `key` are 16 bytes; `digest` tells whether a repeated id has the same content.
    """

    id: bytes
    tenant: str
    key: bytes
    data: bytes
    digest: int = 0
    import_id: str = ""


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where an appended event stands; for a duplicate, where the first one stands."""

    partition: int
    position: int
    duplicate: bool = False
    differs: bool = False


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event of the log with its place and the time it was recorded (microseconds)."""

    position: int
    recorded_at: int
    event: pb.Event


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all events of one append call share; turns the rest into `NewEvent`s at a microsecond each."""

    tenant: str
    type: str
    version: int = 1
    mode: "pb.Mode.ValueType" = pb.MODE_LIVE
    import_id: str = ""
    rules_version: int = 0
    schema_revision: int = 0
    causation_id: bytes = b""
    correlation_id: bytes = b""
    traceparent: bytes = b""

    def seal(self) -> "Seal":
        """Prepare the shared fields once for many events."""
        shared = pb.Event(
            tenant=self.tenant,
            type=self.type,
            version=self.version,
            mode=self.mode,
            import_id=self.import_id,
            rules_version=self.rules_version,
            schema_revision=self.schema_revision,
            causation_id=self.causation_id,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
        )
        return Seal(self.tenant, self.import_id, shared.SerializeToString())


@dataclass(frozen=True, slots=True)
class Seal:
    """Writes events that share an envelope. Fields may stand in any order in protobuf, so the shared ones come last."""

    tenant: str
    import_id: str
    shared: bytes

    def event(
        self,
        id_: bytes,
        key: bytes,
        occurred_at: int,
        payload: bytes,
        *,
        sent_at: int | None = None,
        digest: int = 0,
        cause: bytes = b"",
    ) -> NewEvent:
        """One event; `occurred_at` and `sent_at` in microseconds, `cause` a `causation_id` of its own."""
        claimed = b"" if sent_at is None else b"\x39" + _FIXED64(sent_at)
        caused = b"\x6a" + varint(len(cause)) + cause if cause else b""
        data = b"".join(
            (
                b"\x0a\x10",
                id_,
                b"\x1a\x10",
                key,
                b"\x31",
                _FIXED64(occurred_at),
                claimed,
                b"\x42",
                varint(len(payload)),
                payload,
                self.shared,
                caused,
            )
        )
        return NewEvent(id_, self.tenant, key, data, digest, self.import_id)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events of one partition, each still in its wire form."""

    partition: int
    first_position: int
    recorded_at: Sequence[int]
    events: Sequence[bytes]

    @property
    def last_position(self) -> int:
        return self.first_position + len(self.events) - 1

    def after(self, position: int) -> "Batch":
        """The part of the batch behind a position."""
        skip = max(0, position + 1 - self.first_position)
        return Batch(self.partition, self.first_position + skip, self.recorded_at[skip:], self.events[skip:])

    def until(self, position: int) -> "Batch":
        """The part of the batch up to a position, inclusive."""
        keep = max(0, position + 1 - self.first_position)
        return Batch(self.partition, self.first_position, self.recorded_at[:keep], self.events[:keep])

    def without(self, positions: Iterable[int]) -> Iterator["Batch"]:
        """The runs that remain when the events at some of its positions, in order, are left out."""
        rest = self
        for position in positions:
            before, rest = rest.until(position - 1), rest.after(position)
            if before.events:
                yield before
        if rest.events:
            yield rest

    def then(self, following: "Batch") -> "Batch":
        """This batch and the one that follows it without a gap."""
        times, events = [*self.recorded_at, *following.recorded_at], [*self.events, *following.events]
        return Batch(self.partition, self.first_position, times, events)

    def recorded(self) -> Iterable[Recorded]:
        """The events, parsed."""
        parse = pb.Event.FromString
        for index, (recorded_at, data) in enumerate(zip(self.recorded_at, self.events, strict=True)):
            yield Recorded(self.first_position + index, recorded_at, parse(data))

    def origin(self) -> bytes:
        """The traceparent of the first event, which speaks for all: to look into each costs more than publishing it."""
        return pb.Event.FromString(self.events[0]).traceparent

    def to_wire(self, log: str) -> bytes:
        """The batch as a serialized `portrait.log.v1.EventBatch`."""
        return pb.SealedEventBatch(
            log=log,
            partition=self.partition,
            first_position=self.first_position,
            recorded_at_micros=self.recorded_at,
            events=self.events,
        ).SerializeToString()

    @staticmethod
    def from_wire(data: bytes) -> "Batch":
        """The opposite of `to_wire`."""
        wire = pb.SealedEventBatch.FromString(data)
        return Batch(wire.partition, wire.first_position, wire.recorded_at_micros, wire.events)


def halves(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Batches cut in two, in order, with as many events in each as can be; there must be two events at least."""
    left = sum(len(batch.events) for batch in batches) // 2
    first: list[Batch] = []
    for index, batch in enumerate(batches):
        if left <= len(batch.events):
            cut = batch.first_position + left - 1
            rest = batch.after(cut)
            return [*first, batch.until(cut)], [*([rest] if rest.events else []), *batches[index + 1 :]]
        first.append(batch)
        left -= len(batch.events)
    raise AssertionError("unreachable: half of the events lies within them")


def varint(value: int) -> bytes:
    """A non-negative integer in protobuf's variable-length form."""
    if value < len(_SMALL):
        return _SMALL[value]
    return _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL: Final = [_varint(value) for value in range(1 << 14)]


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key. Keys are HMACs, so their first bytes spread evenly and are the same in every process."""
    return (key[0] << 8 | key[1]) % partitions


def uuid7(now: Micros) -> bytes:
    """A fresh event id that sorts by time (RFC 9562, section 5.7): 48 bits of milliseconds, then chance."""
    chance = secrets.token_bytes(10)
    version, variant = chance[0] & 0x0F | 0x70, chance[2] & 0x3F | 0x80
    return b"".join(((now // 1000).to_bytes(6, "big"), bytes((version, chance[1], variant)), chance[3:]))
