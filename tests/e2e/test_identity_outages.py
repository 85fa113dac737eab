"""Identity is away, or one of its replicas is: who is asked answers what they know, and later the right people."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from portrait.identity.v1 import identities_service_pb2 as identity_pb
from portrait.identity.v1 import identities_service_pb2_grpc as identity_rpc
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.devstack import commands
from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import SMALL, Client, Speaking, fresh, identified_portrait, refused, tracked

LOSS_IS_MADE_GOOD = 120.0  # seconds: a lease and a restart, on a machine that has other things to do


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[Stack]:
    """Profile and identity."""
    async with Stack(postgres_settings=SMALL) as running:
        yield running


@pytest.fixture
async def shop(both: Stack) -> AsyncIterator[Client]:
    """The tenant `demo` there."""
    async with channel(both.services["profile"].target) as connected:
        yield Client(connected, "demo")


def by(type_: str, value: str) -> pb.PersonReference:
    return pb.PersonReference(identifier=Identifier(type=type_, value=value))


def login(user: str, cookie: str) -> dict[str, Any]:
    return tracked(user, "", type="identify", identifiers={"user_id": user, "cookie": cookie})


async def portrait(client: Client, who: pb.PersonReference) -> pb.Profile:
    answer: pb.GetProfileResponse = await client.profiles.GetProfile(pb.GetProfileRequest(person=who))
    return answer.profile


async def test_while_identity_is_down_profile_collects_and_answers_and_then_finds_the_right_people(
    both: Stack, shop: Client
) -> None:
    known, cookie, newcomer, browser = fresh(), fresh("cookie"), fresh(), fresh("cookie")
    (position,) = await shop.recorded(login(known, cookie))
    assert (await identified_portrait(shop, by("cookie", cookie), position)).interactions == 1
    async with both.without(both.services["identity"]):
        await shop.recorded(tracked(known), tracked("", identifiers={"cookie": cookie}))
        assert (await portrait(shop, by("cookie", cookie))).interactions == 3, "who was one person still is"
        await shop.recorded(*(tracked("", identifiers={"cookie": browser}) for _ in range(3)))
        (position,) = await shop.recorded(login(newcomer, browser))
        assert (await portrait(shop, by("cookie", browser))).interactions == 3, "nobody has said whose it is"
        assert (await portrait(shop, by("user_id", newcomer))).interactions == 1
        wanted = pb.ReadAt(at_least=position, identified=True)
        why = await refused(shop.profiles.GetProfile(pb.GetProfileRequest(person=by("cookie", browser), at=wanted)))
        assert (why.code, why.retryable) == ("UNAVAILABLE", True)
    async with asyncio.timeout(LOSS_IS_MADE_GOOD):
        found = await identified_portrait(shop, by("cookie", browser), position)
    assert found.interactions == 4
    assert found.person_id == (await portrait(shop, by("user_id", newcomer))).person_id
    assert (await portrait(shop, by("user_id", known))).interactions == 3


@pytest.fixture
def data(own_folder: Path) -> Iterator[Path]:
    yield own_folder
    commands.down(own_folder)


def up(data: Path) -> dict[str, Sequence[Any]]:
    """Everything in two replicas; the parts of each service."""
    command = (sys.executable, "-m", "libs.cli", "up", "--data", str(data), "--ports", "free", "--replicas", "2")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    state = commands.status(data)
    assert state is not None
    return {
        service: [part for part in state.parts if part.name in {service, f"{service}-2"}]
        for service in ("profile", "identity")
    }


def target(parts: Sequence[Any]) -> str:
    return "ipv4:" + ",".join(part.address for part in parts)


async def test_a_replica_of_identity_that_is_killed_changes_no_answer(data: Path) -> None:
    parts = await asyncio.to_thread(up, data)
    assert [len(those) for those in parts.values()] == [2, 2]
    async with channel(target(parts["profile"])) as collecting, channel(target(parts["identity"])) as identifying:
        client = Client(collecting, "demo")
        identities = Speaking(identity_rpc.IdentitiesStub(identifying), "demo")
        people = [(fresh(), fresh("cookie")) for _ in range(20)]
        told = [login(*one) for one in people] + [tracked("", identifiers={"cookie": cookie}) for _, cookie in people]
        for position in await client.recorded(*told):
            await identified_portrait(client, by("user_id", people[0][0]), position)
        names = [by("cookie", cookie) for _, cookie in people]
        named = [Identifier(type=one.identifier.type, value=one.identifier.value) for one in names]

        async def answers() -> tuple[list[Any], list[Any]]:
            shown = await client.profiles.BatchGetProfiles(pb.BatchGetProfilesRequest(people=names))
            resolved = await identities.BatchResolve(identity_pb.BatchResolveRequest(identifiers=named))
            return list(shown.profiles), list(resolved.resolutions)

        before = await answers()
        assert [one.interactions for one in before[0]] == [2] * len(people)
        os.kill(parts["identity"][0].pid, signal.SIGKILL)
        for _ in range(20):
            assert await answers() == before
            await asyncio.sleep(0.05)
        newcomer, browser = fresh(), fresh("cookie")
        _, position = await client.recorded(tracked("", identifiers={"cookie": browser}), login(newcomer, browser))
        async with asyncio.timeout(LOSS_IS_MADE_GOOD):
            found = await identified_portrait(client, by("user_id", newcomer), position)
        assert found.interactions == 2
        assert await answers() == before
