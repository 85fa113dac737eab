"""Every call of identity and tagging × two tenants: nothing of one is seen, counted or changed by the other.

The table below has a row for every method that reflection tells of, so that a new one without a row fails. Each row is
what another tenant asks who has learnt every id, key and etag of the first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest
from google.longrunning import operations_proto_pb2 as operations
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from portrait.identity.v1 import identities_service_pb2 as identity
from portrait.identity.v1.person_pb2 import PersonReference
from portrait.identity.v1.rules_pb2 import Rules
from portrait.log.v1 import log_service_pb2 as log
from portrait.log.v1.event_pb2 import Position
from portrait.ops.v1 import projections_service_pb2 as ops
from portrait.profile.v1.interaction_pb2 import Identifier
from portrait.tagging.v1 import membership_pb2 as crowds
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tag_pb2, tags_service_pb2
from portrait.tagging.v1.group_portrait_pb2 import GetGroupPortraitRequest

from libs.devstack.stack import Stack
from libs.rpc.client import channel, metadata_for
from tests.support.documents import document, lifecycle, segment, tiers
from tests.support.elsewhere import PARTITIONS
from tests.support.profile import Client, fresh, patiently, tracked
from tests.support.reflection import methods_of

OWNER, INTRUDER = "other", "demo"
SERVICES: Final = ("identity", "tagging")
WITHIN: Final = 60.0
WATCHED: Final = 0.4  # seconds


@dataclass(frozen=True)
class Owned:
    """What a tenant has, and whoever may ask for it."""

    calls: "Calls"
    user: str
    email: str
    secret: str
    person: str
    event_id: bytes
    etags: dict[str, str]
    operation: str

    @property
    def reference(self) -> PersonReference:
        return PersonReference(person_id=self.person)

    @property
    def names(self) -> list[Identifier]:
        return [Identifier(type="user_id", value=self.user), Identifier(type="email", value=self.email)]

    @property
    def crowd(self) -> crowds.CrowdReference:
        return crowds.CrowdReference(document=f"{{tag: {self.key}}}")

    @property
    def key(self) -> str:
        return f"{self.secret}_tag"

    @property
    def segment(self) -> str:
        return f"{self.secret}_segment"

    def texts(self) -> dict[str, str]:
        """The documents, as the owner published them."""
        return documents(self.secret)

    async def standing(self) -> list[bytes]:
        """All that the owner can see of it."""
        asked = (
            identity.GetPersonRequest(person=self.reference),
            identity.GetRulesRequest(),
            identity.ListSuggestionsRequest(),
            tags_service_pb2.GetPersonTagsRequest(person=self.reference),
            tags_service_pb2.GetTagRequest(tag=self.key),
            tags_service_pb2.ListTagsRequest(),
            tags_service_pb2.GetTiersRequest(),
            tags_service_pb2.GetLifecycleRequest(),
            segments.GetSegmentRequest(segment=self.segment),
            segments.ListSegmentsRequest(),
            operations.GetOperationRequest(name=self.operation),
        )
        return [
            one.SerializeToString(deterministic=True) for each in asked for one in await self.calls.ask(OWNER, each)
        ]

    def untold(self, request: Message) -> Iterable[bytes]:
        """What an answer to a request must not hold: all that is known of this tenant alone, and that was not said."""
        said = request.SerializeToString()
        etags = (self.etags[kind] for kind in self.texts())  # rules may be the same as another tenant's
        known = (self.secret, self.user, self.email, self.person, self.operation, *etags)
        for one in (*(one.encode() for one in known), bytes.fromhex(self.person), self.event_id):
            if one not in said:
                yield one


class Calls:
    """Calls any method of the services by its request."""

    def __init__(self, opened: dict[str, grpc.aio.Channel]) -> None:
        self._opened = opened

    async def ask(self, tenant: str, request: Message, service: str = "") -> list[Message]:
        """The answer, or of a stream what comes at once. Raises `AioRpcError`."""
        method = method_of(request)
        service = service or ("identity" if ".identity." in method.full_name else "tagging")
        path = f"/{method.containing_service.full_name}/{method.name}"
        answer: Any
        line, answer = self._opened[service], GetMessageClass(method.output_type)
        more: Any = {"metadata": metadata_for(tenant), "timeout": WITHIN}
        if not method.server_streaming:
            call = line.unary_unary(path, type(request).SerializeToString, answer.FromString)
            return [await call(request, **more)]
        stream: Any = line.unary_stream(path, type(request).SerializeToString, answer.FromString)(request, **more)
        found: list[Message] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCHED):
                while (one := await stream.read()) is not grpc.aio.EOF:
                    found.append(one)
        stream.cancel()
        return found


def method_of(request: Message) -> MethodDescriptor:
    """The method that takes a request."""
    files = [request.DESCRIPTOR.file, *(one.DESCRIPTOR for one in (segments, tags_service_pb2))]
    found: MethodDescriptor = next(
        method
        for file in files
        for one in file.services_by_name.values()
        for method in one.methods
        if method.input_type.full_name == request.DESCRIPTOR.full_name
    )
    return found


def documents(secret: str) -> dict[str, str]:
    """What the owner publishes: every document says the secret."""
    viewed = f"{{did: {{event: {secret}}}}}"
    several = {
        "tag": document(f"{secret}_tag", viewed),
        "segment": segment(f"{secret}_segment", viewed),
        "tiers": tiers(**{f"{secret}_tier": viewed}),
        "lifecycle": lifecycle("new", ("new", f"{secret}_stage", viewed)),
    }
    return {kind: text.replace("owner: me", f"owner: {secret}") for kind, text in several.items()}


@pytest.fixture(scope="module")
async def owned(tags_stack: Stack) -> AsyncIterator[Owned]:
    """A tenant with somebody of two identifiers, definitions of all kinds, a tag by hand and an operation."""
    async with (
        channel(tags_stack.services["profile"].target) as profile,
        channel(tags_stack.services["identity"].target) as first,
        channel(tags_stack.services["tagging"].target) as second,
    ):
        calls, secret, user = Calls({"identity": first, "tagging": second}), fresh("secret").replace("-", "_"), fresh()
        email = f"{secret}@example.com"
        both = {"user_id": user, "email": email}
        (position,) = await Client(profile, OWNER).recorded(tracked(user, secret, identifiers=both))
        texts = documents(secret)
        service, etags = tags_service_pb2, dict[str, str]()
        for kind, request in {
            "tag": service.PublishTagRequest(document=texts["tag"]),
            "segment": segments.PublishSegmentRequest(document=texts["segment"]),
            "tiers": service.PublishTiersRequest(document=texts["tiers"]),
            "lifecycle": service.PublishLifecycleRequest(document=texts["lifecycle"]),
        }.items():
            published: Any = (await calls.ask(OWNER, request))[0]
            etags[kind] = published.definition.etag
        reference = PersonReference(identifier=Identifier(type="user_id", value=user))
        asked = service.GetPersonTagsRequest(person=reference, at_least=position)
        held: Any = None
        while held is None or not (held.HasField("tier") and held.HasField("stage") and held.segments):
            (held,) = await patiently(lambda: calls.ask(OWNER, asked))
        yes = tag_pb2.TagValue(flag=True)
        said: Any
        (said,) = await calls.ask(
            OWNER, service.SetTagRequest(person=reference, tag=f"{secret}_tag", value=yes, reason=secret)
        )
        while [one.origin for one in held.tags] != [tag_pb2.ORIGIN_BY_HAND]:
            (held,) = await calls.ask(OWNER, asked)
        crowd = crowds.CrowdReference(document=f"{{tag: {secret}_tag}}")
        export = crowds.ExportSegmentRequest(crowd=crowd, format=crowds.EXPORT_FORMAT_CSV)
        begun: Any = (await calls.ask(OWNER, export))[0]
        wait = operations.WaitOperationRequest(name=begun.operation, timeout=Duration(seconds=10))
        ended: Any = None
        while ended is None or not ended.done:
            (ended,) = await calls.ask(OWNER, wait)
        etags["rules"] = (await calls.ask(OWNER, identity.GetRulesRequest()))[0].rules.etag  # type: ignore[attr-defined]
        yield Owned(calls, user, email, secret, held.person_id, said.event_id, {**etags}, begun.operation)


def told_from_the_beginning() -> list[Position]:
    return [Position(partition=one, position=0) for one in range(PARTITIONS)]


Row = Callable[[Owned], Message]
T: Final = tags_service_pb2
PAIR: Final = {
    method: getattr(identity, f"{method}Request") for method in ("Link", "Unlink", "ForbidPair", "AllowPair")
}


def _about_both(request: Any) -> Row:
    return lambda one: request(one=one.names[0], other=one.names[1], reason="not mine", request_id=f"pair {one.secret}")


ROWS: Final[dict[str, Row]] = {
    # First, because what the other tenant says below of the same identifiers stands in its own log then.
    "WatchChanges": lambda _: identity.WatchChangesRequest(behind=told_from_the_beginning()),
    "WatchTags": lambda _: T.WatchTagsRequest(behind=told_from_the_beginning()),
    "WatchSegment": lambda _: segments.WatchSegmentRequest(behind=told_from_the_beginning()),
    "ReadLog": lambda _: log.ReadLogRequest(partition=0),
    "Resolve": lambda one: identity.ResolveRequest(identifier=one.names[1]),
    "BatchResolve": lambda one: identity.BatchResolveRequest(identifiers=one.names),
    "GetPerson": lambda one: identity.GetPersonRequest(person=one.reference),
    "ExplainPerson": lambda one: identity.ExplainPersonRequest(one=one.reference, other=one.reference),
    **{method: _about_both(request) for method, request in PAIR.items()},
    "BlockIdentifier": lambda one: identity.BlockIdentifierRequest(identifier=one.names[1]),
    "UnblockIdentifier": lambda one: identity.UnblockIdentifierRequest(identifier=one.names[1]),
    "GetRules": lambda _: identity.GetRulesRequest(),
    "PublishRules": lambda one: identity.PublishRulesRequest(
        rules=Rules(document="types: {}"), etag=one.etags["rules"]
    ),
    "PreviewRules": lambda _: identity.PreviewRulesRequest(document="types: {}"),
    "ListSuggestions": lambda _: identity.ListSuggestionsRequest(),
    "AcceptSuggestion": lambda one: identity.AcceptSuggestionRequest(suggestion_id=one.person),
    "RejectSuggestion": lambda one: identity.RejectSuggestionRequest(suggestion_id=one.person),
    "PublishTag": lambda one: T.PublishTagRequest(document=one.texts()["tag"], etag=one.etags["tag"]),
    "PreviewTag": lambda one: T.PreviewTagRequest(document=one.texts()["tag"]),
    "RetireTag": lambda one: T.RetireTagRequest(tag=one.key, etag=one.etags["tag"]),
    "GetTag": lambda one: T.GetTagRequest(tag=one.key),
    "ListTags": lambda _: T.ListTagsRequest(retired=True),
    "GetPersonTags": lambda one: T.GetPersonTagsRequest(person=one.reference),
    "SetTag": lambda one: T.SetTagRequest(person=one.reference, tag=one.key, value=tag_pb2.TagValue(flag=False)),
    "ClearTag": lambda one: T.ClearTagRequest(person=one.reference, tag=one.key),
    "ImportTags": lambda one: T.ImportTagsRequest(
        import_id=one.secret,
        tag=one.key,
        rows=[T.ImportedTag(row=1, person=one.reference, value=tag_pb2.TagValue(flag=False))],
    ),
    "ExplainTag": lambda one: T.ExplainTagRequest(person=one.reference, tag=one.key),
    "PublishTiers": lambda one: T.PublishTiersRequest(document=one.texts()["tiers"], etag=one.etags["tiers"]),
    "GetTiers": lambda _: T.GetTiersRequest(),
    "RetireTiers": lambda one: T.RetireTiersRequest(etag=one.etags["tiers"]),
    "PublishLifecycle": lambda one: T.PublishLifecycleRequest(
        document=one.texts()["lifecycle"], etag=one.etags["lifecycle"]
    ),
    "GetLifecycle": lambda _: T.GetLifecycleRequest(),
    "RetireLifecycle": lambda one: T.RetireLifecycleRequest(etag=one.etags["lifecycle"]),
    "ExplainStage": lambda one: T.ExplainStageRequest(person=one.reference),
    "PublishSegment": lambda one: segments.PublishSegmentRequest(
        document=one.texts()["segment"], etag=one.etags["segment"]
    ),
    "RetireSegment": lambda one: segments.RetireSegmentRequest(segment=one.segment, etag=one.etags["segment"]),
    "GetSegment": lambda one: segments.GetSegmentRequest(segment=one.segment),
    "ListSegments": lambda _: segments.ListSegmentsRequest(retired=True),
    "ExplainMembership": lambda one: segments.ExplainMembershipRequest(person=one.reference, segment=one.segment),
    "UploadList": lambda one: segments.UploadListRequest(
        import_id=one.secret, segment=one.segment, rows=[segments.ListedPerson(row=1, person=one.reference)]
    ),
    "CountSegment": lambda one: crowds.CountSegmentRequest(crowd=one.crowd),
    "ListMembers": lambda one: crowds.ListMembersRequest(crowd=one.crowd),
    "CompareSegments": lambda one: crowds.CompareSegmentsRequest(crowds=[one.crowd, one.crowd]),
    "ExportSegment": lambda one: crowds.ExportSegmentRequest(
        crowd=crowds.CrowdReference(segment=one.segment), format=crowds.EXPORT_FORMAT_CSV
    ),
    "GetGroupPortrait": lambda one: GetGroupPortraitRequest(crowd=crowds.CrowdReference(segment=one.segment)),
    "ListOperations": lambda _: operations.ListOperationsRequest(name="operations"),
    "GetOperation": lambda one: operations.GetOperationRequest(name=one.operation),
    "WaitOperation": lambda one: operations.WaitOperationRequest(name=one.operation, timeout=Duration(seconds=1)),
    "CancelOperation": lambda one: operations.CancelOperationRequest(name=one.operation),
    "DeleteOperation": lambda one: operations.DeleteOperationRequest(name=one.operation),
    "ReadKey": lambda one: log.ReadKeyRequest(key=bytes.fromhex(one.person)),
    "GetHeads": lambda _: log.GetHeadsRequest(),
    "ListProjections": lambda _: ops.ListProjectionsRequest(),
    "ListDeadLetters": lambda _: ops.ListDeadLettersRequest(),
    "RetryDeadLetter": lambda one: ops.RetryDeadLetterRequest(projection="map", key=bytes.fromhex(one.person)),
    "DropDeadLetter": lambda one: ops.DropDeadLetterRequest(
        projection="map", key=bytes.fromhex(one.person), position=Position(partition=0, position=1), reason="not mine"
    ),
    "StartRebuild": lambda _: ops.StartRebuildRequest(projection="map"),
    "GetRebuild": lambda _: ops.GetRebuildRequest(projection="map"),
    "CancelRebuild": lambda _: ops.CancelRebuildRequest(projection="map", version=1),
    "DiffRebuild": lambda _: ops.DiffRebuildRequest(projection="map"),
    "SwitchProjection": lambda _: ops.SwitchProjectionRequest(projection="map", version=1),
    "RetireProjection": lambda _: ops.RetireProjectionRequest(projection="map", version=1),
}
"""What another tenant asks, by method: its answers tell nothing, and change nothing of the first tenant's."""

