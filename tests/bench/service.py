"""`collect_to_portrait`, `freshness` and `profile_read`: the profile service under load, everything included."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import profiles_service_pb2_grpc as profiles_rpc

from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM
from tests.bench.collecting import BATCH, WARMING_SECONDS, collect
from tests.bench.load import SEED
from tests.bench.preload import member
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop
from tests.bench.traffic import COLLECT, IN_FLIGHT, Requests, at_rate, connected, raw, suppress_overload

GET_PROFILE: Final = "/portrait.profile.v1.Profiles/GetProfile"
BATCH_GET_PROFILES: Final = "/portrait.profile.v1.Profiles/BatchGetProfiles"
PROBED: Final = 10
PROBE_SECONDS: Final = 0.004
FLOWING_SECONDS: Final = 5.0


async def collect_to_portrait(shop: Shop, seconds: float = 60.0) -> None:
    """As many batches of 500 as the service takes, in a closed loop."""
    work("collect_to_portrait", seed=SEED, people=shop.people, batch=BATCH, in_flight=IN_FLIGHT, seconds=seconds)
    requests = Requests(shop.people, BATCH)
    await collect(shop, requests, WARMING_SECONDS)
    (await collect(shop, requests, seconds)).print("collect_to_portrait", events_per_s=22_000, cpu_us=65)


async def freshness(shop: Shop, seconds: float = 30.0) -> None:
    """5,000 events/s in batches of 100; from a batch's sending until a probing GetProfile shows it."""
    await _freshness(shop, seconds, "freshness", p95_ms=50, p99_ms=150)


async def freshness_beside_rebuild(shop: Shop, seconds: float = 30.0) -> None:
    """The same while all portraits are built anew, which begins when events have flowed for a while."""
    async with connected(shop.address) as channel:
        projections, platform = ops_rpc.ProjectionsStub(channel), metadata_for(PLATFORM)
        version = 0

        async def rebuild() -> None:
            nonlocal version
            request = ops_pb.StartRebuildRequest(projection="portraits")
            version = (await projections.StartRebuild(request, metadata=platform)).rebuild.version

        await _freshness(shop, seconds, "freshness_beside_rebuild", p95_ms=150, p99_ms=None, meanwhile=rebuild)
        asked = ops_pb.GetRebuildRequest(projection="portraits", version=version)
        one = (await projections.GetRebuild(asked, metadata=platform)).rebuild
        work("freshness_beside_rebuild", built=one.events, of=one.events_wanted, people_compared=one.keys_compared)
        if one.phase == ops_pb.REBUILD_PHASE_DONE:
            retire = ops_pb.RetireProjectionRequest(projection="portraits", version=version)
            await projections.RetireProjection(retire, metadata=platform)
        else:
            cancel = ops_pb.CancelRebuildRequest(projection="portraits", version=version)
            await projections.CancelRebuild(cancel, metadata=platform)


async def _freshness(
    shop: Shop,
    seconds: float,
    bench: str,
    *,
    p95_ms: float,
    p99_ms: float | None,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """A probe asks only how many interactions the portrait holds, which folds as much as asking for all of it.

    What is to go on `meanwhile` is begun once events have flowed for a while, and only then are delays counted.
    """
    batch, rate = 100, 5_000
    work(bench, seed=SEED, rate=rate, batch=batch, seconds=seconds)
    delays: list[float] = []
    async with connected(shop.address) as channel:
        collecting = raw(channel, COLLECT)
        profiles = profiles_rpc.ProfilesStub(channel)
        requests = Requests(shop.people, batch)
        turn = 0

        async def send() -> None:
            nonlocal turn
            turn += 1
            if turn % PROBED:
                with suppress_overload():
                    await collecting(requests.next())
                return
            person = requests.chance.randrange(shop.people)
            before = (await profiles.GetProfile(_one(person, "interactions"))).profile.interactions
            began = time.perf_counter()
            sending = asyncio.ensure_future(collecting(requests.next(first=person)))
            with suppress_overload():
                while (await profiles.GetProfile(_one(person, "interactions"))).profile.interactions == before:
                    if sending.done():
                        sending.result()  # refused: it will never be seen
                    await asyncio.sleep(PROBE_SECONDS)
                delays.append((time.perf_counter() - began) * 1000)
                await sending

        if meanwhile is not None:
            await at_rate(send, rate / batch, FLOWING_SECONDS)
            delays.clear()
            await meanwhile()
        await at_rate(send, rate / batch, seconds)
    Figure(bench, "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure(bench, "p95_ms", percentile(delays, 0.95), "ms", target=p95_ms, better="lower").print()
    Figure(bench, "p99_ms", percentile(delays, 0.99), "ms", target=p99_ms, better="lower").print()


async def profile_read(shop: Shop, seconds: float = 30.0) -> None:
    """500 GetProfile/s while 2,000 events/s flow; then 200 profiles in one call."""
    work("profile_read", seed=SEED, reads=500, events=2_000, seconds=seconds)
    delays: list[float] = []
    batches: list[float] = []
    async with connected(shop.address) as channel, connected(shop.address) as other:
        collecting = raw(other, COLLECT)
        get, get_many = raw(channel, GET_PROFILE), raw(channel, BATCH_GET_PROFILES)
        requests = Requests(shop.people, 100)

        async def send() -> None:
            with suppress_overload():
                await collecting(requests.next())

        async def read() -> None:
            asked = _one(requests.chance.randrange(shop.people)).SerializeToString()
            began = time.perf_counter()
            await get(asked)
            delays.append((time.perf_counter() - began) * 1000)

        async def read_many() -> None:
            people = [_one(person).person for person in requests.chance.sample(range(shop.people), 200)]
            asked = profiles_pb.BatchGetProfilesRequest(people=people).SerializeToString()
            began = time.perf_counter()
            await get_many(asked)
            batches.append((time.perf_counter() - began) * 1000)

        await asyncio.gather(at_rate(send, 20, seconds), at_rate(read, 500, seconds))
        await asyncio.gather(at_rate(send, 20, seconds / 3), at_rate(read_many, 2, seconds / 3))
    Figure("profile_read", "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure("profile_read", "p99_ms", percentile(delays, 0.99), "ms", target=10, better="lower").print()
    Figure("profile_read", "batch_200_ms", percentile(batches, 0.5), "ms", target=50, better="lower").print()


def _one(person: int, *parts: str) -> profiles_pb.GetProfileRequest:
    identifier = interaction_pb.Identifier(type="member_no", value=member(person))
    return profiles_pb.GetProfileRequest(
        person=profiles_pb.PersonReference(identifier=identifier), field_mask=FieldMask(paths=parts)
    )
