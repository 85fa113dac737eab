"""An identity log that says what a test wants it to say, served and published as the identity service does."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from portrait.identity.v1 import events_pb2 as pb

from libs.devstack.stack import Stack
from libs.eventlog.event import Appended, Envelope, NewEvent
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from libs.people.identity_events import CUT, LOG, MOVED, CutMade, Move
from libs.people.spans import AtTimes, ByIdentifier, BySession
from libs.runtime.clock import SystemClock
from tests.support.logs import running
from tests.support.reference_process import owner_of
from tests.support.transport import relay_of

PARTITIONS = 8


@dataclass
class SaidIdentity:
    """What is said of who is who, and how far the interactions log is said to be consumed."""

    log: MemoryLog
    address: str = ""
    consumed: dict[int, int] = field(default_factory=dict)

    async def says(self, *news: Move | CutMade, tenant: str = "demo") -> Sequence[Appended]:
        return await self.log.append([_event(one, tenant) for one in news])

    async def so_far(self) -> dict[str, dict[int, int]]:
        return {"interactions": dict(self.consumed)}


@asynccontextmanager
async def said_identity(stack: Stack) -> AsyncIterator[SaidIdentity]:
    """Served on a free port, and relayed to the stack's broker."""
    said = SaidIdentity(MemoryLog(LOG, PARTITIONS, SystemClock()))
    async with (
        Broker(stack.nats.url, name="said-identity") as broker,
        running(relay_of(said.log, broker)),
        owner_of(said.log, said.so_far) as said.address,
    ):
        yield said


def _event(one: Move | CutMade, tenant: str) -> NewEvent:
    if isinstance(one, Move):
        kind, payload = MOVED, pb.Moved(span=one.span, to_person=one.person, version=one.version).SerializeToString()
    else:
        kind, payload = CUT, _cut(one).SerializeToString()
    return Envelope(tenant, kind).seal().event(os.urandom(16), one.identifier, SystemClock().now(), payload)


def _cut(made: CutMade) -> pb.AnchorCut:
    cut = pb.AnchorCut(version=made.version)
    match made.cut:
        case BySession():
            cut.by_session.SetInParent()
        case ByIdentifier():
            cut.by_identifier.SetInParent()
        case AtTimes(times):
            cut.at_times.times_micros.extend(times)
    return cut
