"""Whom identifiers name, who somebody is, and why: over gRPC, on real tables."""

import asyncio

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2
from portrait.profile.v1.interaction_pb2 import Identifier

from tests.support.identity import inputs, logged_in, seen
from tests.support.identity_service import Asked, at, values
from tests.support.identity_tables import value_of
from tests.support.profile import refused

NOBODY = "0" * 32


async def test_an_identifier_names_the_person_that_was_recorded_first(asked: Asked) -> None:
    await asked.saw(seen("d1"), seen("d1", "p1"), seen("p1", "u1"))
    answer = (await asked.stub.Resolve(pb.ResolveRequest(identifier=asked.identifier("u1")))).resolution
    assert answer == pb.Resolution(person_id=asked.id("d1"), known=True, key=asked.id("u1"))


async def test_who_was_never_seen_is_a_person_of_their_own_and_not_known(asked: Asked) -> None:
    answer = (await asked.stub.Resolve(pb.ResolveRequest(identifier=asked.identifier("u9")))).resolution
    assert answer == pb.Resolution(person_id=asked.id("u9"), key=asked.id("u9"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("phone:123", "MALFORMED"),
        ("phone:null", "PLACEHOLDER"),
        ("shoe_size:43", "UNKNOWN_TYPE"),
        ("outlet_id:s1", "NOT_A_PERSON"),
    ],
)
async def test_what_can_name_nobody_is_refused_by_its_field_and_in_a_batch_refuses_only_itself(
    asked: Asked, said: str, reason: str
) -> None:
    error = await refused(asked.stub.Resolve(pb.ResolveRequest(identifier=asked.identifier(said))))
    assert (error.code, error.reason, list(error.violations)) == ("INVALID_ARGUMENT", reason, ["identifier"])
    both = [asked.identifier(said), asked.identifier("u1")]
    answer = await asked.stub.BatchResolve(pb.BatchResolveRequest(identifiers=both))
    assert answer.resolutions[0] == pb.Resolution(unusable=reason)
    assert answer.resolutions[1].person_id == asked.id("u1")


async def test_a_thousand_identifiers_are_answered_in_their_order_and_one_more_is_refused(asked: Asked) -> None:
    await asked.saw(seen("d1", "u1"), seen("d2", "u2"), seen("d3", "u3", "p3"))
    names = [f"{'dup'[n % 3]}{n % 7}" for n in range(1000)]
    request = pb.BatchResolveRequest(identifiers=map(asked.identifier, names))
    found = {
        name: one.person_id
        for name, one in zip(names, (await asked.stub.BatchResolve(request)).resolutions, strict=True)
    }
    assert found["u2"] == found["d2"]
    assert found["u3"] == found["d3"] == found["p3"]
    assert found["u4"] != found["d4"]
    request.identifiers.append(asked.identifier("u1"))
    assert (await refused(asked.stub.BatchResolve(request))).code == "INVALID_ARGUMENT"


async def test_a_shared_and_a_blocked_identifier_say_so(asked: Asked) -> None:
    await asked.saw(*(seen(f"u{n}", "d1") for n in range(4)))
    await asked.stub.BlockIdentifier(pb.BlockIdentifierRequest(identifier=asked.identifier("e1")))
    names = pb.BatchResolveRequest(identifiers=[asked.identifier("d1"), asked.identifier("e1")])
    kiosk, blocked = (await asked.stub.BatchResolve(names)).resolutions
    assert (kiosk.standing, kiosk.cut, kiosk.person_id) == (person_pb2.STANDING_SHARED, True, asked.id("d1"))
    assert (blocked.standing, blocked.known) == (person_pb2.STANDING_BLOCKED, True)


async def test_resolve_waits_until_a_position_is_consumed(asked: Asked) -> None:
    asked.consumed["interactions"] = {0: 5, 1: 0}
    request = pb.ResolveRequest(identifier=asked.identifier("u1"), at_least=at(0, 7))
    waiting = asyncio.ensure_future(asked.stub.Resolve(request))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    asked.consumed["interactions"] = {0: 7, 1: 0}
    await asyncio.wait_for(waiting, 60)
    request.at_least.position = 8
    assert (await refused(asked.stub.Resolve(request, timeout=0.2))).code == "DEADLINE_EXCEEDED"
    request.at_least.partition = 9
    error = await refused(asked.stub.Resolve(request))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["at_least.partition"])


