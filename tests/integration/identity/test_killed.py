"""Replicas of identity that are killed in the midst of resolving end with the people and portraits of all at once."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from portrait.identity.v1 import identities_service_pb2 as identity_pb
from portrait.identity.v1 import identities_service_pb2_grpc as identity_rpc
from portrait.identity.v1 import rules_pb2
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.eventlog.log_source import GrpcLogSource
from libs.people.identity_events import LOG as IDENTITY
from libs.people.rules_document import written
from libs.rpc.client import channel, details_of
from libs.runtime.errors import Unavailable
from libs.runtime.tenants import Tenants
from services.identity.domain.decisions import Allowed, Blocked, Forbidden, Linked, Unblocked, Unlinked
from services.identity.domain.evidence import Sighting
from services.identity.domain.resolution import resolve
from tests.support.golden_people import golden_of
from tests.support.identity import TYPES, Input, Retracted, inputs, name, seen
from tests.support.identity_histories import TIGHT, histories
from tests.support.identity_tables import resolved
from tests.support.mortal_identity import Moment
from tests.support.mortal_stack import Mortal, mortal_stack
from tests.support.profile import Client, Speaking
from tests.support.transport import eventually

TENANT: Final = Tenants.demo().get("demo")
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
WITHIN: Final = 90.0  # seconds until two deaths are made good, on a machine that has other things to do

# One history for each moment, for a restart takes seconds. No shrinking: what happens at once never does so again.
killed = settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
histories_of_some_length = histories().filter(lambda told: len(told) > 10)  # enough to die in

_METHODS: Final[dict[type, tuple[str, Any]]] = {
    Linked: ("Link", identity_pb.LinkRequest),
    Unlinked: ("Unlink", identity_pb.UnlinkRequest),
    Forbidden: ("ForbidPair", identity_pb.ForbidPairRequest),
    Allowed: ("AllowPair", identity_pb.AllowPairRequest),
    Blocked: ("BlockIdentifier", identity_pb.BlockIdentifierRequest),
    Unblocked: ("UnblockIdentifier", identity_pb.UnblockIdentifierRequest),
}

_numbers = count(1)


class Town:
    """The tenant `demo` there; names are those of `tests.support.identity`, and of another town in each example."""

    def __init__(self, mortal: Mortal, client: Client, identities: Any) -> None:
        self.mortal = mortal
        self.client = client
        self.identities = identities
        self._number = 0
        self._sent: set[bytes] = set()

    def move_away(self) -> None:
        """Begin with people of whom nothing is known."""
        self._number, self._sent = next(_numbers), set()

    async def tell(self, told: Sequence[Input]) -> None:
        """Collect and decide, one thing after the other, each until it is acknowledged."""
        for one in told:
            match one:
                case Sighting():
                    await self.client.recorded(self._document(one))
                    self._sent.add(one.event_id)
                case Retracted() if one.event_id in self._sent:
                    await self._retract(one)
                case _ if type(one) in _METHODS:
                    await self._decide(one, f"{self._number}-{next(_numbers)}")

    async def settled(self) -> bool:
        """Whether everybody has died, and all that was said is resolved and in profile's map."""
        if not self.mortal.all_died():
            return False
        interactions = GrpcLogSource(self.client.channel, "interactions")
        try:
            heads = await interactions.heads()
            async with channel(self.mortal.replicas) as connected:
                identity = GrpcLogSource(connected, IDENTITY)
                if (await identity.standing()).consumed.get("interactions") != heads:
                    return False
                # Now, for what is consumed may leave somebody waiting, who is resolved by and by and told of then.
                if await self.mortal.identity.fetchval("SELECT count(*) FROM waiting"):
                    return False
                told = await identity.heads()
            return (await interactions.standing()).consumed.get(IDENTITY) == told
        except Unavailable:
            return False

    def _document(self, sighting: Sighting) -> dict[str, Any]:
        said: dict[str, Any] = {
            "message_id": self._message_id(sighting.event_id),
            "source": "app",
            "occurred_at": (BEGIN + timedelta(microseconds=sighting.occurred_at)).isoformat(),
            "identifiers": [
                {"type": one.type, "value": self._value(name(one.key)), "verified": one.verified}
                for one in sighting.identifiers
            ],
            "context": {"session_id": sighting.session},
        }
        return said | ({"type": "identify"} if sighting.login else {"type": "track", "event": "product_viewed"})

    async def _retract(self, one: Retracted) -> None:
        request = collector_pb.RetractRequest(message_id=self._message_id(one.event_id))
        await self.client.collector.Retract(request)

    async def _decide(self, one: Any, request_id: str) -> None:
        method, kind = _METHODS[type(one)]
        if isinstance(one, Blocked | Unblocked):
            request = kind(identifier=self._on_wire(one.identifier), request_id=request_id)
        else:
            request = kind(one=self._on_wire(one.a), other=self._on_wire(one.b), request_id=request_id)
        while True:
            try:
                await getattr(self.identities, method)(request, timeout=WITHIN, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                assert details_of(error).code == "UNAVAILABLE", error  # noqa: PT017  whoever was asked has died
            else:
                return

    def _on_wire(self, one: Any) -> Identifier:
        return Identifier(type=one.type, value=self._value(name(one.key)))

    def _value(self, one: str) -> str:
        if TYPES[one[0]] == "phone":
            return f"+86138{self._number:06}{int(one[1:]):02}"
        return f"{one}-{self._number}@kiosk.cn" if TYPES[one[0]] == "email" else f"{one}-of-{self._number}"

    def _message_id(self, event_id: bytes) -> str:
        return f"{self._number}-{event_id.decode()}"


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    """Under rules by which a few interactions are enough to share, to pass on and to refuse."""
    async with mortal_stack() as mortal, channel(mortal.replicas) as line:
        identities = Speaking(identity_rpc.IdentitiesStub(line), TENANT.id)
        rules = rules_pb2.Rules(document=written(TIGHT))
        await identities.PublishRules(identity_pb.PublishRulesRequest(rules=rules, request_id="tight"))
        async with channel(mortal.stack.services["profile"].target) as connected:
            yield Town(mortal, Client(connected, TENANT.id), identities)


@pytest.mark.parametrize("moment", Moment)
@killed
@given(histories_of_some_length, st.sampled_from(Moment), st.integers(0, 10**6))
async def test_two_replicas_that_are_killed_in_the_midst_end_with_the_people_and_portraits_of_all_at_once(
    town: Town, moment: Moment, told: list[Input], another: Moment, seed: int
) -> None:
    town.move_away()
    first, second = sorted(random.Random(seed).sample(range(len(told)), 2))
    await town.tell(told[:first])
    town.mortal.die(moment)
    await town.tell(told[first:second])
    town.mortal.die(another)
    await town.tell([*told[second:], *inputs(seen("u8", "d8"), first=1000)])  # and what surely is to be resolved
    await eventually(town.settled, within=WITHIN)
    async with channel(town.mortal.replicas) as connected:
        identity = GrpcLogSource(connected, IDENTITY)
        golden = await golden_of(TENANT, GrpcLogSource(town.client.channel, "interactions"), identity)
    case = golden.case
    assert await resolved(town.mortal.identity, TENANT.id) == resolve(case)
    portraits = await golden.profiles(sorted(case.evidence.seen))
    request = pb.BatchGetProfilesRequest(people=[pb.PersonReference(person_id=key.hex()) for key in portraits])
    assert list((await town.client.profiles.BatchGetProfiles(request)).profiles) == list(portraits.values())
