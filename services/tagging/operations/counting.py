"""Counts everybody who meets a condition."""

from dataclasses import dataclass

from portrait.tagging.v1 import membership_pb2 as pb

from services.tagging.codec.crowds import condition_of, counted
from services.tagging.operations.running import Progress
from services.tagging.operations.walking import Walking
from services.tagging.store.operations import Operation


@dataclass(frozen=True, slots=True)
class Counting:
    """The work of an operation that counts; its request is a CountSegmentRequest."""

    walking: Walking

    async def work(self, operation: Operation, progress: Progress) -> pb.CrowdSize:
        """The size of the crowd."""
        request, people = pb.CountSegmentRequest.FromString(operation.request), 0
        async with self.walking.over(operation.tenant, condition_of(request.crowd, "crowd")) as walk:
            async for portion in walk.portions:
                progress.looked_at += portion.looked_at
                people += len(portion.met)
        return counted(people, progress.looked_at, walk.positions, walk.now)
