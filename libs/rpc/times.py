"""Times on the wire."""

from typing import Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

EARLIEST_SECONDS: Final = -2_208_988_800
LATEST_SECONDS: Final = 253_402_214_399
"""From 1900-01-01 to 9999-12-30, so that there is room for the zone that shifts the day furthest."""

_NANOS: Final = 1_000_000_000


def timestamp(micros: Micros | None) -> Timestamp | None:
    """A time on the wire; None stays absent."""
    if micros is None:
        return None
    seconds, rest = divmod(micros, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def tell_time(time: Timestamp, micros: Micros) -> None:
    """Set a time where it stands in its message."""
    time.seconds, rest = divmod(micros, SECOND)
    if rest:
        time.nanos = rest * 1000


def micros_in(message: Message, field: str, path: str = "") -> Micros | None:
    """The time in a field of a message, None where it is absent; `path` leads to the message, such as "at.".

    Raises `InvalidArgument` for what is no time, or doesn't lie from 1900 to 9999.
    """
    if not message.HasField(field):
        return None
    time: Timestamp = getattr(message, field)
    if not 0 <= time.nanos < _NANOS:
        raise InvalidArgument(f"{path}{field}.nanos", f"must be between 0 and {_NANOS - 1:,}")
    if not EARLIEST_SECONDS <= time.seconds <= LATEST_SECONDS:
        raise InvalidArgument(f"{path}{field}", "must be a time from 1900-01-01 to 9999-12-30")
    return time.seconds * SECOND + time.nanos // 1000
