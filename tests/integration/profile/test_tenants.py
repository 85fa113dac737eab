"""Every call × two tenants: nothing of one is seen, counted or changed by the other.

The table below has a row for every method that reflection tells of, so that a new one without a row fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import pytest
from google.protobuf.message import Message
from portrait.log.v1 import event_pb2
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.devstack.stack import Stack
from tests.integration.profile.customer import Customer
from tests.support.profile import (
    PARTITIONS,
    RECORDED,
    Client,
    document,
    fresh,
    person,
    refused,
    refused_stream,
    tracked,
)
from tests.support.reflection import methods_of

Check = Callable[[Client, Client, Customer], Awaitable[None]]


def by_id(customer: Customer) -> profiles_pb.PersonReference:
    return profiles_pb.PersonReference(person_id=customer.person_id)


def tells_nothing(customer: Customer, answers: Iterable[Message]) -> None:
    """No answer holds anything that only the other tenant knows."""
    told = b"".join(answer.SerializeToString() for answer in answers)
    for known in (customer.secret, customer.user, customer.event, customer.import_id, customer.quarantine_id):
        assert known.encode() not in told


async def collect(demo: Client, other: Client, customer: Customer) -> None:
    user = fresh()
    (result,) = await other.collect(tracked(user, message_id=customer.message["message_id"]))
    assert result.outcome == RECORDED, "an id of another tenant is no duplicate"
    assert (await other.portrait(user)).person_id != customer.person_id
    (result,) = await other.collect(tracked(customer.user))
    assert (await demo.portrait(customer.user)).interactions == 3
    assert (await other.portrait(customer.user)).interactions == 1
    await other.collector.Retract(collector_pb.RetractRequest(message_id=customer.message["message_id"]))
    assert (await demo.portrait(customer.user)).interactions == 3


async def collect_stream(demo: Client, other: Client, customer: Customer) -> None:
    stream = other.collector.CollectStream()
    batch = collector_pb.CollectRequest(documents=[document(tracked(customer.user))], import_id=customer.import_id)
    await stream.write(collector_pb.CollectStreamRequest(batch=batch))
    await stream.done_writing()
    assert [one.outcome async for answer in stream for one in answer.batch.results] == [RECORDED]
    assert (await demo.portrait(customer.user)).interactions == 3


async def retract(demo: Client, other: Client, customer: Customer) -> None:
    own = collector_pb.RetractRequest(message_id=customer.message["message_id"])
    assert (await refused(other.collector.Retract(own))).code == "NOT_FOUND"
    await other.collector.Retract(collector_pb.RetractRequest(import_id=customer.import_id))
    assert (await demo.portrait(customer.user)).interactions == 3


async def get_profile(demo: Client, other: Client, customer: Customer) -> None:
    request = profiles_pb.GetProfileRequest(person=by_id(customer))
    assert (await demo.profiles.GetProfile(request)).profile.interactions == 3
    assert (await refused(other.profiles.GetProfile(request))).code == "NOT_FOUND"
    for bound in ("as_of", "known_at"):
        at = profiles_pb.ReadAt()
        getattr(at, bound).GetCurrentTime()
        request = profiles_pb.GetProfileRequest(person=by_id(customer), at=at)
        assert (await refused(other.profiles.GetProfile(request))).code == "NOT_FOUND"


async def batch_get_profiles(_: Client, other: Client, customer: Customer) -> None:
    request = profiles_pb.BatchGetProfilesRequest(people=[by_id(customer)])
    (profile,) = (await other.profiles.BatchGetProfiles(request)).profiles
    assert profile == profiles_pb.Profile(person_id=customer.person_id)


async def list_timeline(_: Client, other: Client, customer: Customer) -> None:
    for token in ("", customer.pages["timeline"]):
        request = profiles_pb.ListTimelineRequest(person=by_id(customer), page_token=token)
        assert (await refused(other.profiles.ListTimeline(request))).code in {"NOT_FOUND", "INVALID_ARGUMENT"}
    own = profiles_pb.ListTimelineRequest(person=person(customer.user), page_token=customer.pages["timeline"])
    await other.recorded(tracked(customer.user, source="own"))
    tells_nothing(customer, (await other.profiles.ListTimeline(own)).entries)


async def watch_profile(demo: Client, other: Client, customer: Customer) -> None:
    call = other.profiles.WatchProfile(profiles_pb.WatchProfileRequest(person=by_id(customer)))
    states = aiter(call)
    assert (await anext(states)).profile.interactions == 0
    wrong = tracked(customer.user)
    await demo.recorded(wrong)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(states), 0.4)
    call.cancel()
    await demo.collector.Retract(collector_pb.RetractRequest(message_id=wrong["message_id"]))


async def publish_schema(demo: Client, other: Client, customer: Customer) -> None:
    before = await demo.schemas.GetSchema(schemas_pb.GetSchemaRequest(name=customer.event))
    schema = schemas_pb.Schema(name=customer.event, kind=schemas_pb.SCHEMA_KIND_EVENT, weight=9)
    request = schemas_pb.PublishSchemaRequest(schema=schema, etag=before.schema.etag)
    assert (await refused(other.schemas.PublishSchema(request))).code == "ABORTED"
    answer = await other.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=schema))
    assert answer.schema.version == 1
    assert await demo.schemas.GetSchema(schemas_pb.GetSchemaRequest(name=customer.event)) == before


async def get_schema(_: Client, other: Client, customer: Customer) -> None:
    request = schemas_pb.GetSchemaRequest(name=f"{customer.event}_too")
    assert (await refused(other.schemas.GetSchema(request))).code == "NOT_FOUND"


async def list_schemas(_: Client, other: Client, customer: Customer) -> None:
    for token in ("", customer.pages["schemas"]):
        answer = await other.schemas.ListSchemas(schemas_pb.ListSchemasRequest(page_size=1_000, page_token=token))
        assert f"{customer.event}_too" not in {schema.name for schema in answer.schemas}
        assert customer.secret not in {schema.description for schema in answer.schemas}


async def list_quarantined(_: Client, other: Client, customer: Customer) -> None:
    mine = await other.quarantine.ListQuarantined(quarantine_pb.ListQuarantinedRequest())
    for token in ("", customer.pages["quarantine"]):
        request = quarantine_pb.ListQuarantinedRequest(page_size=1_000, page_token=token)
        answer = await other.quarantine.ListQuarantined(request)
        tells_nothing(customer, [answer])
        assert answer.total == mine.total
    await other.collect(tracked("null"))
    assert (await other.quarantine.ListQuarantined(quarantine_pb.ListQuarantinedRequest())).total == mine.total + 1


async def reprocess(demo: Client, other: Client, customer: Customer) -> None:
    item = quarantine_pb.ReprocessItem(quarantine_id=customer.quarantine_id, document=document(tracked(customer.user)))
    why = await refused(other.quarantine.Reprocess(quarantine_pb.ReprocessRequest(items=[item])))
    assert why.code == "NOT_FOUND"
    assert await is_waiting(demo, customer)


async def discard(demo: Client, other: Client, customer: Customer) -> None:
    request = quarantine_pb.DiscardRequest(quarantine_ids=[customer.quarantine_id], reason="not mine")
    assert (await other.quarantine.Discard(request)).discarded == 0
    assert await is_waiting(demo, customer)


async def is_waiting(demo: Client, customer: Customer) -> bool:
    request = quarantine_pb.ListQuarantinedRequest(page_size=1_000)
    listed = (await demo.quarantine.ListQuarantined(request)).interactions
    return customer.quarantine_id in {one.quarantine_id for one in listed}


async def read_log(_: Client, other: Client, customer: Customer) -> None:
    await other.recorded(*(tracked(fresh()) for _ in range(50)))
    seen = 0
    for partition in range(PARTITIONS):
        answers = [one async for one in other.log.ReadLog(log_pb.ReadLogRequest(partition=partition))]
        events = [event for answer in answers for event in answer.batch.events]
        assert {event.tenant for event in events} <= {"other"}
        seen += len(events)
        told = b"".join(event.payload for event in events)
        assert customer.secret.encode() not in told
    assert seen >= 50


async def read_key(demo: Client, other: Client, customer: Customer) -> None:
    request = log_pb.ReadKeyRequest(key=bytes.fromhex(customer.person_id))
    assert [one async for one in demo.log.ReadKey(request)]
    assert [one async for one in other.log.ReadKey(request)] == []


async def get_heads(_: Client, other: Client, customer: Customer) -> None:
    answer = await other.log.GetHeads(log_pb.GetHeadsRequest())
    tells_nothing(customer, [answer])
    told = {field.name for field, _ in answer.ListFields()}
    assert told <= {"log", "heads", "consumed", "clocks"}, "positions are no tenant's"
    assert {clock.tenant for clock in answer.clocks} <= {"other"}


async def list_projections(_: Client, other: Client, customer: Customer) -> None:
    answer = await other.projections.ListProjections(ops_pb.ListProjectionsRequest())
    tells_nothing(customer, [answer])
    assert {field.name for field in ops_pb.Projection.DESCRIPTOR.fields} == {
        *("name", "version", "kind", "log"),
        *("lag_events", "lag_seconds", "dead_letters", "versions"),
    }, "a service's own standing, which is no tenant's"
    assert not any(version.HasField("meaning") for one in answer.projections for version in one.versions)


async def list_dead_letters(demo: Client, other: Client, customer: Customer) -> None:
    assert len((await demo.projections.ListDeadLetters(ops_pb.ListDeadLettersRequest())).dead_letters) == 2
    for token in ("", customer.pages["letters"]):
        answer = await other.projections.ListDeadLetters(ops_pb.ListDeadLettersRequest(page_token=token))
        assert not answer.dead_letters


async def retry_dead_letter(demo: Client, other: Client, customer: Customer) -> None:
    request = ops_pb.RetryDeadLetterRequest(projection="portraits", key=bytes.fromhex(customer.person_id))
    assert (await refused(other.projections.RetryDeadLetter(request))).code == "NOT_FOUND"
    await list_dead_letters(demo, other, customer)


async def drop_dead_letter(demo: Client, other: Client, customer: Customer) -> None:
    request = ops_pb.DropDeadLetterRequest(
        projection="portraits",
        key=bytes.fromhex(customer.person_id),
        position=event_pb2.Position(partition=0, position=1),
        reason="not mine",
    )
    assert (await refused(other.projections.DropDeadLetter(request))).code == "NOT_FOUND"
    await list_dead_letters(demo, other, customer)


def platforms_alone(method: str, request: Message) -> Check:
    """What concerns the people of all tenants no tenant may do."""

    async def check(_: Client, other: Client, __: Customer) -> None:
        why = await refused(getattr(other.projections, method)(request))
        assert (why.code, why.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")

    return check


CHECKS: Final[dict[str, Check]] = {
    "portrait.profile.v1.Collector/Collect": collect,
    "portrait.profile.v1.Collector/CollectStream": collect_stream,
    "portrait.profile.v1.Collector/Retract": retract,
    "portrait.profile.v1.Profiles/GetProfile": get_profile,
    "portrait.profile.v1.Profiles/BatchGetProfiles": batch_get_profiles,
    "portrait.profile.v1.Profiles/ListTimeline": list_timeline,
    "portrait.profile.v1.Profiles/WatchProfile": watch_profile,
    "portrait.profile.v1.Schemas/PublishSchema": publish_schema,
    "portrait.profile.v1.Schemas/GetSchema": get_schema,
    "portrait.profile.v1.Schemas/ListSchemas": list_schemas,
    "portrait.profile.v1.Quarantine/ListQuarantined": list_quarantined,
    "portrait.profile.v1.Quarantine/Reprocess": reprocess,
    "portrait.profile.v1.Quarantine/Discard": discard,
    "portrait.log.v1.Log/ReadLog": read_log,
    "portrait.log.v1.Log/ReadKey": read_key,
    "portrait.log.v1.Log/GetHeads": get_heads,
    "portrait.ops.v1.Projections/ListProjections": list_projections,
    "portrait.ops.v1.Projections/ListDeadLetters": list_dead_letters,
    "portrait.ops.v1.Projections/RetryDeadLetter": retry_dead_letter,
    "portrait.ops.v1.Projections/DropDeadLetter": drop_dead_letter,
    **{
        f"portrait.ops.v1.Projections/{method}": platforms_alone(method, request)
        for method, request in {
            "StartRebuild": ops_pb.StartRebuildRequest(projection="portraits"),
            "GetRebuild": ops_pb.GetRebuildRequest(projection="portraits"),
            "CancelRebuild": ops_pb.CancelRebuildRequest(projection="portraits", version=1),
            "DiffRebuild": ops_pb.DiffRebuildRequest(projection="portraits"),
            "SwitchProjection": ops_pb.SwitchProjectionRequest(projection="portraits", version=1),
            "RetireProjection": ops_pb.RetireProjectionRequest(projection="portraits", version=1),
        }.items()
    },
}
"""What another tenant gets out of each method: nothing. New methods fail the test below until they stand here."""


@pytest.mark.parametrize("method", CHECKS)
async def test_nothing_of_one_tenant_is_seen_or_changed_by_another(
    demo: Client, other: Client, customer: Customer, method: str
) -> None:
    await CHECKS[method](demo, other, customer)


async def test_every_method_of_the_service_is_held_to_its_tenant(stack: Stack) -> None:
    assert await asyncio.to_thread(methods_of, stack.services["profile"].target) == set(CHECKS)


async def test_whoever_names_a_tenant_that_does_not_exist_is_not_known(demo: Client) -> None:
    why = await refused(demo.of("nobody").portrait(fresh()))
    assert (why.code, why.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_the_platform_is_no_tenant(demo: Client) -> None:
    platform = demo.of("*")
    assert (await refused(platform.portrait(fresh()))).code == "PERMISSION_DENIED"
    assert (await refused(platform.collect(tracked(fresh())))).code == "PERMISSION_DENIED"
    assert (await refused_stream(platform.log.ReadKey(log_pb.ReadKeyRequest(key=bytes(16))))).code == (
        "PERMISSION_DENIED"
    )


async def test_the_same_customer_of_two_tenants_is_two_people(demo: Client, other: Client) -> None:
    user = fresh()
    await demo.recorded(tracked(user))
    await other.recorded(tracked(user))
    assert (await demo.portrait(user)).person_id != (await other.portrait(user)).person_id
