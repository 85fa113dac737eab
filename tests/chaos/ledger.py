"""What producers said, and what they were told: the promises that the log is held to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from portrait.profile.v1 import collector_service_pb2 as pb

from services.profile.domain.incoming import event_id_of

Place = tuple[int, int]  # partition and position


class Said(msgspec.Struct, frozen=True, gc=False):
    """An interaction as it was sent."""

    message_id: str
    event_id: bytes
    document: bytes


def say(message_id: str, document: bytes) -> Said:
    """An interaction with the id that the log will know it by."""
    return Said(message_id, event_id_of(message_id), document)


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """An interaction, and where it was said to stand; `repeat` if it was said to be known, `differs` by other words."""

    said: Said
    place: Place
    repeat: bool
    differs: bool


@dataclass
class Ledger:
    """What was said since the beginning, and what was answered since the last look.

    `unknown` were sent in calls that failed: they may be in the log or not. `taken_back` are retractions acknowledged.
    `wrong` are answers that no fault excuses.
    """

    sent: dict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    acknowledged: list[Acknowledged] = field(default_factory=list)
    taken_back: list[Acknowledged] = field(default_factory=list)
    unknown: list[Said] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def send(self, said: Sequence[Said]) -> None:
        """Take note of what is on its way."""
        for one in said:
            documents = self.sent[one.event_id]
            if one.document not in documents:
                documents.append(one.document)

    def answer(self, said: Sequence[Said], results: Sequence[Any]) -> list[Acknowledged]:
        """Take note of the answer to a call; what was recorded or known."""
        if len(said) != len(results):
            self.wrong.append(f"{len(said)} interactions were answered by {len(results)} results")
        answered = []
        for one, result in zip(said, results, strict=False):
            if result.outcome not in (pb.OUTCOME_RECORDED, pb.OUTCOME_DUPLICATE):
                self.wrong.append(f"{one.message_id} was quarantined: {result.rejection.message}")
                continue
            place = (result.position.partition, result.position.position)
            repeat = result.outcome == pb.OUTCOME_DUPLICATE
            answered.append(Acknowledged(one, place, repeat, result.content_differs))
        self.acknowledged += answered
        return answered

    def close(self) -> None:
        """Begin a new page: what was acknowledged has been checked."""
        self.acknowledged, self.taken_back, self.unknown, self.wrong = [], [], [], []
