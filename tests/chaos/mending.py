"""What an operator does once the release that failed over some events is mended: try their keys again."""

from typing import Any

from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1 import projections_service_pb2_grpc as rpc

from libs.rpc.client import channel, metadata_for
from tests.chaos.stage import CONSUMERS, Stage
from tests.chaos.town import TENANT
from tests.support.reference_consumer.counts import CONSUMER


async def retry_dead_letters(stage: Stage) -> list[str]:
    """Retry every key that the consumers parked, at one of them; answers what still fails."""
    async with channel(stage.replicas[CONSUMERS[0]].target) as connected:
        projections: Any = rpc.ProjectionsStub(connected)
        still = []
        for key in await _parked(projections):
            request = pb.RetryDeadLetterRequest(projection=CONSUMER, key=key)
            answer = await projections.RetryDeadLetter(request, timeout=5, metadata=metadata_for(TENANT))
            if answer.HasField("failed"):
                still.append(f"the dead letter of {key.hex()} fails again: {answer.failed.cause}")
    return still


async def _parked(projections: Any) -> set[bytes]:
    keys, page = set(), ""
    while True:
        request = pb.ListDeadLettersRequest(projection=CONSUMER, page_size=500, page_token=page)
        answer = await projections.ListDeadLetters(request, timeout=5, metadata=metadata_for(TENANT))
        keys |= {letter.key for letter in answer.dead_letters}
        if not (page := answer.next_page_token):
            return keys
