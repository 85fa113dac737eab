"""Which span of a blocked anchor an interaction lies in is said by the rules that it was stamped with."""

import json
from typing import Any

import pytest
from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.event import Envelope, Recorded
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.keys import Keyring
from libs.people.placing import Placing
from libs.people.rules_document import read_rules
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE, ByIdentifier, BySession, beside, in_session

KEYRING = Keyring(b"secret")
SHOP = "  outlet_id: {kind: outlet, strength: strong, form: exact}\n  phone: {strength: contact, form: phone}\n"
VERSIONS = {
    1: "types:\n  device: {strength: weak, form: exact}\n",
    2: "types:\n  device: {strength: weak, form: exact}\n  card: {strength: weak, form: exact, priority: 9}\n",
    3: "types:\n  device: {strength: weak, form: exact, blocked: [tablet]}\n",
    4: "types:\n  device: {strength: weak, form: exact}\n"
    "  named: {strength: contact, form: exact, of: [traits.last_name, traits.born]}\n",
}
READINGS = {version: Anchoring(read_rules(rules + SHOP, version), KEYRING) for version, rules in VERSIONS.items()}


async def at(tenant: str, version: int) -> Anchoring:
    assert tenant == "demo"
    return READINGS[version]


def key(version: int, type_: str, value: str) -> bytes:
    ((one,), _) = READINGS[version].identify([Claimed(type_, value)])
    return one.key


PHONE = key(1, "phone", "13800138000")
SAID = {
    "type": "identify",
    "identifiers": {"phone": "13800138000", "device": "tablet", "card": "c-1", "outlet_id": "s1"},
    "traits": {"last_name": "Li", "born": "1990-02-01"},
    "context": {"session_id": "s"},
}


def collected(version: int, said: dict[str, Any]) -> Recorded:
    seal = Envelope("demo", INTERACTION_RECORDED, rules_version=version).seal()
    event = seal.event(bytes(16), PHONE, 0, json.dumps(said).encode())
    return Recorded(version, 0, log_pb.Event.FromString(event.data))


@pytest.mark.parametrize(
    ("version", "next_strongest"),
    [(1, ("device", "tablet")), (2, ("card", "c-1")), (3, None), (4, ("named", "li|1990-02-01"))],
)
async def test_the_next_strongest_is_that_of_the_rules_of_then(
    version: int, next_strongest: tuple[str, str] | None
) -> None:
    placed = await Placing(at).parted(ByIdentifier(), [collected(version, SAID)])
    wanted = beside(key(version, *next_strongest)) if next_strongest else in_session("s")
    assert {span for span, events in placed.items() if events} == {wanted}


async def test_interactions_of_several_versions_are_parted_each_by_its_own() -> None:
    events = [collected(version, SAID) for version in VERSIONS]
    placed = await Placing(at).parted(ByIdentifier(), events)
    assert sorted([event.position for event in one] for one in placed.values() if one) == [[1], [2], [3], [4]]


async def test_what_has_traits_that_nobody_can_read_lies_in_no_span() -> None:
    broken = SAID | {"traits": [1]}
    placed = await Placing(at).parted(ByIdentifier(), [collected(4, broken)])
    assert [event.position for event in placed[WHOLE]] == [4]


async def test_sessions_need_no_rules() -> None:
    placed = await Placing(at).parted(BySession(), [collected(99, SAID)])
    assert [event.position for event in placed[in_session("s")]] == [99]