async def test_a_person_has_all_identifiers_strongest_first(asked: Asked) -> None:
    await asked.saw(seen("d1"), seen("d1", "p1"), seen("p1", "u1", verified="p1"))
    person = await asked.person("p1")
    assert [(one.type, one.value, one.verified) for one in person.identifiers] == [
        ("user_id", value_of("u1"), False),
        ("phone", value_of("p1"), True),
        ("device_id", value_of("d1"), False),
    ]
    assert person.person_id == asked.id("d1")
    assert person.identifiers[2].first_seen_at.seconds == 2000 * 3600


async def test_former_ids_are_those_of_people_who_were_and_they_still_find_the_person(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("e1", "d2"))
    await asked.saw(seen("e1", "u1"))
    person = await asked.person("d2")
    assert list(person.former_ids) == [asked.id("e1")]
    again = pb.GetPersonRequest(person=person_pb2.PersonReference(person_id=asked.id("e1")))
    assert (await asked.stub.GetPerson(again)).person == person


@pytest.mark.parametrize(
    "reference",
    [
        person_pb2.PersonReference(person_id=NOBODY),
        person_pb2.PersonReference(identifier=Identifier(type="user_id", value="nobody-knows")),
    ],
)
async def test_nobody_is_not_found(asked: Asked, reference: person_pb2.PersonReference) -> None:
    assert (await refused(asked.stub.GetPerson(pb.GetPersonRequest(person=reference)))).code == "NOT_FOUND"
    assert (await refused(asked.stub.ExplainPerson(pb.ExplainPersonRequest(one=reference)))).code == "NOT_FOUND"


async def test_of_another_tenants_people_nothing_is_known(asked: Asked) -> None:
    """Pitfall 30."""
    await asked.saw(seen("u1", "d1"))
    mine = person_pb2.PersonReference(person_id=asked.id("u1"))
    for reference in (mine, asked.reference("u1")):
        assert (await refused(asked.stranger.GetPerson(pb.GetPersonRequest(person=reference)))).code == "NOT_FOUND"
        assert (await refused(asked.stranger.ExplainPerson(pb.ExplainPersonRequest(one=reference)))).code == "NOT_FOUND"
    answer = (await asked.stranger.Resolve(pb.ResolveRequest(identifier=asked.identifier("u1")))).resolution
    assert not answer.known


@pytest.mark.parametrize("person_id", ["", "xyz", "A" * 32, "0" * 31])
async def test_an_id_that_is_none_is_refused(asked: Asked, person_id: str) -> None:
    request = pb.GetPersonRequest(person=person_pb2.PersonReference(person_id=person_id))
    error = await refused(asked.stub.GetPerson(request))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["person.person_id"])


async def test_a_number_that_passed_on_is_two_people_s_each_with_their_time(asked: Asked) -> None:
    await asked.saw(seen("u1", "p1", verified="p1", day=1), seen("u2", "p1", verified="p1", day=9))
    first, second = await asked.person("u1"), await asked.person("u2")
    assert values("p1") < {one.value for one in first.identifiers} & {one.value for one in second.identifiers} | values(
        "u1"
    )
    (until,) = (one.span.interval for one in first.identifiers if one.type == "phone")
    (since,) = (one.span.interval for one in second.identifiers if one.type == "phone")
    assert until.until == getattr(since, "from")
    assert not until.HasField("from")


async def test_the_id_of_a_part_of_an_identifier_finds_whose_it_is(asked: Asked) -> None:
    await asked.saw(seen("u1", "p1", verified="p1", day=1), seen("u2", "p1", verified="p1", day=9))
    async with asked.world.pool.acquire() as connection:
        own = await connection.fetchval("SELECT id FROM span_ids WHERE tenant = $1", asked.world.tenant.id)
    request = pb.GetPersonRequest(person=person_pb2.PersonReference(person_id=own.hex()))
    assert (await asked.stub.GetPerson(request)).person.person_id == asked.id("u2")


async def test_an_explanation_leads_from_one_to_the_other_in_event_ids(asked: Asked) -> None:
    said = inputs(seen("d1", "p1"), seen("p1", "u1", verified="p1"))
    await asked.saw(seen("d1", "p1"), seen("p1", "u1", verified="p1"))
    answer = await asked.explain("d1", "u1")
    assert answer.same
    assert (
        answer.summary
        == f"device_id {value_of('d1')} and user_id {value_of('u1')} are one person: 2 steps from one to the other"
    )
    assert [list(edge.event_ids) for edge in answer.chain] == [[one.event_id.ljust(16, b".")] for one in said]  # type: ignore[union-attr]
    assert [edge.basis for edge in answer.chain] == [person_pb2.EDGE_BASIS_SEEN, person_pb2.EDGE_BASIS_VERIFIED]
    assert len((await asked.explain("p1")).chain) == 2


