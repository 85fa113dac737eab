"""Following a log from its end, or from where somebody was, for whoever watches it over a call that never ends."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from portrait.log.v1.event_pb2 import Position

from libs.eventlog.event import Recorded
from libs.eventlog.log import LogReader
from libs.runtime.errors import InvalidArgument

POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Tail:
    """A log from some positions on, by partition."""

    log: LogReader
    begun: Mapping[int, int]

    @classmethod
    async def of(cls, log: LogReader, behind: Iterable[Position]) -> "Tail":
        """The log from where somebody was, and from its end in partitions that they say nothing of.

        Raises `InvalidArgument` for a position of `behind` that the log does not have.
        """
        heads = await log.heads()
        return cls(log, _beginnings(heads, behind))

    def beginnings(self) -> list[Position]:
        """Where it begins in each partition, told first so that whoever hears no more can still go on from there."""
        return [Position(partition=partition, position=position) for partition, position in self.begun.items()]

    async def follow(self, tenant: str) -> AsyncIterator[tuple[Position, Recorded]]:
        """Every event of a tenant as it is recorded, without end."""
        positions = dict(self.begun)
        while True:
            batches = await self.log.read(positions)
            for batch in batches:
                for recorded in batch.recorded():
                    if recorded.event.tenant == tenant:
                        yield Position(partition=batch.partition, position=recorded.position), recorded
                positions[batch.partition] = batch.last_position
            if not batches:
                await asyncio.sleep(POLL_SECONDS)


def _beginnings(heads: Mapping[int, int], behind: Iterable[Position]) -> dict[int, int]:
    begun = dict(heads)
    for index, one in enumerate(behind):
        if one.partition not in heads:
            raise InvalidArgument(f"behind[{index}].partition", f"the log has {len(heads)} partitions")
        if one.position > heads[one.partition]:
            told = f"is beyond the end of the partition, which is {heads[one.partition]:,}"
            raise InvalidArgument(f"behind[{index}].position", told)
        begun[one.partition] = one.position
    return begun
