"""`collect_to_tags` and `tag_freshness`: the whole path to tags of 200 definitions, everything included."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from portrait.identity.v1.person_pb2 import PersonReference
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc

from libs.eventlog.database import open_pool
from libs.people.identity_events import LOG as IDENTITY
from services.tagging.folding import INTERACTIONS
from tests.bench.collecting import BATCH, WARMING_SECONDS, collect
from tests.bench.definitions import DEFINITIONS, PROBED
from tests.bench.known import identifier
from tests.bench.load import SEED, message_ids, request
from tests.bench.people import DRAIN_SECONDS, LOOK_SECONDS, NEWCOMERS, Path, path, read
from tests.bench.preload import member
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop
from tests.bench.tagged import answered
from tests.bench.traffic import COLLECT, IN_FLIGHT, Requests, at_rate, connected, raw, suppress_overload

AIM: Final = 4_000
RATE: Final = int(os.environ.get("PORTRAIT_BENCH_RATE", AIM))
"""Events a second; at fewer than those aimed at, figures are held to no target."""
PROBES: Final = 10
"""One batch in so many is followed by a probe."""
PROBE_SECONDS: Final = 0.004
_TWO: Final = "two replicas of tagging; baseline: one"


async def collect_to_tags(shop: Shop, seconds: float = 60.0) -> None:
    """As many batches of 500 as the service takes; the end is when everybody who did anything has been answered.

    Beside it, the same interactions with another replica of tagging, and while tagging is down.
    """
    bench = "collect_to_tags"
    said = {"definitions": DEFINITIONS, "newcomers": NEWCOMERS, "batch": BATCH, "in_flight": IN_FLIGHT}
    work(bench, seed=SEED, people=shop.people, seconds=seconds, **said)
    requests = Requests(shop.people, BATCH, NEWCOMERS)
    async with path(shop) as to_people, open_pool(shop.database_of("tagging"), size=1) as tagging:
        walked = _Walk(to_people, tagging).walked
        await collect(shop, requests, min(WARMING_SECONDS, seconds), walked)
        whole = await collect(shop, requests, seconds, walked)
        async with shop.stack.another("tagging"):
            await collect(shop, requests, min(WARMING_SECONDS, seconds), walked)  # partitions are shared out anew
            shared = await collect(shop, requests, seconds / 3, walked)
        service = shop.stack.services["tagging"]
        await service.stop()
        alone = await collect(shop, requests, seconds / 3, to_people.walked)
        await service.start()
        await walked()
    whole.print(bench, events_per_s=12_000, cpu_us=None, alone=alone, told="baseline: without tagging; ")
    Figure(bench, "events_per_s_of_two", shared.events_per_s, "events/s", whole.events_per_s, detail=_TWO).print()


async def tag_freshness(shop: Shop, seconds: float = 30.0) -> None:
    """Events in batches of 100; from the answer to a batch until `GetPersonTags` shows the tag of one event.

    The baseline is how long a `GetPersonTags` takes meanwhile that waits for nothing.
    """
    batch = 100
    work("tag_freshness", seed=SEED, people=shop.people, rate=RATE, batch=batch, definitions=DEFINITIONS)
    delays: list[float] = []
    bare: list[float] = []
    requests = Requests(shop.people, batch)
    probed = iter(requests.chance.sample(range(shop.people), int(seconds * RATE / batch / PROBES) + 1))
    address = f"127.0.0.1:{shop.stack.services['tagging'].port}"
    async with connected(shop.address) as collector, connected(address) as channel:
        collecting, tags = raw(collector, COLLECT), rpc.TagsStub(channel)
        turn = 0

        async def has(person: int) -> bool:
            asked = pb.GetPersonTagsRequest(person=PersonReference(identifier=identifier(person, "member_no")))
            return any(one.tag == PROBED for one in (await tags.GetPersonTags(asked)).tags)

        async def send() -> None:
            nonlocal turn
            turn += 1
            with suppress_overload():
                if turn % PROBES:
                    await collecting(requests.next())
                    return
                person = next(probed)
                await collecting(requests.next() + probe(person))
                began = time.perf_counter()
                looked = began
                async with asyncio.timeout(DRAIN_SECONDS):
                    while not await has(person):
                        bare.append((time.perf_counter() - looked) * 1000)
                        await asyncio.sleep(PROBE_SECONDS)
                        looked = time.perf_counter()
                delays.append((time.perf_counter() - began) * 1000)

        await at_rate(send, RATE / batch, seconds)
    for share, goal in ((0.5, None), (0.95, 150)):
        told = f"{len(delays)} probes; baseline: the call that reads it"
        name, beside = f"p{share * 100:.0f}_ms", percentile(bare, share) if bare else None
        target = goal if RATE >= AIM else None
        Figure("tag_freshness", name, percentile(delays, share), "ms", beside, target, "lower", told).print()


def probe(person: int) -> bytes:
    """One more interaction in a request: one that only probes have."""
    (id_,) = message_ids(time.time_ns() // 1_000_000, 1)
    said = {
        "message_id": id_.decode(),
        "type": "track",
        "event": PROBED,
        "occurred_at": datetime.now(UTC).isoformat(),
        "source": "app",
        "identifiers": {"member_no": member(person)},
    }
    return request([json.dumps(said).encode()])


@dataclass(frozen=True, slots=True)
class _Walk:
    """The way of an interaction until whoever it is about has been answered."""

    people: Path
    tagging: asyncpg.Pool

    async def walked(self) -> None:
        """Wait until tagging has read all, and nobody is due because of it."""
        await self.people.walked()
        async with asyncio.timeout(DRAIN_SECONDS):
            await read(self.tagging, INTERACTIONS, self.people.profile)
            await read(self.tagging, IDENTITY, self.people.identity)
            while not await answered(self.tagging):  # noqa: ASYNC110  another process answers
                await asyncio.sleep(LOOK_SECONDS)
