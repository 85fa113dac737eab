"""Rules that a tenant publishes reach what is collected next, and leave what was collected before where it is."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from portrait.identity.v1 import identities_service_pb2 as identity_pb
from portrait.identity.v1 import identities_service_pb2_grpc as identity_rpc
from portrait.identity.v1 import rules_pb2
from portrait.log.v1 import event_pb2 as event_pb
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.profile.v1 import interaction_pb2
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.devstack.stack import Stack
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.people.rules_document import read_rules
from libs.rpc.client import channel
from libs.runtime.tenants import SHIPPED, Tenants
from tests.support.profile import (
    QUARANTINED,
    SMALL,
    Client,
    Speaking,
    fresh,
    identified_portrait,
    refused,
    replica,
    tracked,
)
from tests.support.transport import eventually


@dataclass(frozen=True)
class Ruled:
    """A tenant with two replicas of profile, and an identity service."""

    replicas: Sequence[Client]
    identities: Any

    @property
    def client(self) -> Client:
        return self.replicas[0]

    async def rules(self) -> rules_pb2.Rules:
        rules: rules_pb2.Rules = (await self.identities.GetRules(identity_pb.GetRulesRequest())).rules
        return rules

    async def publish(self, **types: dict[str, Any]) -> int:
        """Rules with more fields of some types, or with other types; answers their version once both go by them."""
        document = yaml.safe_load((await self.rules()).document)
        document.pop("version", None)
        for name, fields in types.items():
            document["types"].setdefault(name, {}).update(fields)
        rules = rules_pb2.Rules(document=yaml.safe_dump(document))
        answer = await self.identities.PublishRules(identity_pb.PublishRulesRequest(rules=rules))
        version: int = answer.rules.version

        async def everywhere() -> bool:
            return all([await _stamp(one) == version for one in self.replicas])

        await eventually(everywhere)
        return version

    async def key(self, type_: str, value: str) -> bytes:
        tenant, rules = Tenants.load(SHIPPED).get("demo"), await self.rules()
        reading = Anchoring(
            read_rules(rules.document, rules.version or 1), Keyring(tenant.secret), region_of(tenant.locale)
        )
        ((one,), _) = reading.identify([Claimed(type_, value)])
        return one.key

    async def filed(self, type_: str, value: str) -> list[event_pb.Event]:
        """The interactions under an anchor."""
        request = log_pb.ReadKeyRequest(key=await self.key(type_, value))
        return await _events(self.client, request)

    async def portrait(self, type_: str, value: str, position: Any) -> pb.Profile:
        """The whole person's, once a position is identified."""
        return await identified_portrait(self.client, by(type_, value), position)


def by(type_: str, value: str) -> pb.PersonReference:
    return pb.PersonReference(identifier=interaction_pb2.Identifier(type=type_, value=value))


def came(**identifiers: Any) -> dict[str, Any]:
    return tracked("") | {"identifiers": identifiers}


async def _events(client: Client, request: log_pb.ReadKeyRequest) -> list[event_pb.Event]:
    return [event async for one in client.log.ReadKey(request) for event in one.batch.events]


async def _stamp(client: Client) -> int:
    """The version of the rules that a replica stamps interactions with."""
    user = fresh()
    await client.recorded(tracked(user))
    key = bytes.fromhex((await client.portrait(user)).anchors[0])
    (event,) = await _events(client, log_pb.ReadKeyRequest(key=key))
    return event.rules_version


@pytest.fixture(scope="module")
async def ruled(server_folder: Path) -> AsyncIterator[Ruled]:
    async with Stack(services=("profile", "identity"), postgres_settings=SMALL) as running:
        profile, identity = running.services["profile"].target, running.services["identity"].target
        async with (
            replica(running, server_folder, IDENTITY=identity) as second,
            channel(profile) as one,
            channel(second.target) as other,
            channel(identity) as identities,
        ):
            clients = [Client(one, "demo"), Client(other, "demo")]
            ruled = Ruled(clients, Speaking(identity_rpc.IdentitiesStub(identities), "demo"))
            await ruled.publish(warming_up={"strength": "weak", "form": "exact"})  # until partitions are shared out
            yield ruled


async def test_a_new_type_anchors_what_comes_next_and_what_came_before_stays_where_it_is(ruled: Ruled) -> None:
    user, card = fresh(), fresh("card")
    both = {"user_id": user, "club_card": card}
    await ruled.client.recorded(came(**both))  # the card's type means nothing yet
    (result,) = await ruled.client.collect(came(club_card=card))
    assert (result.outcome, result.rejection.reason) == (QUARANTINED, "NO_USABLE_IDENTIFIER")
    before = (await ruled.filed("user_id", user))[0]

    version = await ruled.publish(club_card={"strength": "strong", "form": "exact", "priority": 500})
    for client in ruled.replicas:
        *_, position = await client.recorded(came(**both), came(club_card=card))
    assert [event.rules_version for event in await ruled.filed("club_card", card)] == [version] * 4
    assert await ruled.filed("user_id", user) == [before]
    assert before.rules_version < version
    whole = await ruled.portrait("user_id", user, position)
    assert whole.interactions == 5
    assert set(whole.anchors) == {(await ruled.key(*one)).hex() for one in (("user_id", user), ("club_card", card))}


async def test_a_blocked_value_is_refused_from_then_on_and_what_it_anchored_goes_to_who_came_with_it(
    ruled: Ruled,
) -> None:
    office, ann, bob = "021-62345678", fresh("device"), fresh("device")
    await ruled.client.recorded(*(came(phone=office, device_id=device) for device in (ann, ann, bob)))
    assert len(await ruled.filed("phone", office)) == 3

    await ruled.publish(phone={"blocked": ["+862162345678"]})
    for client in ruled.replicas:
        (result,) = await client.collect(came(phone=office))
        assert (result.outcome, result.rejection.reason) == (QUARANTINED, "NO_USABLE_IDENTIFIER")
        assert "phone is BLOCKED_VALUE" in result.rejection.message
        why = await refused(client.profiles.GetProfile(pb.GetProfileRequest(person=by("phone", office))))
        assert (why.code, why.reason) == ("INVALID_ARGUMENT", "BLOCKED_VALUE")
    (position,) = await ruled.client.recorded(came(phone=office, device_id=ann))
    assert len(await ruled.filed("device_id", ann)) == 1

    async def settled() -> bool:
        found = [await ruled.portrait("device_id", one, position) for one in (ann, bob)]
        return [one.interactions for one in found] == [3, 1]

    await eventually(settled)


async def test_identifiers_that_are_only_composed_name_people_to_both_services(ruled: Ruled) -> None:
    await ruled.publish(
        name_and_birthday={"strength": "contact", "form": "caseless", "of": ["traits.last_name", "traits.birthday"]}
    )
    name, user = fresh("li"), fresh()
    said = {"type": "identify", "event": "", "traits": {"last_name": name.upper(), "birthday": "1990-02-01"}}
    (position,) = await ruled.client.recorded(came() | said)
    composed = f"{name}|1990-02-01"
    assert len(await ruled.filed("name_and_birthday", composed)) == 1
    assert (await ruled.portrait("name_and_birthday", composed, position)).interactions == 1
    *_, position = await ruled.client.recorded(came(user_id=user) | said)
    assert (await ruled.portrait("user_id", user, position)).interactions == 2
