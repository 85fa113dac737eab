"""Who is asked for, and how many they are, on the wire."""

from collections.abc import Mapping
from typing import Final

from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import membership_pb2 as pb

from libs.conditions.tree import All, Condition, Segment
from libs.conditions.wire import from_wire
from libs.conditions.yaml_form import read_condition
from libs.rpc.times import timestamp
from libs.runtime.clock import Micros
from libs.runtime.errors import InvalidArgument
from services.tagging.domain.names import EVERYONE, key_of

EVERYONE_KEY: Final = key_of(EVERYONE)


def condition_of(reference: pb.CrowdReference, field: str) -> Condition:
    """The condition that says who is asked for; raises `InvalidArgument` with the path in it, behind `field`."""
    match reference.WhichOneof("crowd"):
        case "segment":
            return All(()) if reference.segment == EVERYONE_KEY else Segment(reference.segment)
        case "document":
            try:
                return read_condition(reference.document)
            except InvalidArgument as error:
                told = f"{error.field}: {error.message}" if error.field else error.message
                raise InvalidArgument(f"{field}.document", told, error.reason) from None
        case "condition":
            return from_wire(reference.condition, f"{field}.condition")
        case _:
            raise InvalidArgument(field, "is missing")


def positions_on_wire(positions: Mapping[int, int]) -> list[Position]:
    """How far a log was read."""
    return [Position(partition=partition, position=position) for partition, position in positions.items()]


def counted(people: int, population: int, positions: Mapping[int, int], now: Micros | None = None) -> pb.CrowdSize:
    """A size of which everybody was counted, as of a moment where what they did was looked at."""
    return pb.CrowdSize(
        people=people,
        population=population,
        exactness=pb.EXACTNESS_EXACT,
        low=people,
        high=people,
        positions=positions_on_wire(positions),
        as_of=timestamp(now),
    )