async def test_why_two_are_not_one_names_what_was_refused(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    answer = await asked.explain("u1", "u2")
    assert not answer.same
    assert len(answer.people) == 2
    assert [(edge.outcome, edge.reason) for edge in answer.refused] == [
        (person_pb2.EDGE_OUTCOME_LIMIT, "one person may have at most 1 user_id")
    ]


async def test_a_kiosk_that_everybody_used_is_why_two_of_its_visitors_are_not_one(asked: Asked) -> None:
    await asked.saw(*(logged_in(f"u{n}", "d1", session=f"s{n}") for n in range(40)))
    answer = await asked.explain("u1", "u2")
    assert not answer.same
    assert {edge.outcome for edge in answer.refused} == {person_pb2.EDGE_OUTCOME_SHARED}
    assert "more than the 3 people" in answer.summary
    visitor = await asked.explain("u1")
    assert [edge.basis for edge in visitor.chain] == [person_pb2.EDGE_BASIS_LOGGED_IN]
    assert await asked.names("u1") == values("u1", "d1")


async def test_a_person_is_read_as_of_a_day_from_what_had_happened_by_then(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1", day=1), seen("u1", "p1", day=5), seen("p1", "e1", day=9))
    assert await asked.names("u1", as_of=_day(6)) == values("u1", "d1", "p1")
    assert await asked.names("p1", as_of=_day(6)) == values("u1", "d1", "p1")
    assert await asked.names("u1") == values("u1", "d1", "p1", "e1")
    request = pb.GetPersonRequest(person=asked.reference("e1"), as_of=_day(6))
    assert (await refused(asked.stub.GetPerson(request))).code == "NOT_FOUND"


@pytest.mark.parametrize("field", ["as_of", "known_at"])
async def test_a_person_is_not_asked_for_as_of_what_is_no_time(asked: Asked, field: str) -> None:
    request = pb.GetPersonRequest(person=asked.reference("u1"), **{field: Timestamp(seconds=2**62)})
    why = await refused(asked.stub.GetPerson(request))
    assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", [field])


async def test_a_tablet_that_is_shared_today_was_one_family_s_at_first(asked: Asked) -> None:
    await asked.saw(*(seen(f"u{n}", "d1", day=n) for n in range(1, 6)))
    assert await asked.names("u1") == values("u1")
    assert await asked.names("u1", as_of=_day(2.5)) == values("u1", "d1")
    assert await asked.names("u1", as_of=_day(4.5)) == values("u1")


async def test_what_was_known_at_a_time_leaves_out_decisions_taken_later(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1"), seen("e1", "u9"))
    asked.world.clock.set(5000 * 3600 * 1_000_000)
    await asked.stub.Unlink(asked.pair(pb.UnlinkRequest, "u1", "e1"))
    asked.world.clock.set(6000 * 3600 * 1_000_000)
    await asked.stub.Link(asked.pair(pb.LinkRequest, "u1", "e1"))
    assert await asked.names("u1", known_at=_hours(3000)) == values("u1", "e1")
    assert await asked.names("u1", known_at=_hours(5500)) == values("u1")
    assert await asked.names("u1", known_at=_hours(6500)) == values("u1", "e1")
    assert await asked.names("u1", known_at=_hours(2000.5)) == values("u1", "e1")
    request = pb.GetPersonRequest(person=asked.reference("u1"), known_at=_hours(1))
    assert (await refused(asked.stub.GetPerson(request))).code == "NOT_FOUND"


async def test_a_blocked_value_is_blocked_as_of_any_time_but_not_as_known_before(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1", day=1), seen("u1", "e1", day=2))
    asked.world.clock.set(5000 * 3600 * 1_000_000)
    await asked.stub.BlockIdentifier(pb.BlockIdentifierRequest(identifier=asked.identifier("e1")))
    assert await asked.names("u1", as_of=_day(3)) == values("u1", "e1") - values("e1")
    assert await asked.names("u1", known_at=_hours(3000)) == values("u1", "e1")


def _day(day: float) -> Timestamp:
    return _hours(day * 24)


def _hours(hours: float) -> Timestamp:
    return Timestamp(seconds=int(hours * 3600))
