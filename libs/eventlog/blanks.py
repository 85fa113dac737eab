"""What erasing means to a log, whichever store keeps it."""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import Envelope, NewEvent, Recorded
from libs.eventlog.projection import BLANKED, RETRACTED, blanked_positions
from libs.runtime.clock import Micros
from libs.runtime.errors import InvalidArgument

KEPT: Final = frozenset({RETRACTED, BLANKED})
"""Types that say nothing of anybody, and without which what they took back would stand again."""


def to_blank(events: Sequence[Recorded], positions: Collection[int] | None) -> list[int]:
    """Positions among a key's events that are to be erased and are not yet; None means all of them.

    Raises `InvalidArgument` for a position that is not the key's, or that must be kept.
    """
    types = {recorded.position: recorded.event.type for recorded in events}
    for position in positions or ():
        if position not in types:
            raise InvalidArgument("positions", f"{position} is no event of this key")
        if types[position] in KEPT:
            raise InvalidArgument("positions", f"{position} is {types[position]!r}, which must be kept")
    wanted = types.keys() if positions is None else set(positions)
    erased = blanked_positions(events)
    return [
        recorded.position
        for recorded in events
        if recorded.position in wanted
        and recorded.position not in erased
        and recorded.event.payload
        and recorded.event.type not in KEPT
    ]


def blanked_event(tenant: str, key: bytes, positions: Sequence[int], reason: str, now: Micros) -> NewEvent:
    """The event that erases; the same one for the same positions."""
    payload = pb.Blanked(positions=positions, reason=reason).SerializeToString()
    id_ = blake2b(f"{BLANKED}\0{list(positions)}".encode(), digest_size=16, key=key).digest()
    return Envelope(tenant, BLANKED).seal().event(id_, key, now, payload)


def without_payload(data: bytes) -> bytes:
    """An event that says nothing any more, and otherwise is what it was."""
    event = pb.Event.FromString(data)
    event.ClearField("payload")
    return event.SerializeToString()


def says_something(data: bytes) -> bool:
    """Whether an event still has its payload."""
    return bool(pb.Event.FromString(data).payload)
