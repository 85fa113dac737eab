"""The service over a log that is archived while it runs: nobody who calls it can tell."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import grpc
import pytest
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb

from libs.devstack.errors import StartFailed
from libs.devstack.stack import Stack
from libs.eventlog.archive import Archive
from libs.eventlog.blanking import Blanking
from libs.eventlog.database import open_pool
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.rpc.client import channel
from libs.runtime.clock import ManualClock
from tests.support.archived import archive_everything
from tests.support.profile import PARTITIONS, SMALL, Client, fresh, moment, refused, replica, tracked
from tests.support.transport import eventually

USERS = [fresh() for _ in range(20)]


@dataclass(frozen=True)
class Archived:
    """A running service, and whoever makes its log old."""

    stack: Stack
    client: Client
    pool: asyncpg.Pool
    folder: Path

    @property
    def log(self) -> PostgresLog:
        return PostgresLog(
            "interactions",
            PARTITIONS,
            self.pool,
            ManualClock(0),
            Ranges(self.pool),
            Archive(self.pool, str(self.folder)),
        )

    async def age(self) -> None:
        """Archive everything recorded so far, as soon as the service has folded it."""
        await archive_everything(self.pool, "interactions", self.folder, ["portraits"])

    async def said(self) -> dict[str, Any]:
        """What the service says of everybody."""
        answers = {}
        for user in USERS:
            whole = await self.client.portrait(user)
            past = await self.client.portrait(user, as_of=moment("2026-02-01T00:00:00Z"))
            answers[user] = (whole, past, await self.client.timeline(user))
        return answers


@pytest.fixture(scope="module")
async def archived(server_folder: Path) -> AsyncIterator[Archived]:
    folder = server_folder / "archive"
    environment = {"PORTRAIT_PROFILE_ARCHIVE": str(folder)}
    async with (
        Stack(services=("profile",), environment=environment, postgres_settings=SMALL) as stack,
        channel(stack.services["profile"].target) as connected,
        open_pool(stack.postgres.dsn("profile", "profile"), size=4) as pool,
    ):
        yield Archived(stack, Client(connected, "demo"), pool, folder)


async def test_portraits_timelines_and_the_past_are_the_same_from_archives(archived: Archived) -> None:
    said = [
        tracked(user, occurred_at=f"2026-0{month}-11T08:00:00Z", message_id=f"{user} {month}")
        for user in USERS
        for month in (1, 2, 3)
    ]
    await archived.client.recorded(*said, import_id="history.csv")
    before = await archived.said()
    assert [len(timeline) for _, _, timeline in before.values()] == [3] * len(USERS)
    assert {past.interactions for _, past, _ in before.values()} == {1}
    await archived.age()
    assert await archived.said() == before


async def test_duckdb_reads_the_files_as_they_are(archived: Archived) -> None:
    with duckdb.connect() as connection:
        files = f"{archived.folder}/interactions/*/*.parquet"
        rows = connection.execute(
            f"""SELECT partition, position, key, payload->>'message_id' AS message_id, payload->>'event' AS event,
                       epoch_us(recorded_at), epoch_us(occurred_at), event_head || payload::blob || event_tail AS data
                FROM '{files}' WHERE type = 'interaction_recorded' AND mode = 'live' AND import_id = 'history.csv'
                ORDER BY partition, position"""
        ).fetchall()
    log = []
    for partition in range(PARTITIONS):
        async for batch in archived.log.stream(partition, 0):
            log += [(partition, one, data) for one, data in zip(batch.recorded(), batch.events, strict=True)]
    assert len(rows) == 60
    for (partition, position, key, message_id, event, recorded_at, occurred_at, data), (of, one, wire) in zip(
        rows, log, strict=True
    ):
        assert (partition, position, key, data) == (of, one.position, one.event.key.hex(), wire)
        assert (recorded_at, occurred_at) == (one.recorded_at, one.event.occurred_at_micros)
        assert (message_id.split()[0] in USERS, event) == (True, "product_viewed")


async def test_a_message_is_taken_back_although_it_is_archived(archived: Archived) -> None:
    user = USERS[0]
    retract = archived.client.collector.Retract
    answer = await retract(collector_pb.RetractRequest(message_id=f"{user} 2"))
    assert answer.retracted == 1
    assert (await archived.client.portrait(user)).interactions == 2
    answer = await retract(collector_pb.RetractRequest(import_id="history.csv"))
    assert (answer.retracted, answer.remaining) == (59, 0)
    assert (await refused(archived.client.portrait(user))).code == "NOT_FOUND"


async def test_a_repeat_of_what_is_archived_counts_once(archived: Archived) -> None:
    said = tracked(USERS[1], message_id="before and after")
    await archived.client.recorded(said)
    await archived.age()
    (again,) = await archived.client.collect(said)
    assert again.position.position > 0
    assert (await archived.client.portrait(USERS[1])).interactions == 1


async def test_whoever_reads_the_log_over_the_wire_sees_all_of_it(archived: Archived) -> None:
    await archived.client.recorded(*(tracked(user) for user in USERS))
    platform = archived.client.of("*")
    heads = {head.partition: head.position for head in (await platform.log.GetHeads(log_pb.GetHeadsRequest())).heads}
    for partition, head in heads.items():
        position = 0
        async for answer in platform.log.ReadLog(log_pb.ReadLogRequest(partition=partition)):
            assert answer.batch.first_position == position + 1
            position += len(answer.batch.events)
        assert position == head
    person = bytes.fromhex((await archived.client.portrait(USERS[1])).person_id)
    batches = [one.batch async for one in archived.client.log.ReadKey(log_pb.ReadKeyRequest(key=person))]
    assert [event.type for batch in batches for event in batch.events].count("interaction_recorded") == 5


async def test_whoever_is_erased_is_gone_from_portrait_timeline_and_files(archived: Archived) -> None:
    user = USERS[2]
    await archived.client.recorded(tracked(user, properties={"note": "secret 4711"}))
    await archived.age()
    person = bytes.fromhex((await archived.client.portrait(user)).person_id)
    log = archived.log

    async def refold(_: object) -> None: ...

    blanking = Blanking(log, archived.pool, Archive(archived.pool, str(archived.folder)), ManualClock(0), refold)
    assert await blanking.blank("demo", person, None, "they asked") == 5
    assert (await refused(archived.client.portrait(user))).code == "NOT_FOUND"
    assert list(await archived.client.timeline(user)) == []
    with duckdb.connect() as connection:
        files = f"SELECT count(*) FROM '{archived.folder}/interactions/*/*.parquet' WHERE"
        assert connection.execute(f"{files} payload LIKE '%secret 4711%'").fetchone() == (0,)
        assert connection.execute(
            f"{files} key = '{person.hex()}' AND type <> 'retracted' AND payload IS NULL"
        ).fetchone() == (5,)


async def test_a_killed_service_goes_on_over_its_archives(archived: Archived) -> None:
    before = (await archived.client.portrait(USERS[1])).interactions
    service = archived.stack.services["profile"]
    await service.kill()
    await service.start()

    async def same() -> bool:
        try:
            return bool((await archived.client.portrait(USERS[1])).interactions == before)
        except grpc.aio.AioRpcError:  # the channel has not noticed yet
            return False

    await eventually(same)
    await archived.client.recorded(tracked(USERS[1]))
    assert (await archived.client.portrait(USERS[1])).interactions == before + 1


async def test_a_service_that_is_not_told_where_archives_are_does_not_start(
    archived: Archived, own_folder: Path
) -> None:
    with pytest.raises(StartFailed):
        async with replica(archived.stack, own_folder):
            pass
    (log,) = [path.read_text() for path in own_folder.glob("*.log")]  # noqa: ASYNC240  nothing else runs here
    assert "ARCHIVE does not say where" in log
