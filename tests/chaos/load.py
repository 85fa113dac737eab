"""Producers that send while things go wrong: fresh interactions, repeats, contradictions, retractions."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, Protocol

import grpc
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1 import collector_service_pb2_grpc as rpc

from libs.rpc.client import channel, details_of, metadata_for
from tests.chaos.ledger import Acknowledged, Ledger, Said, say
from tests.chaos.plan import Plan
from tests.chaos.process import POISONOUS
from tests.chaos.stage import PROFILES, Stage
from tests.chaos.town import TENANT, Person, Visit, greeting, people_of, visit

CALL_SECONDS: Final = 2.5
HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)
PAUSE: Final = (0.02, 0.08)  # seconds between two calls of a producer

# What a call may fail with while something is away; everything else would make a producer give up for good.
PASSING: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)


@dataclass
class Producer:
    """Calls one target again and again. What it says follows from `chance`; what it is told goes to the ledger."""

    name: str
    collector: Any
    ledger: Ledger
    plan: Plan
    chance: Random
    _count: int = field(default=0, init=False)
    _known: list[Acknowledged] = field(default_factory=list, init=False)
    _repeatable: list[Said] = field(default_factory=list, init=False)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self.collect(self._batch())
            if self.plan.retracting and self._known and self.chance.random() < 0.1:
                await self._take_back(self._known.pop(self.chance.randrange(len(self._known))))
            await asyncio.sleep(self.chance.uniform(*PAUSE))

    async def collect(self, said: Sequence[Said]) -> bool:
        """Send a batch; false where nobody knows what became of it."""
        self.ledger.send(said)
        request = pb.CollectRequest(documents=[one.document for one in said])
        try:
            answer = await self.collector.Collect(request, timeout=CALL_SECONDS, metadata=metadata_for(TENANT))
        except grpc.aio.AioRpcError as error:
            self._excuse(error, "Collect")
            self.ledger.unknown += said
            self._repeatable += said
            return False
        for one in self.ledger.answer(said, answer.results):
            if not one.repeat:
                self._known.append(one)
            self._repeatable.append(one.said)
        return True

    async def greet(self, people: Sequence[Person]) -> bool:
        """Let everybody do something once."""
        return await self.collect([self._fresh(greeting(person)) for person in people])

    async def _take_back(self, known: Acknowledged) -> None:
        request = pb.RetractRequest(message_id=known.said.message_id)
        try:
            await self.collector.Retract(request, timeout=CALL_SECONDS, metadata=metadata_for(TENANT))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                self._excuse(error, "Retract")
                self._known.append(known)
                return
        self.ledger.taken_back.append(known)  # a call whose answer died is repeated, and finds nothing any more

    def _excuse(self, error: grpc.aio.AioRpcError, method: str) -> None:
        if error.code() not in PASSING:
            self.ledger.wrong.append(f"{method} of {self.name} failed with {details_of(error)}")

    def _batch(self) -> list[Said]:
        said = {}
        for _ in range(self.chance.randint(1, self.plan.largest_batch)):
            one = self._repeated() if self._repeatable and self.chance.random() < 0.15 else self._fresh()
            said[one.message_id] = one
        return list(said.values())

    def _repeated(self) -> Said:
        said = self.chance.choice(self._repeatable[-200:])
        if self.chance.random() < 0.1:  # a producer that contradicts itself: what was recorded first stands
            contradiction = {**json.loads(said.document), "event": "contradicted"}
            return say(said.message_id, json.dumps(contradiction).encode())
        return said

    def _fresh(self, known: Visit | None = None) -> Said:
        self._count += 1
        message_id = f"{self.plan.seed}-{self.name}-{self._count}"
        chance = self.chance
        known = known or visit(chance.choice(people_of(self.plan.seed)), chance)
        document = {"message_id": message_id, "source": chance.choice(("app", "web", "store")), **known.document()}
        document |= self._of_themselves() if known.login else self._done()
        if chance.random() < 0.1:  # an hour after it, which is in a moment, time alone may change something
            document["occurred_at"] = (datetime.now(UTC) - HOUR + chance.random() * SECOND).isoformat()
        elif chance.random() < 0.3:
            document["occurred_at"] = f"2026-{chance.randint(1, 9):02}-{chance.randint(1, 28):02}T10:00:00+08:00"
        return say(message_id, json.dumps(document, ensure_ascii=False).encode())

    def _of_themselves(self) -> dict[str, Any]:
        return {"traits": {"city": self.chance.choice(("上海", "北京")), "age": self._count}}

    def _done(self) -> dict[str, Any]:
        chance = self.chance
        match chance.randrange(10):
            case 0:
                return {"event": POISONOUS.decode()}
            case 1 | 2:
                return {"event": "order_completed", "properties": {"revenue": chance.randint(1, 999)}}
            case _:
                product = {"product_id": chance.randrange(30), "category": chance.choice(("skin", "hair", "lips"))}
                return {"event": "product_viewed", "properties": product}


@asynccontextmanager
async def producers(stage: Stage, plan: Plan, ledger: Ledger) -> AsyncIterator[list[Producer]]:
    """Producers, silent yet. The first two know one replica each, the others spread their calls."""
    targets = [stage.replicas[name].target for name in PROFILES]
    targets += [stage.profiles] * (plan.producers - len(targets))
    channels = [channel(target) for target in targets]
    try:
        yield [
            Producer(f"p{number}", rpc.CollectorStub(one), ledger, plan, Random(f"{plan.seed} {number}"))
            for number, one in enumerate(channels)
        ]
    finally:
        for one in channels:
            await one.close()


class Busy(Protocol):
    """Somebody who calls again and again."""

    async def run(self) -> None:
        """Call until cancelled."""


@asynccontextmanager
async def at_work(those: Sequence[Busy]) -> AsyncIterator[None]:
    """All of them call inside the block."""
    tasks = [asyncio.create_task(one.run()) for one in those]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    gave_up = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
    assert not gave_up, gave_up
