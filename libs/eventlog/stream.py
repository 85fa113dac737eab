"""How a log lies on JetStream: what its stream and subjects are called, what its messages carry, what errors mean."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import nats.errors
from nats.js.errors import APIError, NotFoundError

from libs.runtime.errors import Unavailable

FIRST_POSITION: Final = "Portrait-First-Position"
LAST_POSITION: Final = "Portrait-Last-Position"

REQUEST_SECONDS: Final = 2.0

# Whatever a broker that is down, restarting or wiped can raise; all of it passes.
BROKER_ERRORS: Final = (nats.errors.Error, OSError, Unavailable)

# JetStream says "wrong last sequence" with the first code for a single message, with the second for a batch or replica.
_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
_STREAM_NOT_FOUND: Final = 10059


def stream_name(log: str) -> str:
    """Name of the stream that carries a log."""
    return f"PORTRAIT_{log.upper()}"


def subject_of(log: str, partition: int) -> str:
    """The subject of one partition; there are never more subjects than partitions."""
    return f"portrait.{log}.{partition}"


def partition_in(subject: str) -> int:
    """The partition that a subject of `subject_of` names."""
    return int(subject.rsplit(".", 1)[1])


def position_of(headers: Mapping[str, str] | None, name: str = LAST_POSITION) -> int:
    """A position that the relay wrote on a message; 0 on a message that no relay wrote."""
    position = (headers or {}).get(name, "")
    return int(position) if position.isdecimal() else 0


def is_conflict(error: BaseException) -> bool:
    """Whether somebody else published to the subject since we last looked."""
    return isinstance(error, APIError) and error.err_code in _WRONG_LAST_SEQUENCE


def is_stream_missing(error: BaseException) -> bool:
    """Whether the stream itself is gone, not just a message of it."""
    return isinstance(error, NotFoundError) and error.err_code == _STREAM_NOT_FOUND


@contextmanager
def reaching_broker() -> Iterator[None]:
    """Raise `Unavailable` for whatever the broker fails with; what was asked of it may or may not have been done."""
    try:
        yield
    except Unavailable:
        raise
    except BROKER_ERRORS as error:
        raise Unavailable("broker", repr(error)) from error
