"""`collect_to_people` and `batch_resolve`: the whole path to who is who, and asking for it, everything included."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import asyncpg
from portrait.identity.v1 import identities_service_pb2 as pb

from libs.eventlog.checkpoint import consumed
from libs.eventlog.database import open_pool
from libs.people.identity_events import LOG as IDENTITY
from libs.people.keys import Keyring
from libs.runtime.tenants import Tenants
from services.identity.consuming import INTERACTIONS
from tests.bench.collecting import BATCH, WARMING_SECONDS, collect
from tests.bench.known import TYPES, identifier, values
from tests.bench.load import SEED
from tests.bench.preload import TENANT
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop
from tests.bench.traffic import COLLECT, IN_FLIGHT, Requests, at_rate, connected, raw, suppress_overload

BATCH_RESOLVE: Final = "/portrait.identity.v1.Identities/BatchResolve"
NEWCOMERS: Final = 0.2
LOOK_SECONDS: Final = 0.05
DRAIN_SECONDS: Final = 600.0

_BARE: Final = "SELECT key, person FROM people WHERE tenant = $1 AND key = ANY($2::uuid[])"


async def collect_to_people(shop: Shop, seconds: float = 60.0) -> None:
    """As many batches of 500 as the service takes; the end is when the map of profile knows who all of these are.

    Beside it, the same interactions while identity is down.
    """
    bench = "collect_to_people"
    work(bench, seed=SEED, people=shop.people, newcomers=NEWCOMERS, batch=BATCH, in_flight=IN_FLIGHT, seconds=seconds)
    requests = Requests(shop.people, BATCH, NEWCOMERS)
    async with path(shop) as way:
        await collect(shop, requests, WARMING_SECONDS, way.walked)
        whole = await collect(shop, requests, seconds, way.walked)
    identity = shop.stack.services["identity"]
    await identity.stop()
    alone = await collect(shop, requests, seconds / 3)
    await identity.start()
    whole.print(bench, events_per_s=15_000, cpu_us=None, alone=alone, told="baseline: without identity; ")


async def batch_resolve(shop: Shop, seconds: float = 30.0) -> None:
    """1,000 known identifiers a call, and then 100, 20 calls/s while 2,000 events/s flow.

    As where answers must come quickly: a replica that consumes, and one that answers.
    """
    work("batch_resolve", seed=SEED, people=shop.people, calls=20, events=2_000, seconds=seconds)
    async with shop.stack.another("identity", CONSUMES="false") as replica:
        await _batch_resolve(shop, replica.target, seconds, 1_000, "", target=15)
        await _batch_resolve(shop, replica.target, seconds / 2, 100, "_of_100", target=None)


async def _batch_resolve(
    shop: Shop, target_of: str, seconds: float, size: int, suffix: str, target: float | None
) -> None:
    """The baseline is the bare statement that looks people up by key, asked now and then in between."""
    chance, requests = random.Random(SEED), Requests(shop.people, 100, NEWCOMERS)
    asked = cycle([_request(_some(shop, chance, size)) for _ in range(round(20 * seconds))])
    keys = cycle([_keys(_some(shop, chance, size)) for _ in range(round(2 * seconds))])
    delays: list[float] = []
    bare: list[float] = []
    async with (
        connected(shop.address) as collector,
        connected(target_of) as identities,
        open_pool(shop.database_of("identity")) as pool,
    ):
        collecting, resolve = raw(collector, COLLECT), raw(identities, BATCH_RESOLVE)

        async def send() -> None:
            with suppress_overload():
                await collecting(requests.next())

        async def read() -> None:
            delays.append(await _milliseconds(resolve(next(asked))))

        async def look_up() -> None:
            bare.append(await _milliseconds(pool.fetch(_BARE, TENANT, next(keys))))

        await asyncio.gather(at_rate(send, 20, seconds), at_rate(read, 20, seconds), at_rate(look_up, 2, seconds))
    for share, goal in ((0.5, None), (0.99, target)):
        baseline = percentile(bare, share)
        told = f"{size} identifiers; baseline: the bare statement"
        name = f"p{share * 100:.0f}_ms{suffix}"
        Figure("batch_resolve", name, percentile(delays, share), "ms", baseline, goal, "lower", told).print()


def _some(shop: Shop, chance: random.Random, size: int) -> list[tuple[int, str]]:
    """Known identifiers, by person and type."""
    return [(person, chance.choice(TYPES)) for person in chance.sample(range(shop.people), size)]


def _request(those: Sequence[tuple[int, str]]) -> bytes:
    return pb.BatchResolveRequest(identifiers=[identifier(*one) for one in those]).SerializeToString()


def _keys(those: Sequence[tuple[int, str]]) -> list[bytes]:
    keyring = Keyring(Tenants.demo().get(TENANT).secret)
    return [keyring.key("person", type_, values(person)[type_]) for person, type_ in those]


async def _milliseconds(call: Awaitable[object]) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True, slots=True)
class Path:
    """The way of an interaction through both services' databases."""

    profile: asyncpg.Pool
    identity: asyncpg.Pool

    async def walked(self) -> None:
        """Wait until identity has read all interactions, and profile all that follows from them."""
        async with asyncio.timeout(DRAIN_SECONDS):
            await read(self.identity, INTERACTIONS, self.profile)
            await read(self.profile, IDENTITY, self.identity)


@asynccontextmanager
async def path(shop: Shop) -> AsyncIterator[Path]:
    """Look at the databases of both."""
    async with (
        open_pool(shop.database, size=1) as profile,
        open_pool(shop.database_of("identity"), size=1) as identity,
    ):
        yield Path(profile, identity)


async def read(reader: asyncpg.Pool, log: str, owner: asyncpg.Pool) -> None:
    """Wait until one has read all that another's log holds by now."""
    heads = await owner.fetch("SELECT partition, position FROM log_heads")
    while True:
        reached = (await consumed(reader)).get(log, {})
        if all(reached.get(partition, 0) >= position for partition, position in heads):
            return
        await asyncio.sleep(LOOK_SECONDS)
