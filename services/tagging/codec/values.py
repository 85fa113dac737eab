"""Values of tags, and how somebody came by them, to and from protobuf and columns."""

from collections.abc import Mapping
from typing import Final

import msgspec
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as pb

from libs.conditions.comparisons import Scalar
from services.tagging.domain.verdict import Against, Origin

_ORIGINS: Final[Mapping[Origin, pb.Origin.ValueType]] = {
    "rule": pb.ORIGIN_RULE,
    "inferred": pb.ORIGIN_INFERRED,
    "by_hand": pb.ORIGIN_BY_HAND,
    "imported": pb.ORIGIN_IMPORTED,
}
_ORIGINS_BACK: Final = {number: name for name, number in _ORIGINS.items()}
_AGAINST: Final[Mapping[Against, events.RemovalReason.ValueType]] = {
    "condition": events.REMOVAL_REASON_CONDITION,
    "expired": events.REMOVAL_REASON_EXPIRED,
    "cleared": events.REMOVAL_REASON_CLEARED,
    "cleaned": events.REMOVAL_REASON_CLEANED,
    "retired": events.REMOVAL_REASON_RETIRED,
    "merged": events.REMOVAL_REASON_MERGED,
}


def value_on_wire(value: Scalar | None) -> pb.TagValue | None:
    """A value on the wire; None stays absent."""
    match value:
        case None:
            return None
        case bool():
            return pb.TagValue(flag=value)
        case str():
            return pb.TagValue(text=value)
        case _:
            return pb.TagValue(number=value)


def value_of(wire: pb.TagValue) -> Scalar | None:
    """A value of the wire; None where none is given."""
    match wire.WhichOneof("value"):
        case "flag":
            return wire.flag
        case "text":
            return wire.text
        case "number":
            return int(wire.number) if wire.number.is_integer() else wire.number
        case None:
            return None


def packed(value: Scalar | None) -> bytes | None:
    """A value as a column; None stays NULL."""
    return None if value is None else msgspec.msgpack.encode(value)


def unpacked(column: bytes | None) -> Scalar | None:
    """The opposite of `packed`."""
    return None if column is None else msgspec.msgpack.decode(column, type=Scalar | None)


def origin_on_wire(origin: Origin) -> pb.Origin.ValueType:
    """How somebody came by a value."""
    return _ORIGINS[origin]


def origin_of(wire: pb.Origin.ValueType) -> Origin:
    """The opposite of `origin_on_wire`; what only a newer release knows is a rule's."""
    return _ORIGINS_BACK.get(wire, "rule")


def against_on_wire(against: Against) -> events.RemovalReason.ValueType:
    """Why somebody does not have a tag any more."""
    return _AGAINST[against]
