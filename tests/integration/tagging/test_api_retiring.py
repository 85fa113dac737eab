"""Tiers and the lifecycle, of which a tenant has one each, are retired as tags are: over gRPC, and by `portrait`."""

import asyncio
from typing import Any, NamedTuple

import pytest
from portrait.tagging.v1 import segments_service_pb2 as segments_pb
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub

from libs.cli.__main__ import main
from tests.support.documents import lifecycle, segment, tiers
from tests.support.profile import Speaking, refused
from tests.support.tagging_service import ANN, Tagged

VIEWED = "{did: {event: product_viewed}}"


class Kind(NamedTuple):
    """One of the two: its field in what people hold, its calls, a document, and a condition that reads it."""

    held: str
    name: str
    document: str
    read_by: str


TIERS = Kind("tier", "Tiers", tiers(gold=VIEWED), "{tier: gold}")
LIFECYCLE = Kind("stage", "Lifecycle", lifecycle("new", ("new", "seen", VIEWED)), "{stage: seen}")
each_kind = pytest.mark.parametrize("kind", [TIERS, LIFECYCLE], ids=lambda one: one.held)


async def publish(tagged: Tagged, kind: Kind) -> Any:
    request = getattr(pb, f"Publish{kind.name}Request")(document=kind.document)
    answer = await getattr(tagged.stub, f"Publish{kind.name}")(request)
    await tagged.settle()
    return answer.definition


async def retire(tagged: Tagged, kind: Kind, **more: Any) -> Any:
    return await getattr(tagged.stub, f"Retire{kind.name}")(getattr(pb, f"Retire{kind.name}Request")(**more))


async def current(tagged: Tagged, kind: Kind) -> Any:
    return (await getattr(tagged.stub, f"Get{kind.name}")(getattr(pb, f"Get{kind.name}Request")())).definition


async def holds(tagged: Tagged, kind: Kind, user: str) -> bool:
    request = pb.GetPersonTagsRequest(person=tagged.reference(user))
    return bool((await tagged.stub.GetPersonTags(request)).HasField(kind.held))


@each_kind
async def test_what_is_retired_is_nobodys_any_more_and_may_be_published_again(tagged: Tagged, kind: Kind) -> None:
    await tagged.did("u1", "product_viewed")
    published = await publish(tagged, kind)
    assert await holds(tagged, kind, "u1")
    tried = await retire(tagged, kind, validate_only=True)
    assert (tried.lost, (await current(tagged, kind)).state) == (1, tags.DEFINITION_STATE_LIVE)
    assert (await refused(retire(tagged, kind, etag="another"))).code == "ABORTED"
    retired = await retire(tagged, kind, etag=published.etag, reason="a better one", request_id="r1")
    assert (await retire(tagged, kind, request_id="r1")).definition == (await current(tagged, kind))
    await tagged.settle()
    assert (retired.lost, await holds(tagged, kind, "u1")) == (1, False)
    assert (await current(tagged, kind)).state == tags.DEFINITION_STATE_RETIRED
    assert (await refused(retire(tagged, kind))).code == "NOT_FOUND"
    assert (await publish(tagged, kind)).version == 2
    assert await holds(tagged, kind, "u1")


@each_kind
async def test_what_others_read_is_not_retired_before_them(tagged: Tagged, kind: Kind) -> None:
    await publish(tagged, kind)
    stub: Any = Speaking(SegmentsStub(tagged.channel), tagged.tenant.id, ANN)
    await stub.PublishSegment(segments_pb.PublishSegmentRequest(document=segment("readers", kind.read_by)))
    await tagged.settle()
    told = await refused(retire(tagged, kind))
    assert (told.code, "read by segment:readers" in told.message) == ("FAILED_PRECONDITION", True)
    await stub.RetireSegment(segments_pb.RetireSegmentRequest(segment="readers"))
    await retire(tagged, kind)


@each_kind
async def test_the_command_line_shows_and_retires(
    tagged: Tagged, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    await tagged.did("u1", "product_viewed")
    await publish(tagged, kind)
    group = kind.name.lower()

    async def portrait(*arguments: str) -> str:
        capsys.readouterr()
        where = ["--address", tagged.address, "--tenant", tagged.tenant.id]
        assert await asyncio.to_thread(main, [group, *arguments, *where]) == 0
        return capsys.readouterr().out

    assert await portrait("show") == kind.document
    assert "is retired" in await portrait("retire", "--because", "a better one", "--yes")
    await tagged.settle()
    assert not await holds(tagged, kind, "u1")
