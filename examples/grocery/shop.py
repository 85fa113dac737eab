"""The shop's side of the public API: what it sends, and what it asks."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.ops.v1 import projections_service_pb2 as projections_pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb
from portrait.profile.v1.collector_service_pb2_grpc import CollectorStub
from portrait.profile.v1.profiles_service_pb2_grpc import ProfilesStub
from portrait.profile.v1.quarantine_service_pb2_grpc import QuarantineStub
from portrait.profile.v1.schemas_service_pb2_grpc import SchemasStub

from libs.cli.calling import Calling
from libs.cli.schema import schemas_in

SCHEMAS: Final = Path(__file__).with_name("schemas.yaml")
PORTRAITS_AT_ONCE: Final = 200


class Shop:
    """Calls the profile service on behalf of the grocery. Errors: AioRpcError."""

    def __init__(self, calling: Calling) -> None:
        self.calling = calling
        self._collector = CollectorStub(calling.channel)
        self._profiles = ProfilesStub(calling.channel)
        self._quarantine = QuarantineStub(calling.channel)
        self._schemas = SchemasStub(calling.channel)

    async def publish_schemas(self) -> list[schemas_pb.Schema]:
        """Publish what the events look like."""
        published = []
        for _, schema in schemas_in([SCHEMAS]):
            request = schemas_pb.PublishSchemaRequest(schema=schema)
            published.append((await self.calling.ask(self._schemas.PublishSchema, request)).schema)
        return published

    async def collect(self, interaction: Any) -> collector_pb.CollectResult:
        """Send one interaction."""
        request = collector_pb.CollectRequest(documents=[msgspec.json.encode(interaction)])
        (result,) = (await self.calling.ask(self._collector.Collect, request)).results
        return result

    async def retract(self, message_id: str) -> int:
        """Take one interaction back; how many were there."""
        request = collector_pb.RetractRequest(message_id=message_id)
        return (await self.calling.ask(self._collector.Retract, request)).retracted

    async def portrait(self, household: int, *, as_of: datetime | None = None) -> profiles_pb.Profile:
        """A household's portrait, now or as of then."""
        request = profiles_pb.GetProfileRequest(person=_person(household))
        if as_of is not None:
            request.at.as_of.FromDatetime(as_of)
        return (await self.calling.ask(self._profiles.GetProfile, request)).profile

    async def portrait_of(self, identifier: str) -> profiles_pb.Profile:
        """The portrait that an identifier, as type:value, leads to."""
        request = profiles_pb.GetProfileRequest(person=profiles_pb.PersonReference())
        type_, _, value = identifier.partition(":")
        request.person.identifier.type, request.person.identifier.value = type_, value
        return (await self.calling.ask(self._profiles.GetProfile, request)).profile

    async def portraits(self, households: Sequence[int], *sections: str) -> list[profiles_pb.Profile]:
        """Sections of many portraits, in the order asked for."""
        found: list[profiles_pb.Profile] = []
        for some in _runs(households, PORTRAITS_AT_ONCE):
            request = profiles_pb.BatchGetProfilesRequest(
                people=[_person(one) for one in some], field_mask=FieldMask(paths=sections)
            )
            found += (await self.calling.ask(self._profiles.BatchGetProfiles, request)).profiles
        return found

    async def timeline(self, household: int, size: int) -> list[profiles_pb.TimelineEntry]:
        """The newest interactions of a household."""
        request = profiles_pb.ListTimelineRequest(person=_person(household), page_size=size)
        return list((await self.calling.ask(self._profiles.ListTimeline, request)).entries)

    async def quarantined(self) -> list[quarantine_pb.QuarantinedInteraction]:
        """What waits in quarantine."""
        request = quarantine_pb.ListQuarantinedRequest()
        return list((await self.calling.ask(self._quarantine.ListQuarantined, request)).interactions)

    async def mend(self, quarantine_id: str, interaction: Any) -> collector_pb.CollectResult:
        """Try a quarantined interaction again, mended."""
        item = quarantine_pb.ReprocessItem(quarantine_id=quarantine_id, document=msgspec.json.encode(interaction))
        request = quarantine_pb.ReprocessRequest(items=[item])
        (result,) = (await self.calling.ask(self._quarantine.Reprocess, request)).results
        return result

    async def difference(self, projection: str) -> projections_pb.DiffRebuildResponse:
        """How the last version of a projection differs from the one before."""
        platform, request = self.calling.as_platform(), projections_pb.DiffRebuildRequest(projection=projection)
        return await platform.ask(ProjectionsStub(platform.channel).DiffRebuild, request)


def _person(household: int) -> profiles_pb.PersonReference:
    reference = profiles_pb.PersonReference()
    reference.identifier.type, reference.identifier.value = "member_no", str(household)
    return reference


def _runs(households: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (households[start : start + size] for start in range(0, len(households), size))
