"""`collect_to_portrait`, `freshness` and `profile_read`: the profile service under load, everything included."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import profiles_service_pb2_grpc as profiles_rpc

from libs.eventlog.database import open_pool
from libs.rpc.client import metadata_for
from libs.rpc.credentials import PLATFORM
from tests.bench.load import SEED, message_ids, request, templates
from tests.bench.machine import Stolen
from tests.bench.preload import member
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop

COLLECT: Final = "/portrait.profile.v1.Collector/Collect"
GET_PROFILE: Final = "/portrait.profile.v1.Profiles/GetProfile"
BATCH_GET_PROFILES: Final = "/portrait.profile.v1.Profiles/BatchGetProfiles"
IN_FLIGHT: Final = 12
PROBED: Final = 10
PROBE_SECONDS: Final = 0.004
FLOWING_SECONDS: Final = 5.0

Call = Callable[[bytes], Awaitable[bytes]]


async def collect_to_portrait(shop: Shop, seconds: float = 60.0) -> None:
    """As many batches of 500 as the service takes, in a closed loop."""
    batch = 500
    work("collect_to_portrait", seed=SEED, people=shop.people, batch=batch, in_flight=IN_FLIGHT, seconds=seconds)
    async with _channel(shop) as channel, open_pool(shop.database, size=1) as pool:
        collect = _raw(channel, COLLECT)
        requests = Requests(shop, batch)
        await _closed_loop(collect, requests, 15.0)  # until caches are warm and compaction keeps pace
        backlog_before = await _backlog(channel)
        heads, cpu, began = await _recorded(pool), shop.cpu(), time.perf_counter()
        stolen = Stolen()
        await _closed_loop(collect, requests, seconds)
        elapsed = time.perf_counter() - began
        events = await _recorded(pool) - heads
        spent = {name: (seconds_ - cpu[name]) / events * 1e6 for name, seconds_ in shop.cpu().items()}
        backlog = await _backlog(channel)
        memory, lost = shop.memory_mb(), stolen.share()
    shares = ", ".join(f"{name} {value:.1f}" for name, value in spent.items())
    Figure(
        "collect_to_portrait",
        "events_per_s",
        events / elapsed,
        "events/s",
        target=22_000,
        detail=f"{lost:.0%} of the CPU went to other machines",
    ).print()
    Figure(
        "collect_to_portrait", "cpu_us_per_event", sum(spent.values()), "µs", target=65, better="lower", detail=shares
    ).print()
    resident = ", ".join(f"{name} {value:.0f}" for name, value in memory.items())
    Figure("collect_to_portrait", "rss_mb", memory["profile"], "MB", detail=resident).print()
    Figure(
        "collect_to_portrait", "backlog", backlog, "events", target=1.25 * backlog_before + 16_000, better="lower"
    ).print()


async def freshness(shop: Shop, seconds: float = 30.0) -> None:
    """5,000 events/s in batches of 100; from a batch's sending until a probing GetProfile shows it."""
    await _freshness(shop, seconds, "freshness", p95_ms=50, p99_ms=150)


