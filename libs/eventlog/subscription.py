"""A consumer's place in a stream: an ephemeral pull consumer, thrown away and found again whenever in doubt."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as Inbox
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from libs.eventlog.feed import Lost, Parcel
from libs.eventlog.stream import (
    BROKER_ERRORS,
    partition_in,
    position_of,
    reaching_broker,
    stream_name,
    subject_of,
)
from libs.telemetry.traces import extract

_PULL_MESSAGES: Final = 128
_PULL_BYTES: Final = 16 << 20
_PULL_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 2.0  # twice as long as a pull consumer that lives can keep silent
_FORGOTTEN_SECONDS: Final = 30.0

_PULL_EXPIRED: Final = "408"
_BYTES_REACHED: Final = "Message Size Exceeds MaxBytes"


class PullSubscription:
    """See `Subscription`. Messages come in portions, of which no more than one waits in memory.

    Nothing is acknowledged: positions prove what was missed, and the log has it. The one duty here is to notice the
    loss of the pull consumer, which for a pull that waits is no error but silence.
    """

    def __init__(self, client: Client, jetstream: JetStreamContext, log: str) -> None:
        self._client = client
        self._jetstream = jetstream
        self._log = log
        self._stream = stream_name(log)
        self._consumer = ""
        self._reply = client.new_inbox()
        self._inbox: Inbox | None = None
        self._arrived: list[Msg] = []
        self._arrival = asyncio.Event()
        self._outstanding = 0
        self._heard_at = 0.0
        self._end = ""

    async def open(self, positions: Mapping[int, int]) -> None:
        """Subscribe to partitions behind the positions given; raises errors of NATS."""
        made = await self._jetstream.add_consumer(
            self._stream,
            api.ConsumerConfig(
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=await locate(self._jetstream, self._log, positions),
                filter_subjects=[subject_of(self._log, partition) for partition in positions],
                ack_policy=api.AckPolicy.NONE,
                mem_storage=True,
                num_replicas=1,
                inactive_threshold=_FORGOTTEN_SECONDS,
            ),
        )
        self._consumer = made.name
        self._inbox = await self._client.subscribe(self._reply, cb=self._arrive)

    async def take(self, wait: float, linger: float) -> list[Parcel]:
        """See `Subscription.take`."""
        if not self._arrived:
            if self._end:
                raise Lost(self._end)
            with reaching_broker():
                await self._pull()
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrival.wait(), wait)
            if self._arrived:
                await asyncio.sleep(linger)
            elif self._outstanding and time.monotonic() - self._heard_at > _SILENCE_SECONDS:
                raise Lost("silence")
        taken, self._arrived = self._arrived, []
        return list(map(_parcel, taken))

    async def close(self) -> None:
        """Leave; what the server does not hear of, it forgets by itself."""
        with contextlib.suppress(*BROKER_ERRORS):
            if self._inbox is not None:
                await self._inbox.unsubscribe()
            if self._client.is_connected:
                await self._jetstream.delete_consumer(self._stream, self._consumer)

    async def _pull(self) -> None:
        """Keep one pull waiting at the server, so that a message comes as soon as it is published."""
        if self._outstanding > 0:
            return
        self._outstanding = _PULL_MESSAGES
        self._heard_at = time.monotonic()
        wish = {"batch": _PULL_MESSAGES, "max_bytes": _PULL_BYTES, "expires": int(_PULL_SECONDS * 1e9)}
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}", json.dumps(wish).encode(), self._reply
        )

    async def _arrive(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        self._arrival.set()
        headers = message.headers or {}
        status = headers.get(api.Header.STATUS)
        if status is None:
            self._outstanding -= 1
            self._arrived.append(message)
            return
        self._outstanding = 0
        description = headers.get(api.Header.DESCRIPTION, "")
        if status != _PULL_EXPIRED and description != _BYTES_REACHED:
            self._end = f"{status} {description}"


def _parcel(message: Msg) -> Parcel:
    partition = partition_in(message.subject)
    return Parcel(partition, position_of(message.headers), message.data, extract(message.headers))


async def locate(jetstream: JetStreamContext, log: str, positions: Mapping[int, int]) -> int:
    """The sequence of the first message that carries anything behind the positions; past the end if none does.

    Searched by bisection, because a sequence remembered from earlier means nothing in a stream that was re-created.
    """
    state = (await jetstream.stream_info(stream_name(log))).state
    found = await asyncio.gather(
        *(
            _first_behind(jetstream, log, partition, position, state.first_seq, state.last_seq + 1)
            for partition, position in positions.items()
        )
    )
    return max(1, min(found))


async def _first_behind(
    jetstream: JetStreamContext, log: str, partition: int, position: int, low: int, high: int
) -> int:
    first = high
    while low < high:
        middle = (low + high) // 2
        try:
            message = await jetstream.get_msg(
                stream_name(log), seq=middle, subject=subject_of(log, partition), next=True, direct=True
            )
        except NotFoundError:
            high = middle
            continue
        if position_of(message.headers) > position:
            first, high = message.seq or middle, middle
        else:
            low = (message.seq or middle) + 1
    return first
