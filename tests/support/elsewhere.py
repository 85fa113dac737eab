"""Logs of others, in memory, as a service reads them that consumes them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.blanks import without_payload
from libs.eventlog.event import Batch, Recorded, partition_of
from libs.eventlog.log_source import Standing as Heads
from libs.runtime.clock import Micros
from services.tagging.folding import INTERACTIONS

PARTITIONS: Final = 2


@dataclass(eq=False)
class Elsewhere:
    """The interactions as their owner has them, and how far identity says that it is."""

    batches: dict[int, list[Batch]] = field(default_factory=lambda: {number: [] for number in range(PARTITIONS)})
    by_key: dict[bytes, list[Recorded]] = field(default_factory=dict)
    clocks: dict[str, Micros] = field(default_factory=dict)
    consumes: "Elsewhere | None" = None

    def add(self, key: bytes, data: bytes, recorded_at: Micros) -> int:
        partition = partition_of(key, PARTITIONS)
        position = len(self.batches[partition]) + 1
        self.batches[partition].append(Batch(partition, position, [recorded_at], [data]))
        recorded = Recorded(position, recorded_at, log_pb.Event.FromString(data))
        self.by_key.setdefault(key, []).append(recorded)
        return position

    def erase(self, key: bytes, position: int) -> None:
        """Let an event say nothing any more."""
        partition, those = partition_of(key, PARTITIONS), self.by_key[key]
        index = next(index for index, one in enumerate(those) if one.position == position)
        one = those[index]
        data = without_payload(one.event.SerializeToString())
        those[index] = Recorded(position, one.recorded_at, log_pb.Event.FromString(data))
        self.batches[partition][position - 1] = Batch(partition, position, [one.recorded_at], [data])

    async def heads(self) -> dict[int, int]:
        return {partition: len(batches) for partition, batches in self.batches.items()}

    async def standing(self) -> Heads:
        consumed = {INTERACTIONS: await self.consumes.heads()} if self.consumes else {}
        return Heads(await self.heads(), consumed, dict(self.clocks))

    async def read(self, partition: int, after: int) -> AsyncIterator[Batch]:
        for one in self.batches[partition][after:]:
            yield one

    async def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        for recorded in self.by_key.get(key, ()):
            await asyncio.sleep(0)
            yield [recorded]
