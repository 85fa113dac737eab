"""The port to a broker: a disposable feed a log, on which batches reach consumers sooner than from the log itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from libs.eventlog.event import Batch
from libs.runtime.errors import Unavailable


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How much of a log a stream keeps. What it forgets, consumers read from the log itself."""

    max_age_seconds: float = 24 * 3600
    max_bytes: int = 1 << 30
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a partition on its stream: the last position on it, and the sequence that carries it (0 for none)."""

    position: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch as it travels; unopened, because opening what was delivered before would cost more than carrying it.

    `last_position` is 0 where no relay wrote it. `origin` is the binary traceparent that speaks for the batch.
    """

    partition: int
    last_position: int
    data: bytes
    origin: bytes = b""


class Overtaken(Exception):
    """Somebody else published to the partition since its end was read: read it again."""


class Oversized(Exception):
    """The broker carries no message as large as this batch."""


class NoStream(Unavailable):
    """The log has no stream: it was never made, or is gone with all that it carried."""

    def __init__(self, log: str) -> None:
        super().__init__("broker", f"there is no stream of {log}")


class Lost(Unavailable):
    """The subscription is gone, or silent for so long that it must be."""

    def __init__(self, sign: str) -> None:
        super().__init__("broker", f"the subscription is lost: {sign}")


class Subscription(Protocol):
    """Parcels of some partitions in the order of the stream. What is missing, positions prove, and the log has it."""

    async def take(self, wait: float, linger: float) -> list[Parcel]:
        """What arrives in at most `wait` seconds; after the first, what follows it within `linger`.

        Raises `Lost`, or `Unavailable` while the broker can't be reached; either ends the subscription.
        """
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class Feed(Protocol):
    """One log's stream. Every call raises `Unavailable` while the broker can't be reached."""

    async def ensure(self, partitions: int, settings: StreamSettings) -> str:
        """Make the stream, or bring one that exists to these settings; answers which one of its name it is."""
        ...

    async def publish(self, batch: Batch, *, follows: int, origin: bytes, seconds: float) -> int:
        """Publish a batch behind the sequence that its partition must end with; answers its own sequence.

        Raises `Overtaken` or `Oversized`. After any other error, or the end of the seconds, the outcome is unknown.
        """
        ...

    async def end(self, partition: int) -> Tail | None:
        """The end of a partition, None where the stream has nothing of it. Raises `NoStream`."""
        ...

    async def purge(self, partition: int) -> None:
        """Forget all that the stream has of a partition."""
        ...

    async def discard(self, stream: str) -> None:
        """Give up the stream that `ensure` told of, with all that it carries; not one that was made anew since."""
        ...

    async def subscribe(self, positions: Mapping[int, int]) -> Subscription:
        """Subscribe to partitions, each behind a position."""
        ...


class Broker(Protocol):
    """Carries the feeds of many logs, and may be down."""

    def feed(self, log: str) -> Feed:
        """The feed of a log."""
        ...


def heed_cancellation() -> None:
    """Raise the cancellation that a client swallowed: that of NATS suppresses those that come while it flushes.

    A loop that talks to a broker calls this once a turn, or it could not be stopped.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
