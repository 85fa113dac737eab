"""`log.v1.Log` and `ops.v1.Projections` as their callers see them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import chain

import grpc
import pytest
from portrait.log.v1 import event_pb2 as event_pb
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1.log_service_pb2_grpc import LogStub
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub

from libs.eventlog.event import Batch, partition_of
from libs.eventlog.log_source import GrpcLogSource
from libs.eventlog.service import Standing, log_services
from libs.rpc.client import channel, details_of, metadata_for
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import serve
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.logs import NOON, PARTITIONS, Database, Store, added, key_of, partition_mates
from tests.support.tally import POISON, TALLY

ANN, BOB = partition_mates(2, partition=2)
DEMO, OTHER, PLATFORM = metadata_for("demo"), metadata_for("other"), metadata_for("*")


@dataclass(frozen=True)
class World:
    """A running server over a log that holds three events of tenant demo and two of another, in partition 2."""

    store: Store
    connected: grpc.aio.Channel

    async def log(self, caller: tuple[tuple[str, str], ...], **request: int) -> list[event_pb.EventBatch]:
        call = LogStub(self.connected).ReadLog(log_pb.ReadLogRequest(partition=2, **request), metadata=caller)
        return [response.batch async for response in call]

    async def key(self, caller: tuple[tuple[str, str], ...], **request: int) -> list[event_pb.EventBatch]:
        call = LogStub(self.connected).ReadKey(log_pb.ReadKeyRequest(key=key_of(ANN), **request), metadata=caller)
        return [response.batch async for response in call]

    async def letters(
        self, caller: tuple[tuple[str, str], ...], request: ops_pb.ListDeadLettersRequest
    ) -> ops_pb.ListDeadLettersResponse:
        return await ProjectionsStub(self.connected).ListDeadLetters(request, metadata=caller)


@pytest.fixture
async def world(log_database: Database) -> AsyncIterator[World]:
    store = log_database.store
    for name, tenant in ((ANN, "demo"), (ANN, "other"), (BOB, "demo"), (ANN, "demo"), (BOB, "other")):
        await store.log.append([added(name, f"of {tenant}", tenant=tenant)])

    async def standings() -> Sequence[Standing]:
        return [Standing("tally", 1, ops_pb.PROJECTION_KIND_LAZY, "tried", 7, 1.5)]

    async def consumed() -> dict[str, dict[int, int]]:
        return {"identity": {0: 3, 1: 0}}

    serving = serve(
        log_services(store.log, log_database.pool, standings, consumed),
        host="127.0.0.1",
        port=0,
        authenticator=DevelopmentCredential(Tenants.demo()),
        metrics=Metrics(),
        traces=Traces.off(),
    )
    async with serving as server, channel(f"127.0.0.1:{server.port}") as connected:
        yield World(store, connected)


def positions(batches: Sequence[event_pb.EventBatch]) -> list[int]:
    return list(chain.from_iterable(batch.positions for batch in batches))


def tenants(batches: Sequence[event_pb.EventBatch]) -> set[str]:
    return {event.tenant for batch in batches for event in batch.events}


async def test_the_platform_reads_whole_partitions(world: World) -> None:
    (batch,) = await world.log(PLATFORM)
    assert (batch.log, batch.partition, batch.first_position, len(batch.events)) == ("tried", 2, 1, 5)
    assert list(batch.recorded_at_micros) == [NOON] * 5
    assert not batch.positions
    assert tenants([batch]) == {"demo", "other"}


async def test_a_tenant_reads_its_own_events_and_where_they_stand(world: World) -> None:
    # pitfall 30
    (mine,) = await world.log(DEMO)
    (others,) = await world.log(OTHER)
    assert (tenants([mine]), list(mine.positions), mine.first_position) == ({"demo"}, [1, 3, 4], 1)
    assert (tenants([others]), list(others.positions), others.first_position) == ({"other"}, [2, 5], 2)
    assert len(others.recorded_at_micros) == 2


async def test_a_tenant_without_events_reads_nothing(world: World) -> None:
    assert await world.log(metadata_for("grocery")) == []


async def test_a_log_is_read_from_a_position_up_to_a_limit(world: World) -> None:
    (batch,) = await world.log(PLATFORM, from_position=2, limit=2)
    assert (batch.first_position, len(batch.events)) == (2, 2)
    assert [len(await world.log(PLATFORM, from_position=at)) for at in (0, 1, 5, 6, 2**64 - 1)] == [1, 1, 1, 0, 0]


async def test_a_tenants_limit_counts_its_own_events(world: World) -> None:
    assert positions(await world.log(OTHER, limit=1)) == [2]
    assert positions(await world.log(DEMO, limit=2, from_position=2)) == [3, 4]


async def test_long_partitions_come_in_batches(world: World) -> None:
    await world.store.log.append([added(BOB, n) for n in range(1_200)])
    batches = await world.log(PLATFORM)
    assert len(batches) > 2
    assert sum(len(batch.events) for batch in batches) == 1_205
    assert [batch.first_position for batch in batches] == [1, 501, 1_001]
    assert len(positions(await world.log(DEMO, limit=700))) == 700
    assert sum(len(batch.events) for batch in await world.log(PLATFORM, limit=700)) == 700


async def test_a_partition_that_does_not_exist_is_named(world: World) -> None:
    call = LogStub(world.connected).ReadLog(log_pb.ReadLogRequest(partition=PARTITIONS), metadata=PLATFORM)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call.read()
    assert details_of(error.value).violations == {"partition": f"the log has {PARTITIONS} partitions"}


async def test_a_key_is_read_with_the_positions_of_its_events(world: World) -> None:
    (batch,) = await world.key(DEMO)
    assert (batch.partition, batch.first_position, list(batch.positions)) == (2, 1, [1, 4])
    assert partition_of(key_of(ANN), PARTITIONS) == 2
    assert positions(await world.key(DEMO, from_position=2)) == [4]
    assert await world.key(DEMO, from_position=2**64 - 1) == []


async def test_a_key_of_another_tenant_is_empty(world: World) -> None:
    # pitfall 30: the same key, and only the caller's events
    assert positions(await world.key(OTHER)) == [2]
    assert await world.key(metadata_for("grocery")) == []


async def test_a_long_key_comes_in_pages(world: World) -> None:
    await world.store.log.append([added(ANN, n) for n in range(120)])
    batches = await world.key(DEMO)
    assert [len(batch.events) for batch in batches] == [50, 50, 22]
    assert positions(batches) == [1, 4, *range(6, 126)]


async def test_heads_say_how_far_the_log_and_its_service_have_come(world: World) -> None:
    heads = await LogStub(world.connected).GetHeads(log_pb.GetHeadsRequest(), metadata=PLATFORM)
    assert {head.partition: head.position for head in heads.heads} == {0: 0, 1: 0, 2: 5, 3: 0}
    (identity,) = heads.consumed
    assert (heads.log, identity.log) == ("tried", "identity")
    assert {head.partition: head.position for head in identity.positions} == {0: 3, 1: 0}


async def test_another_service_reads_the_log_as_its_owner_does(world: World) -> None:
    source = GrpcLogSource(world.connected, "tried")
    assert await source.heads() == await world.store.log.heads()
    there = [recorded async for batch in source.read(2, 1) for recorded in batch.recorded()]
    here = [recorded async for batch in world.store.log.stream(2, 1) for recorded in Batch.recorded(batch)]
    assert there == here


async def test_projections_are_listed_with_their_lag_and_their_letters(world: World) -> None:
    await park(world, 2)
    listed = await ProjectionsStub(world.connected).ListProjections(ops_pb.ListProjectionsRequest(), metadata=PLATFORM)
    (tally,) = listed.projections
    assert (tally.name, tally.version, tally.lag_events, tally.lag_seconds) == ("tally", 1, 7, 1.5)
    assert (tally.log, tally.kind, tally.dead_letters) == ("tried", ops_pb.PROJECTION_KIND_LAZY, 2)


async def park(world: World, count: int, payload: str = POISON) -> None:
    """Park the first event of some customers of tenant demo."""
    names = [f"parked {n}" for n in range(count)]
    await world.store.log.append([added(name, payload) for name in names])
    compactor = world.store.compactor()
    compactor.request(("demo", key_of(name)) for name in names)
    await compactor.compact_all()


async def test_dead_letters_are_paged_and_say_what_is_wrong(world: World) -> None:
    await park(world, 5)
    request, seen = ops_pb.ListDeadLettersRequest(projection=TALLY.name, page_size=2), []
    for expected in (2, 2, 1):
        page = await world.letters(DEMO, request)
        assert len(page.dead_letters) == expected
        seen += [(letter.position.partition, letter.position.position) for letter in page.dead_letters]
        assert all(letter.cause.startswith("ValueError") for letter in page.dead_letters)
        assert all(letter.event.payload == POISON.encode() for letter in page.dead_letters)
        request.page_token = page.next_page_token
    assert not request.page_token
    assert len(set(seen)) == 5


async def test_a_page_of_large_letters_is_cut_short_rather_than_refused(world: World) -> None:
    await park(world, 40, POISON * 20_000)
    request, sizes, seen = ops_pb.ListDeadLettersRequest(page_size=1_000), [], set[bytes]()
    while not seen or request.page_token:
        page = await world.letters(DEMO, request)
        sizes.append(page.ByteSize())
        seen |= {letter.key for letter in page.dead_letters}
        request.page_token = page.next_page_token
    assert len(seen) == 40
    assert len(sizes) == 3
    assert max(sizes) < 4 * 1024 * 1024  # more than that, clients refuse


async def test_a_tenant_sees_no_dead_letters_but_its_own(world: World) -> None:
    # pitfall 30
    await park(world, 1)
    assert len((await world.letters(DEMO, ops_pb.ListDeadLettersRequest())).dead_letters) == 1
    assert not (await world.letters(OTHER, ops_pb.ListDeadLettersRequest())).dead_letters
    assert not (await world.letters(DEMO, ops_pb.ListDeadLettersRequest(projection="others"))).dead_letters
