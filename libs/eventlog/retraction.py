"""Taking events back: one event that names positions of its key, which count as never sent."""

from collections.abc import Sequence
from hashlib import blake2b

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import Envelope, NewEvent
from libs.eventlog.projection import RETRACTED
from libs.runtime.clock import Micros


def retraction(
    tenant: str, key: bytes, positions: Sequence[int], reason: str, now: Micros, *, traceparent: bytes = b""
) -> NewEvent:
    """The event that takes back some of a key's events. Its id comes of the positions: taken back twice is once."""
    gone = sorted(positions)
    return (
        Envelope(tenant, RETRACTED, traceparent=traceparent)
        .seal()
        .event(
            blake2b(f"{RETRACTED}\0{gone}".encode(), digest_size=16, key=key).digest(),
            key,
            now,
            pb.Retracted(positions=gone, reason=reason).SerializeToString(),
        )
    )
