"""What is answered of interactions that were collected."""

from collections.abc import Iterable

from libs.eventlog.event import Appended
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from services.profile.codec import interactions
from services.profile.handlers import Collected, Refusal


def results(collected: Iterable[Collected]) -> list[collector_pb.CollectResult]:
    """One result for each interaction, in order."""
    return [_result(one) for one in collected]


def _result(one: Collected) -> collector_pb.CollectResult:
    match one:
        case Appended():
            return interactions.recorded(one)
        case Refusal():
            return interactions.quarantined(one.quarantine_id, one.rejected)
        case None:  # it would be recorded
            return collector_pb.CollectResult(outcome=collector_pb.OUTCOME_RECORDED)
