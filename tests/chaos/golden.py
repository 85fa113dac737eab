"""What must follow from the interactions log for its consumers, and the keys that it is filed by."""

from functools import cache
from typing import Final

from libs.eventlog.event import Recorded
from libs.runtime.tenants import Tenants
from tests.chaos.town import TENANT
from tests.support.golden_people import GoldenPeople

PARTITIONS: Final = 8


def people() -> GoldenPeople:
    """The people of whom nothing is known yet."""
    return GoldenPeople(Tenants.demo().get(TENANT), PARTITIONS)


@cache
def key_of(account: str) -> bytes:
    """The key of a user id."""
    return people().key("user_id", account)


def outputs_of(events: list[Recorded]) -> list[tuple[bytes, bytes]]:
    """What the reference consumer must have recorded of a key with this log: cause and payload, in this order."""
    return [(recorded.event.id, str(count).encode()) for count, recorded in enumerate(events, 1)]