OF_BOTH: Final = ("portrait.log.v1.", "portrait.ops.v1.")


BROKEN: Final = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED)


async def heard(owned: Owned, request: Message, service: str) -> tuple[grpc.StatusCode, bytes]:
    """What the other tenant is answered, or told in a refusal."""
    try:
        answers = await owned.calls.ask(INTRUDER, request, service)
    except grpc.aio.AioRpcError as error:
        return error.code(), f"{error.details()}".encode() + b"".join(
            value if isinstance(value, bytes) else value.encode() for _, value in error.trailing_metadata() or ()
        )
    return grpc.StatusCode.OK, b"".join(answer.SerializeToString() for answer in answers)


async def test_every_method_of_both_services_is_held_to_its_tenant(tags_stack: Stack) -> None:
    found = [await asyncio.to_thread(methods_of, tags_stack.services[one].target) for one in SERVICES]
    assert {one.rpartition("/")[2] for each in found for one in each} == set(ROWS)


@pytest.mark.parametrize("method", ROWS)
async def test_nothing_of_one_tenant_is_seen_or_changed_by_another(owned: Owned, method: str) -> None:
    request, before = ROWS[method](owned), await owned.standing()
    of_both = method_of(request).full_name.startswith(OF_BOTH)
    for service in SERVICES if of_both else ("",):
        code, told = await heard(owned, request, service)
        assert code not in BROKEN
        assert [one for one in owned.untold(request) if one in told] == []
    assert await owned.standing() == before


async def test_the_owner_is_told_what_the_other_tenant_is_not(owned: Owned) -> None:
    told = b"".join(await owned.standing())
    missing = [one for one in owned.untold(identity.GetRulesRequest()) if one not in told]
    assert set(missing) <= {bytes.fromhex(owned.person), owned.event_id}
