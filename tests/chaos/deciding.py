"""Desks that decide who is who while things go wrong, and ask under the same id again until they are answered."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import grpc
import msgspec
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.identity.v1 import rules_pb2
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.people.identifiers import DEFAULT_RULES, IdentifierRules, PerPerson
from libs.people.rules_document import written
from libs.rpc.client import channel, details_of, metadata_for
from tests.chaos.ledger import Place
from tests.chaos.load import PASSING, Busy
from tests.chaos.plan import Plan
from tests.chaos.stage import Stage
from tests.chaos.town import MAILBOX, TENANT, Known, Person, pairs, people_of, whatever_may_be_blocked
from tests.support.identity import rules

CALL_SECONDS: Final = 2.5
PUBLISH_SECONDS: Final = 10.0  # what would change is found by a process that is started for that
PAUSE: Final = (0.05, 0.2)  # seconds between two decisions
DECIDED_ABOUT: Final = 9  # people, so that decisions contradict each other

RULES: Final[tuple[IdentifierRules, ...]] = (
    DEFAULT_RULES,
    rules(0, device_id={"people": 1}, phone={"people": 2, "per_person": PerPerson(1)}),
    rules(0, "apart", user_id={"per_person": PerPerson(2)}),
    rules(0, email={"blocked": frozenset({MAILBOX})}, cookie={"people": 1}),
)


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision, and what was said of it; without an event there was nothing to decide, for it stood already."""

    request_id: str
    event_id: bytes
    place: Place


class Published(msgspec.Struct, frozen=True, gc=False):
    """Rules, and the version that they were said to be."""

    rules: IdentifierRules
    version: int


@dataclass
class Minutes:
    """What was asked for since the beginning, and the answers since the last look that no fault excuses."""

    asked: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Begin a new page: what was answered has been checked."""
        self.wrong = []


@dataclass
class IdentityMinutes(Minutes):
    """What was decided since the last look."""

    decided: list[Decided] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)

    def close(self) -> None:
        """See `Minutes.close`."""
        super().close()
        self.decided, self.published = [], []


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, and the method that it is for."""

    method: str
    request: Any


@dataclass
class Asking:
    """Sends each request until it is answered; what it says and is told goes to the minutes."""

    name: str
    service: Any
    minutes: Minutes
    seed: int
    chance: Random
    _count: int = field(default=0, init=False)

    def request_id(self) -> str:
        """One that nothing was asked for under."""
        self._count += 1
        return f"{self.seed}-{self.name}-{self._count}"

    async def answer(self, wanted: Wanted, within: float) -> Any:
        """The answer to a request."""
        self.minutes.asked.add(wanted.request.request_id)
        while True:
            try:
                method = getattr(self.service, wanted.method)
                return await method(wanted.request, timeout=within, metadata=metadata_for(TENANT, self.name))
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING:
                    self.minutes.wrong.append(f"{wanted.method} of {self.name} failed with {details_of(error)}")
            await self.pause()

    async def pause(self) -> None:
        """Think of the next one."""
        await asyncio.sleep(self.chance.uniform(*PAUSE))


@dataclass
class Desk:
    """Asks for one decision after the other, which follow from its chance; now and then for one that it asked for."""

    asking: Asking
    minutes: IdentityMinutes
    _done: list[tuple[Wanted, Decided]] = field(default_factory=list, init=False)

    async def run(self) -> None:
        """Decide until cancelled."""
        chance = self.asking.chance
        while True:
            if self._done and chance.random() < 0.15:
                await self._repeat(*chance.choice(self._done))
            else:
                wanted = self._wanted()
                answer = await self._told(wanted)
                if answer.event_id:
                    self._done.append((wanted, answer))
            await self.asking.pause()

    async def _repeat(self, wanted: Wanted, before: Decided) -> None:
        """Ask as somebody does who missed the answer."""
        again = await self._told(wanted)
        if again != before:
            told = f"{wanted.method} {before.request_id} was answered {before}, and then {again}"
            self.minutes.wrong.append(told)

    async def _told(self, wanted: Wanted) -> Decided:
        said = (await self.asking.answer(wanted, CALL_SECONDS)).decided
        position = said.position
        told = Decided(wanted.request.request_id, said.event_id, (position.partition, position.position))
        self.minutes.decided.append(told)
        return told

    def _wanted(self) -> Wanted:
        people = people_of(self.asking.seed)[:DECIDED_ABOUT]
        method, make = self.asking.chance.choice(_DECISIONS)
        id_ = self.asking.request_id()
        return Wanted(method, make(people, self.asking.chance, {"request_id": id_, "reason": id_}))


@dataclass
class Lawgiver:
    """Publishes rules, and then others."""

    asking: Asking
    minutes: IdentityMinutes

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await asyncio.sleep(self.asking.chance.uniform(0, 1))
            rules = self.asking.chance.choice(RULES)
            said = rules_pb2.Rules(document=written(rules))
            request = pb.PublishRulesRequest(rules=said, request_id=self.asking.request_id())
            answer = await self.asking.answer(Wanted("PublishRules", request), PUBLISH_SECONDS)
            self.minutes.published.append(Published(rules, answer.rules.version))


def _of_pair(kind: Any) -> Callable[[Sequence[Person], Random, dict[str, str]], Any]:
    def request(people: Sequence[Person], chance: Random, named: dict[str, str]) -> Any:
        one, other = pairs(people, chance)
        return kind(one=_on_wire(one), other=_on_wire(other), **named)

    return request


def _of_one(kind: Any) -> Callable[[Sequence[Person], Random, dict[str, str]], Any]:
    return lambda people, chance, named: kind(identifier=_on_wire(whatever_may_be_blocked(people, chance)), **named)


def _on_wire(known: Known) -> Identifier:
    return Identifier(type=known.type, value=known.value)


_DECISIONS: Final = (
    ("Link", _of_pair(pb.LinkRequest)),
    ("Link", _of_pair(pb.LinkRequest)),
    ("Unlink", _of_pair(pb.UnlinkRequest)),
    ("Unlink", _of_pair(pb.UnlinkRequest)),
    ("ForbidPair", _of_pair(pb.ForbidPairRequest)),
    ("AllowPair", _of_pair(pb.AllowPairRequest)),
    ("BlockIdentifier", _of_one(pb.BlockIdentifierRequest)),
    ("UnblockIdentifier", _of_one(pb.UnblockIdentifierRequest)),
)


@asynccontextmanager
async def desks(stage: Stage, plan: Plan, minutes: IdentityMinutes) -> AsyncIterator[list[Busy]]:
    """Whoever decides in a round, silent yet; their calls are spread over the replicas."""
    names = [f"d{number}" for number in range(plan.desks)] + ["law"] * plan.publishing
    opened = {name: channel(stage.identities) for name in names}
    try:
        asking = [
            Asking(name, rpc.IdentitiesStub(one), minutes, plan.seed, Random(f"{plan.seed} {name}"))
            for name, one in opened.items()
        ]
        yield [Lawgiver(one, minutes) if one.name == "law" else Desk(one, minutes) for one in asking]
    finally:
        for one in opened.values():
            await one.close()
