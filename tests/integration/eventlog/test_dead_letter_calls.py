"""Listing, retrying and dropping dead letters as operators call it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc
import pytest
from portrait.log.v1 import event_pb2 as event_pb
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub

from libs.eventlog.dead_letters import PostgresDeadLetters
from libs.eventlog.mending import LazyMender
from libs.eventlog.ranges import Ranges
from libs.eventlog.service import Standing, log_services
from libs.rpc.client import ErrorDetails, channel, details_of, metadata_for
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.pages import next_page
from libs.rpc.server import serve
from libs.runtime.tenants import Tenants
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces
from tests.support.ledger import PROJECTION, TABLE, Office, golden, postgres_office
from tests.support.logs import NOON, Database, added, key_of, partition_mates
from tests.support.tally import POISON, TALLY

PARTITION = 2
ANN, BOB = partition_mates(2, partition=PARTITION)
DEMO, OTHER = metadata_for("demo"), metadata_for("other")


@dataclass(frozen=True)
class World:
    """A server in which Ann's second event can't be folded, neither by the tally nor by the ledger."""

    office: Office
    stub: ProjectionsStub

    async def letters(self, caller: tuple[tuple[str, str], ...] = DEMO, **request: object) -> list[pb.DeadLetter]:
        asked = pb.ListDeadLettersRequest(**request)  # type: ignore[arg-type]  # fields as they are given
        return list((await self.stub.ListDeadLetters(asked, metadata=caller)).dead_letters)

    async def retry(self, projection: str, name: object = ANN, **request: str) -> pb.RetryDeadLetterResponse:
        asked = pb.RetryDeadLetterRequest(projection=projection, key=key_of(name), **request)
        return await self.stub.RetryDeadLetter(asked, metadata=DEMO)

    async def drop(self, projection: str, position: int, reason: str = "broken") -> pb.DropDeadLetterResponse:
        place = event_pb.Position(partition=PARTITION, position=position)
        asked = pb.DropDeadLetterRequest(projection=projection, key=key_of(ANN), position=place, reason=reason)
        return await self.stub.DropDeadLetter(asked, metadata=DEMO)


@pytest.fixture
async def world(log_database: Database) -> AsyncIterator[World]:
    pool, store = log_database.pool, log_database.store
    await pool.execute(TABLE)
    await Ranges(pool).cover(NOON)
    await store.log.append([added(ANN, amount) for amount in (1, POISON, 3)])
    compactor = store.compactor()
    await compactor.compact([("demo", key_of(ANN))])
    office = postgres_office(pool)
    await office.source.append([added(name) for name in (ANN, BOB, ANN, ANN)])
    office.book.spoiled = {(PARTITION, 3)}
    await office.fold()
    letters = PostgresDeadLetters(pool, TALLY.name, store.log.name, store.clock)

    async def standings() -> Sequence[Standing]:
        return []

    serving = serve(
        log_services(
            store.log,
            pool,
            standings,
            menders=[office.mender, LazyMender(log_database.log(store.clock), pool, letters, compactor, store.clock)],
        ),
        host="127.0.0.1",
        port=0,
        authenticator=DevelopmentCredential(Tenants.demo()),
        metrics=Metrics(),
        traces=Traces.off(),
    )
    async with serving as server, channel(f"127.0.0.1:{server.port}") as connected:
        yield World(office, ProjectionsStub(connected))
    await pool.execute("DROP TABLE ledger")


async def refused(call: object) -> ErrorDetails:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]  # whatever is called
    return details_of(caught.value)


async def test_letters_are_listed_with_kind_cause_and_log(world: World) -> None:
    waiting, failed, lazy = sorted(await world.letters(), key=lambda one: (one.projection, -one.position.position))
    assert [(one.projection, one.log, one.position.position) for one in (failed, waiting, lazy)] == [
        (PROJECTION, "interactions", 3),
        (PROJECTION, "interactions", 4),
        ("tally", "tried", 2),
    ]
    assert (failed.kind, failed.cause) == (pb.DEAD_LETTER_KIND_FAILED, f"{PARTITION}:3 is spoiled")
    assert (waiting.kind, waiting.cause) == (pb.DEAD_LETTER_KIND_WAITING, "")
    assert (lazy.kind, lazy.event.payload) == (pb.DEAD_LETTER_KIND_FAILED, POISON.encode())
    assert failed.parked_at.ToMicroseconds() == NOON
    assert not failed.HasField("dropped_at")
    assert len(await world.letters(projection=PROJECTION, key=key_of(ANN))) == 2
    assert await world.letters(key=key_of(BOB)) == []
    assert await world.letters(OTHER) == []  # pitfall 30


async def test_letters_of_several_projections_are_paged(world: World) -> None:
    seen, request = [], pb.ListDeadLettersRequest(page_size=1)
    for _ in range(3):
        page = await world.stub.ListDeadLetters(request, metadata=DEMO)
        seen += [(one.projection, one.position.position) for one in page.dead_letters]
        request.page_token = page.next_page_token
    assert not request.page_token
    assert sorted(seen) == [(PROJECTION, 3), (PROJECTION, 4), ("tally", 2)]


@pytest.mark.parametrize(
    "cursor",
    [(2**63, "", "", 0, 0), (0, "\0", "", 0, 0), (0, "", "\0", 0, 0), (0, "", "", 2**15, 0), (0, "", "", 0, 2**63)],
)
async def test_a_forged_token_is_refused(world: World, cursor: tuple[object, ...]) -> None:
    request = pb.ListDeadLettersRequest(page_token=next_page(pb.ListDeadLettersRequest(), cursor))
    why = await refused(world.stub.ListDeadLetters(request, metadata=DEMO))
    assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", ["page_token"])


async def test_a_consumers_key_is_retried_and_mended(world: World) -> None:
    in_vain = await world.retry(PROJECTION)
    assert (in_vain.folded, in_vain.waiting, in_vain.failed.position.position) == (0, 1, 3)
    world.office.book.spoiled.clear()
    mended = await world.retry(PROJECTION, log="interactions")
    assert (mended.folded, mended.waiting, mended.HasField("failed")) == (2, 0, False)
    assert await world.office.ledger() == await golden(world.office.source)
    assert await world.letters(projection=PROJECTION) == []


async def test_what_was_dropped_stays_visible_to_whoever_asks_for_it(world: World) -> None:
    dropped = await world.drop(PROJECTION, 3, "a test that escaped")
    assert (dropped.folded, dropped.waiting, dropped.HasField("failed")) == (1, 0, False)
    assert (dropped.dropped.kind, dropped.dropped.dropped_why) == (pb.DEAD_LETTER_KIND_DROPPED, "a test that escaped")
    assert dropped.dropped.dropped_at.ToMicroseconds() == NOON
    assert await world.letters(projection=PROJECTION) == []
    assert await world.letters(projection=PROJECTION, show_dropped=True) == [dropped.dropped]


async def test_a_lazy_projections_key_is_retried_and_its_event_dropped(world: World) -> None:
    in_vain = await world.retry("tally")
    assert (in_vain.folded, in_vain.failed.position.position) == (0, 2)
    dropped = await world.drop("tally", 2)
    assert (dropped.dropped.position.position, dropped.HasField("failed")) == (2, False)
    assert await world.letters(projection="tally") == []


async def test_what_is_not_there_is_named(world: World) -> None:
    assert (await refused(world.retry("nothing"))).code == "NOT_FOUND"
    assert (await refused(world.retry(PROJECTION, BOB))).code == "NOT_FOUND"
    assert (await refused(world.drop(PROJECTION, 1))).code == "NOT_FOUND"
    waits = await refused(world.drop(PROJECTION, 4))
    assert (waits.code, waits.reason) == ("FAILED_PRECONDITION", "LETTER_ONLY_WAITS")
    wrong_log = await refused(world.retry(PROJECTION, log="identity"))
    assert wrong_log.violations == {"log": f"{PROJECTION} folds interactions: say which"}
    assert (await refused(world.drop(PROJECTION, 3, ""))).violations.keys() == {"reason"}
