"""`Profiles.GetProfile` and `BatchGetProfiles`: now, as of then, and as known then."""

import asyncio
from time import time
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import interaction_pb2
from portrait.profile.v1 import profiles_service_pb2 as pb

from tests.support.profile import PARTITIONS, Client, fresh, identified, moment, person, refused, tracked
from tests.support.transport import WITHIN_SECONDS


def ahead(position: log_pb.Position) -> log_pb.Position:
    """A position that nothing has been recorded at yet."""
    return log_pb.Position(partition=position.partition, position=position.position + 1_000_000)


async def test_a_person_is_found_by_id_and_by_identifier(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    by_identifier = await demo.portrait(user)
    by_id = pb.PersonReference(person_id=by_identifier.person_id)
    answer = await demo.profiles.GetProfile(pb.GetProfileRequest(person=by_id))
    assert answer.profile == by_identifier
    assert len(by_identifier.person_id) == 32


async def test_however_a_phone_number_is_written_it_names_the_same_person(demo: Client) -> None:
    digits = f"139{time() * 1e7:.0f}"[:11]
    await demo.recorded({**tracked(""), "identifiers": {"phone": f"+86 {digits[:3]} {digits[3:7]} {digits[7:]}"}})
    written = interaction_pb2.Identifier(type="phone", value=digits)
    request = pb.GetProfileRequest(person=pb.PersonReference(identifier=written))
    (seen,) = (await demo.profiles.GetProfile(request)).profile.identifiers
    assert seen.value == f"+86{digits}"


async def test_nobody_is_found_who_was_never_seen(demo: Client) -> None:
    assert (await refused(demo.portrait(fresh()))).code == "NOT_FOUND"
    request = pb.GetProfileRequest(person=pb.PersonReference(person_id="0" * 32))
    assert (await refused(demo.profiles.GetProfile(request))).reason == "NOT_FOUND"


@pytest.mark.parametrize(
    ("reference", "field", "reason"),
    [
        (None, "person", "INVALID_ARGUMENT"),
        (pb.PersonReference(), "person.reference", "INVALID_ARGUMENT"),
        (pb.PersonReference(person_id="ABC"), "person.person_id", "INVALID_ARGUMENT"),
        (person(""), "person.identifier.value", "INVALID_ARGUMENT"),
        (person("null"), "person.identifier", "PLACEHOLDER"),
        (
            pb.PersonReference(identifier=interaction_pb2.Identifier(type="shoe_size", value="42")),
            "person.identifier",
            "UNKNOWN_TYPE",
        ),
    ],
)
async def test_a_reference_that_can_name_nobody_is_refused(
    demo: Client, reference: pb.PersonReference | None, field: str, reason: str
) -> None:
    why = await refused(demo.profiles.GetProfile(pb.GetProfileRequest(person=reference)))
    assert (why.code, why.reason, *why.violations) == ("INVALID_ARGUMENT", reason, field)


async def test_a_mask_leaves_the_sections_that_were_asked_for(demo: Client) -> None:
    user = fresh()
    await demo.recorded(identified(user, {"city": "上海"}), tracked(user, "order_completed", properties={"revenue": 5}))
    portrait = await demo.portrait(user, mask=["traits", "interactions"])
    assert {field.name for field, _ in portrait.ListFields()} == {"traits", "interactions"}
    assert portrait.interactions == 2


async def test_a_mask_with_an_unknown_path_is_refused_with_a_hint(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    why = await refused(demo.portrait(user, mask=["trait"]))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "field_mask")
    assert "did you mean 'traits'" in why.message


async def test_a_read_that_names_a_write_contains_it(demo: Client) -> None:
    user = fresh()
    for count in range(1, 11):
        (position,) = await demo.recorded(tracked(user))
        assert (await demo.portrait(user, at_least=position)).interactions == count


async def test_a_read_waits_for_a_write_to_come(demo: Client) -> None:
    user = fresh()
    (position,) = await demo.recorded(tracked(user))
    position.position += 1
    reading = asyncio.create_task(demo.portrait(user, at_least=position))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await demo.recorded(tracked(user))
    assert (await asyncio.wait_for(reading, WITHIN_SECONDS)).interactions == 2


async def test_a_read_waits_no_longer_than_its_deadline(demo: Client) -> None:
    user = fresh()
    (position,) = await demo.recorded(tracked(user))
    request = pb.GetProfileRequest(person=person(user), at=pb.ReadAt(at_least=ahead(position)))
    why = await refused(demo.profiles.GetProfile(request, timeout=0.2))
    assert why.code == "DEADLINE_EXCEEDED"


async def test_a_position_of_a_partition_that_does_not_exist_is_refused(demo: Client) -> None:
    nowhere = log_pb.Position(partition=PARTITIONS, position=1)
    why = await refused(demo.portrait(fresh(), at_least=nowhere))
    assert (why.code, *why.violations) == ("INVALID_ARGUMENT", "at.at_least.partition")


async def test_a_read_can_not_wait_for_identities_that_nobody_resolves(demo: Client) -> None:
    user = fresh()
    (position,) = await demo.recorded(tracked(user))
    why = await refused(demo.portrait(user, at_least=position, identified=True))
    assert (why.code, why.reason) == ("FAILED_PRECONDITION", "IDENTITY_NOT_AVAILABLE")


async def test_as_of_a_moment_a_portrait_shows_what_had_happened_by_then(demo: Client) -> None:
    user = fresh()
    await demo.recorded(
        identified(user, {"city": "上海"}, occurred_at="2026-03-03T10:00:00Z"),
        identified(user, {"city": "北京"}, occurred_at="2026-03-01T10:00:00Z"),
        tracked(user, occurred_at="2026-03-02T10:00:00Z"),
    )
    first = await demo.portrait(user, as_of=moment("2026-03-02T09:59:59Z"))
    assert (first.interactions, first.traits["city"].value.string_value) == (1, "北京")
    assert (await demo.portrait(user, as_of=moment("2026-03-02T10:00:00Z"))).interactions == 2
    assert (await refused(demo.portrait(user, as_of=moment("2026-02-01T00:00:00Z")))).code == "NOT_FOUND"
    assert (await demo.portrait(user)).traits["city"].value.string_value == "上海"


async def test_as_of_a_moment_windows_end_there(demo: Client) -> None:
    user = fresh()
    await demo.recorded(*(tracked(user, "visited", occurred_at=f"2026-03-{day:02}T10:00:00Z") for day in range(1, 21)))
    visited = (await demo.portrait(user, as_of=moment("2026-03-10T12:00:00Z"))).activity["visited"]
    assert (visited.count, visited.last_7_days) == (10, 7)


async def test_a_retraction_changes_the_past_but_not_what_was_known_then(demo: Client) -> None:
    user = fresh()
    wrong = identified(user, {"city": "北京"}, occurred_at="2026-03-02T10:00:00Z")
    await demo.recorded(identified(user, {"city": "上海"}, occurred_at="2026-03-01T10:00:00Z"))
    await demo.recorded(wrong)
    newest, _ = await demo.timeline(user)
    await demo.collector.Retract(collector_pb.RetractRequest(message_id=wrong["message_id"]))
    then = moment("2026-03-02T12:00:00Z")
    now = await demo.portrait(user, as_of=then)
    assert (now.interactions, now.traits["city"].value.string_value) == (1, "上海")
    known = await demo.portrait(user, known_at=newest.recorded_at)
    assert (known.interactions, known.traits["city"].value.string_value) == (2, "北京")
    both = await demo.portrait(user, as_of=then, known_at=newest.recorded_at)
    assert both.interactions == 2
    shown = await demo.timeline(user, at=pb.ReadAt(known_at=newest.recorded_at))
    assert shown[0].message_id == wrong["message_id"]


async def test_before_anything_was_known_there_was_nobody(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    assert (await refused(demo.portrait(user, known_at=moment("2020-01-01T00:00:00Z")))).code == "NOT_FOUND"


@pytest.mark.parametrize("seconds", [-(1 << 62), -62135596801, -2208988801, 253402214400, 1 << 62])
async def test_a_moment_outside_of_the_calendar_is_refused(demo: Client, seconds: int) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    for bound in ("as_of", "known_at"):
        at: dict[str, Any] = {bound: Timestamp(seconds=seconds)}
        why = await refused(demo.portrait(user, **at))
        assert (why.code, *why.violations) == ("INVALID_ARGUMENT", f"at.{bound}")


async def test_the_ends_of_the_calendar_are_moments_too(demo: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    assert (await demo.portrait(user, as_of=moment("9999-12-30T23:59:59.999999Z"))).interactions == 1
    assert (await refused(demo.portrait(user, as_of=moment("1900-01-01T00:00:00Z")))).code == "NOT_FOUND"


async def test_many_portraits_come_in_the_order_asked_for(demo: Client) -> None:
    users = [fresh() for _ in range(60)]
    await demo.recorded(*(tracked(user) for user in users for _ in range(2)))
    asked = [*users, fresh(), users[0]]
    request = pb.BatchGetProfilesRequest(people=[person(user) for user in asked])
    request.field_mask.paths.extend(["person_id", "interactions", "identifiers"])
    profiles = (await demo.profiles.BatchGetProfiles(request)).profiles
    assert [one.identifiers[0].value for one in (*profiles[:60], profiles[61])] == [*users, users[0]]
    assert [one.interactions for one in profiles] == [2] * 60 + [0, 2]
    assert {field.name for field, _ in profiles[60].ListFields()} == {"person_id"}


async def test_many_portraits_can_be_read_as_of_a_moment(demo: Client) -> None:
    users = [fresh() for _ in range(3)]
    await demo.recorded(*(tracked(user, occurred_at="2026-03-02T10:00:00Z") for user in users))
    for text, count in (("2026-03-01T00:00:00Z", 0), ("2026-03-03T00:00:00Z", 1)):
        at = pb.ReadAt(as_of=moment(text))
        request = pb.BatchGetProfilesRequest(people=[person(user) for user in users], at=at)
        assert [one.interactions for one in (await demo.profiles.BatchGetProfiles(request)).profiles] == [count] * 3


async def test_a_batch_of_references_has_limits_and_names_the_faulty_one(demo: Client) -> None:
    for people in ([], [person("u")] * 1_001):
        request = pb.BatchGetProfilesRequest(people=people)
        assert (await refused(demo.profiles.BatchGetProfiles(request))).violations.keys() == {"people"}
    request = pb.BatchGetProfilesRequest(people=[person("good"), person("null")])
    why = await refused(demo.profiles.BatchGetProfiles(request))
    assert why.violations.keys() == {"people[1].identifier"}
