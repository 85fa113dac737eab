"""Profile and identity side by side: what was collected a moment ago is one person's portrait."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from portrait.profile.v1 import interaction_pb2
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import SMALL, Client, fresh, identified_portrait, person, tracked


@pytest.fixture(scope="module")
async def resolving() -> AsyncIterator[Client]:
    """The tenant `demo` of a stack that has an identity service."""
    async with (
        Stack(services=("profile", "identity"), postgres_settings=SMALL) as running,
        channel(running.services["profile"].target) as connected,
    ):
        yield Client(connected, "demo")


def came(*identifiers: tuple[str, str], **rest: Any) -> dict[str, Any]:
    return tracked("", **rest) | {"identifiers": dict(identifiers)}


def by(type_: str, value: str) -> pb.PersonReference:
    return pb.PersonReference(identifier=interaction_pb2.Identifier(type=type_, value=value))


async def all_identified(client: Client, who: pb.PersonReference, positions: Iterable[Any]) -> None:
    """Wait for what was recorded; partitions are identified apart."""
    for position in {one.partition: one for one in positions}.values():  # the last of each
        await identified_portrait(client, who, position)


async def test_a_visitor_who_logs_in_is_one_person_as_soon_as_the_login_is_identified(resolving: Client) -> None:
    cookie, user = fresh("cookie"), fresh()
    await resolving.recorded(*(came(("cookie", cookie)) for _ in range(5)), tracked(user))
    login = came(("cookie", cookie), ("user_id", user)) | {"type": "identify", "event": ""}
    (position,) = await resolving.recorded(login)
    for who in (by("cookie", cookie), person(user)):
        assert (await identified_portrait(resolving, who, position)).interactions == 7


async def test_a_kiosk_joins_nobody_and_each_visitor_has_their_own_session(resolving: Client) -> None:
    kiosk, users = fresh("kiosk"), [fresh() for _ in range(6)]
    positions: list[Any] = []
    for n, user in enumerate(users):
        session = {"context": {"session_id": fresh("session")}}
        browsed = [came(("device_id", kiosk), **session) for _ in range(n)]
        login = came(("device_id", kiosk), ("user_id", user), **session) | {"type": "identify", "event": ""}
        positions += await resolving.recorded(*browsed, login)
    await all_identified(resolving, person(users[0]), positions)
    found = [await resolving.portrait(user) for user in users]
    assert [one.interactions for one in found] == [1, 2, 3, 4, 5, 6]
    assert len({one.person_id for one in found}) == len(users)


async def test_a_kiosk_of_five_hundred_people_joins_nobody_and_each_finds_what_they_did_there(
    resolving: Client,
) -> None:
    """Pitfall 18, as GetProfile shows it."""
    kiosk, users = fresh("kiosk"), [fresh() for _ in range(500)]
    told = []
    for user in users:
        session = {"context": {"session_id": fresh("session")}}
        told.append(came(("device_id", kiosk), **session))
        told.append(came(("device_id", kiosk), ("user_id", user), **session) | {"type": "identify", "event": ""})
        told.append(tracked(user))
    positions = await resolving.recorded(*told, came(("device_id", kiosk)))
    await all_identified(resolving, person(users[0]), positions)
    answer = await resolving.profiles.BatchGetProfiles(pb.BatchGetProfilesRequest(people=map(person, users)))
    assert [one.interactions for one in answer.profiles] == [3] * len(users)
    assert len({one.person_id for one in answer.profiles}) == len(users)
    machine = await identified_portrait(resolving, by("device_id", kiosk), positions[-1])
    assert machine.person_id not in {one.person_id for one in answer.profiles}
    assert machine.interactions == 1, "what was done there in no session is nobody's else"
