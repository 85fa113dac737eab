"""Times on the wire."""

from google.protobuf.timestamp_pb2 import Timestamp

from libs.runtime.clock import SECOND, Micros


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


def micros_of(time: Timestamp) -> Micros:
    """A time of the wire in microseconds."""
    return time.seconds * SECOND + time.nanos // 1000