async def freshness_beside_rebuild(shop: Shop, seconds: float = 30.0) -> None:
    """The same while all portraits are built anew, which begins when events have flowed for a while."""
    async with _channel(shop) as channel:
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
    async with _channel(shop) as channel:
        collect = _raw(channel, COLLECT)
        profiles = profiles_rpc.ProfilesStub(channel)
        requests = Requests(shop, batch)
        turn = 0

        async def send() -> None:
            nonlocal turn
            turn += 1
            if turn % PROBED:
                with suppress_overload():
                    await collect(requests.next())
                return
            person = requests.chance.randrange(shop.people)
            before = (await profiles.GetProfile(_one(person, "interactions"))).profile.interactions
            began = time.perf_counter()
            sending = asyncio.ensure_future(collect(requests.next(first=person)))
            with suppress_overload():
                while (await profiles.GetProfile(_one(person, "interactions"))).profile.interactions == before:
                    if sending.done():
                        sending.result()  # refused: it will never be seen
                    await asyncio.sleep(PROBE_SECONDS)
                delays.append((time.perf_counter() - began) * 1000)
                await sending

        if meanwhile is not None:
            await _at_rate(send, rate / batch, FLOWING_SECONDS)
            delays.clear()
            await meanwhile()
        await _at_rate(send, rate / batch, seconds)
    Figure(bench, "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure(bench, "p95_ms", percentile(delays, 0.95), "ms", target=p95_ms, better="lower").print()
    Figure(bench, "p99_ms", percentile(delays, 0.99), "ms", target=p99_ms, better="lower").print()


async def profile_read(shop: Shop, seconds: float = 30.0) -> None:
    """500 GetProfile/s while 2,000 events/s flow; then 200 profiles in one call."""
    work("profile_read", seed=SEED, reads=500, events=2_000, seconds=seconds)
    delays: list[float] = []
    batches: list[float] = []
    async with _channel(shop) as channel, _channel(shop) as other:
        collect = _raw(other, COLLECT)
        get, get_many = _raw(channel, GET_PROFILE), _raw(channel, BATCH_GET_PROFILES)
        requests = Requests(shop, 100)

        async def send() -> None:
            with suppress_overload():
                await collect(requests.next())

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

        await asyncio.gather(_at_rate(send, 20, seconds), _at_rate(read, 500, seconds))
        await asyncio.gather(_at_rate(send, 20, seconds / 3), _at_rate(read_many, 2, seconds / 3))
    Figure("profile_read", "p50_ms", percentile(delays, 0.5), "ms", better="lower").print()
    Figure("profile_read", "p99_ms", percentile(delays, 0.99), "ms", target=10, better="lower").print()
    Figure("profile_read", "batch_200_ms", percentile(batches, 0.5), "ms", target=50, better="lower").print()


class Requests:
    """Requests of fresh interactions of people chosen uniformly; some are prepared so that sending is cheap."""

    def __init__(self, shop: Shop, batch: int) -> None:
        self.chance = random.Random(SEED)
        self._people = shop.people
        self._batch = batch
        now = datetime.now(UTC).isoformat()
        self._shapes = templates(self.chance, [now])

    def next(self, first: int | None = None) -> bytes:
        """One request; its first interaction is of a given person if one is named."""
        shapes, people, chance = self._shapes, self._people, self.chance.random
        last = len(shapes)
        ids = message_ids(time.time_ns() // 1_000_000, self._batch)
        documents = [shapes[int(chance() * last)].document(id_, int(chance() * people)) for id_ in ids]
        if first is not None:
            (id_,) = message_ids(time.time_ns() // 1_000_000, 1)
            documents[0] = shapes[0].document(id_, first)
        return request(documents)


def _raw(channel: grpc.aio.Channel, name: str) -> Call:
    """A method on bytes: reading answers that nobody looks at would take the CPU of those who are measured."""
    method: Any = channel.unary_unary(name)
    return cast("Call", method)


@contextmanager
def suppress_overload() -> Iterator[None]:
    """Let a call be refused because too much waits: the figures will show it."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise


async def _closed_loop(collect: Call, requests: Requests, seconds: float) -> None:
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            with suppress_overload():
                await collect(requests.next())

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))


async def _at_rate(call: Callable[[], Coroutine[None, None, None]], per_second: float, seconds: float) -> None:
    """Start calls on schedule, whether or not earlier ones have ended; raises what the first that failed did."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as running:
        for turn in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, began + turn / per_second - time.perf_counter()))
            running.create_task(call())


async def _backlog(channel: grpc.aio.Channel) -> int:
    answer = await ops_rpc.ProjectionsStub(channel).ListProjections(ops_pb.ListProjectionsRequest())
    return sum(one.lag_events for one in answer.projections)


async def _recorded(pool: object) -> int:
    return int(await pool.fetchval("SELECT sum(position)::bigint FROM log_heads"))  # type: ignore[attr-defined]


def _one(person: int, *parts: str) -> profiles_pb.GetProfileRequest:
    identifier = interaction_pb.Identifier(type="member_no", value=member(person))
    return profiles_pb.GetProfileRequest(
        person=profiles_pb.PersonReference(identifier=identifier), field_mask=FieldMask(paths=parts)
    )


@asynccontextmanager
async def _channel(shop: Shop) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(shop.address, options=options) as channel:
        yield channel
