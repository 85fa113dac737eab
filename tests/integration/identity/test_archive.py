"""The identity service over a log that is archived while it runs: nobody who calls it can tell."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.identity.v1 import person_pb2
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.devstack.errors import StartFailed
from libs.devstack.ports import free_port
from libs.devstack.service import Service
from libs.devstack.stack import Stack
from libs.eventlog.database import open_pool
from libs.rpc.client import channel
from tests.support.archived import archive_everything
from tests.support.profile import SMALL, Client, Speaking, fresh, identified, moment, patiently

ARCHIVE = "PORTRAIT_IDENTITY_ARCHIVE"


@dataclass(frozen=True)
class Archived:
    """Both services, and whoever makes the identity log old; `user` and `device` came together, `member` was linked."""

    stack: Stack
    shop: Client
    identity: grpc.aio.Channel
    pool: asyncpg.Pool
    folder: Path
    user: str
    device: str
    member: str

    @property
    def stub(self) -> Any:
        return Speaking(rpc.IdentitiesStub(self.identity), "demo")

    @property
    def pair(self) -> dict[str, Any]:
        """The two that are linked by hand."""
        return {
            "one": Identifier(type="user_id", value=self.user),
            "other": Identifier(type="member_no", value=self.member),
        }

    async def person(self, **then: Any) -> person_pb2.Person:
        reference = person_pb2.PersonReference(identifier=self.pair["one"])
        found: person_pb2.Person = (await self.stub.GetPerson(pb.GetPersonRequest(person=reference, **then))).person
        return found

    async def log(self) -> list[bytes]:
        """Every event, to the byte."""
        log = Client(self.identity, "*").log
        heads = (await log.GetHeads(log_pb.GetHeadsRequest())).heads
        return [
            event.SerializeToString()
            for head in heads
            async for answer in log.ReadLog(log_pb.ReadLogRequest(partition=head.partition))
            for event in answer.batch.events
        ]

    async def said(self) -> Any:
        """What the service says now, as of before the decisions were taken back, and why."""
        asked = pb.ExplainPersonRequest(one=person_pb2.PersonReference(identifier=self.pair["one"]))
        now = (await self.person(), await self.stub.ExplainPerson(asked), await self.log())
        return now, await self.person(known_at=moment("2100-01-01T00:00:00Z"))

    async def age(self) -> None:
        await archive_everything(self.pool, "identity", self.folder)


@pytest.fixture(scope="module")
async def archived(server_folder: Path) -> AsyncIterator[Archived]:
    folder = server_folder / "identity-archive"
    user, device, member = fresh("user"), fresh("device"), fresh("member")
    async with (
        Stack(services=("profile", "identity"), environment={ARCHIVE: str(folder)}, postgres_settings=SMALL) as stack,
        channel(stack.services["profile"].target) as profile,
        channel(stack.services["identity"].target) as identity,
        open_pool(stack.postgres.dsn("identity", "identity"), size=4) as pool,
    ):
        made = Archived(stack, Client(profile, "demo"), identity, pool, folder, user, device, member)
        for position in await made.shop.recorded(
            identified(user, {}, identifiers={"user_id": user, "anonymous_id": device}),
            identified(member, {}, identifiers={"member_no": member}),
        ):
            seen = pb.ResolveRequest(identifier=made.pair["one"], at_least=position)
            await patiently(partial(made.stub.Resolve, seen))
        await made.stub.Link(pb.LinkRequest(**made.pair, reason="at the desk", request_id="linked once"))
        yield made


async def test_people_reasons_and_the_past_are_the_same_from_archives(archived: Archived) -> None:
    before = await archived.said()
    ((person, _, events), _) = before
    assert {one.type for one in person.identifiers} == {"user_id", "anonymous_id", "member_no"}
    assert person.former_ids
    assert events
    await archived.age()
    assert await archived.said() == before


async def test_a_decision_that_is_archived_is_known_as_it_stood(archived: Archived) -> None:
    await archived.age()
    decided_at = await archived.pool.fetchval("SELECT recorded_at FROM decisions WHERE tenant = 'demo'")
    await archived.stub.Unlink(pb.UnlinkRequest(**archived.pair))
    await archived.age()
    then = moment("1970-01-01T00:00:00Z")
    then.FromMicroseconds(decided_at)
    assert len((await archived.person(known_at=then)).identifiers) == 3
    assert len((await archived.person()).identifiers) == 2


async def test_a_decision_repeated_after_it_was_archived_is_the_one_that_stands(archived: Archived) -> None:
    again = pb.LinkRequest(**archived.pair, request_id="linked again")
    first = (await archived.stub.Link(again)).decided
    await archived.age()
    second = (await archived.stub.Link(again)).decided
    assert (second.position, second.event_id) == (first.position, first.event_id)


async def test_a_service_that_is_not_told_where_archives_are_does_not_start(
    archived: Archived, own_folder: Path
) -> None:
    await archived.age()
    (running,) = (part for part in archived.stack.state.parts if part.name == "identity")
    port, log = free_port(), own_folder / "identity.log"
    own = {"PORTRAIT_IDENTITY_PORT": str(port), "PORTRAIT_IDENTITY_METRICS_PORT": str(free_port())}
    environment = {name: value for name, value in running.environment.items() if name != ARCHIVE} | own
    with pytest.raises(StartFailed):
        await Service("identity", "services.identity", port, environment, log).start()
    assert "ARCHIVE does not say where" in log.read_text()
