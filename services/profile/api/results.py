"""What is answered of interactions that were collected."""

from collections.abc import Iterable
from typing import TypeVar

from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb

from libs.eventlog.event import Appended
from services.profile.codec import interactions
from services.profile.handlers import Collected, Refusal

Response = TypeVar("Response", collector_pb.CollectResponse, quarantine_pb.ReprocessResponse)


def answered(response: Response, collected: Iterable[Collected]) -> Response:
    """The response with one result for each interaction, in order.

    Results are filled where they stand: making them first and copying them in takes three times as long.
    """
    add = response.results.add
    for one in collected:
        match one:
            case Appended():
                interactions.tell_place(add(), one)
            case Refusal():
                interactions.tell_why(add(), one.quarantine_id, one.rejected)
            case None:  # it would be recorded
                add(outcome=collector_pb.OUTCOME_RECORDED)
    return response
