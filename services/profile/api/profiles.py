"""`profile.v1.Profiles`."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1 import profiles_service_pb2_grpc as rpc

from libs.eventlog.event import partition_of
from libs.eventlog.projection import Folded
from libs.people.identifiers import Claimed
from libs.rpc.caller import calling_tenant
from libs.rpc.masks import check_mask, masked
from libs.rpc.pages import next_page, page_cursor
from libs.rpc.times import micros_of
from libs.runtime.clock import Micros
from libs.runtime.errors import NotFound
from libs.runtime.tenants import Tenants
from services.profile.clocks import TenantClocks
from services.profile.codec import portraits
from services.profile.domain.calendar import Calendar
from services.profile.domain.portrait import Portrait
from services.profile.domain.view import SECTIONS, Section, view
from services.profile.queries import NOW, Moment, People, Portraits, TimelineCursor

PAGE: Final = 50
BREATH_PROFILES: Final = 8

Context = grpc.aio.ServicerContext[Any, Any]


class ProfilesService(rpc.ProfilesServicer):
    """Reads portraits for the calling tenant."""

    def __init__(
        self,
        portraits_: Portraits,
        people: People,
        tenants: Tenants,
        clocks: TenantClocks,
    ) -> None:
        self._portraits = portraits_
        self._people = people
        self._tenants = tenants
        self._clocks = clocks
        self._partitions = portraits_.log.partitions

    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> pb.GetProfileResponse:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        key = self._key(tenant, request.person, "person")
        moment = _moment(request.at)
        calendar, (folded,) = await self._portraits.get(tenant, [key], moment)
        if not _known(folded):
            raise NotFound("person", key.hex())
        now = await self._now(tenant, moment)
        response = pb.GetProfileResponse()
        self._show(response.profile, tenant, calendar, key, folded, now, request.field_mask)
        return response

    async def BatchGetProfiles(
        self, request: pb.BatchGetProfilesRequest, context: Context
    ) -> pb.BatchGetProfilesResponse:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        keys = [self._key(tenant, one, f"people[{index}]") for index, one in enumerate(request.people)]
        moment = _moment(request.at)
        now = await self._now(tenant, moment)
        response = pb.BatchGetProfilesResponse()
        calendar, states = await self._portraits.get(tenant, keys, moment)
        for index, (key, folded) in enumerate(zip(keys, states, strict=True)):
            self._show(response.profiles.add(), tenant, calendar, key, folded, now, request.field_mask)
            if index % BREATH_PROFILES == BREATH_PROFILES - 1:
                await asyncio.sleep(0)  # let calls for one portrait pass
        return response

    async def ListTimeline(self, request: pb.ListTimelineRequest, context: Context) -> pb.ListTimelineResponse:
        tenant = calling_tenant()
        key = self._key(tenant, request.person, "person")
        limit = request.page_size or PAGE
        behind = page_cursor(request, TimelineCursor)
        found = await self._portraits.timeline(
            tenant, key, _moment(request.at), events=frozenset(request.events), behind=behind, limit=limit + 1
        )
        partition = partition_of(key, self._partitions)
        response = pb.ListTimelineResponse(entries=[portraits.entry(one, partition) for one in found[:limit]])
        if len(found) > limit:
            last = found[limit - 1]
            cursor = TimelineCursor(last.event.occurred_at_micros, last.position)
            response.next_page_token = next_page(request, cursor)
        return response

    async def WatchProfile(
        self, request: pb.WatchProfileRequest, context: Context
    ) -> AsyncIterator[pb.WatchProfileResponse]:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        key = self._key(tenant, request.person, "person")
        async for calendar, (folded,) in self._portraits.changes(tenant, key):
            now = await self._now(tenant, NOW)
            response = pb.WatchProfileResponse()
            self._show(response.profile, tenant, calendar, key, folded, now, request.field_mask)
            yield response

    def _key(self, tenant: str, person: pb.PersonReference, field: str) -> bytes:
        if person.WhichOneof("reference") == "person_id":
            return bytes.fromhex(person.person_id)
        one = person.identifier
        return self._people.key(tenant, Claimed(one.type, one.value, one.verified), f"{field}.identifier")

    async def _now(self, tenant: str, moment: Moment) -> Micros:
        """The moment at which windows end."""
        return await self._clocks.now(tenant) if moment.as_of is None else moment.as_of

    def _show(
        self,
        wire: pb.Profile,
        tenant: str,
        calendar: Calendar,
        key: bytes,
        folded: Folded[Portrait],
        now: Micros,
        mask: FieldMask,
    ) -> None:
        """Fill an empty profile; only `person_id` for somebody never seen."""
        wire.person_id = key.hex()
        if not _known(folded):
            return
        partition = partition_of(key, self._partitions)
        portraits.show(
            wire,
            view(
                folded.state,
                now,
                calendar,
                self._tenants.get(tenant).source_ranks,
                lambda type_, value: self._people.normal(tenant, type_, value),
                _sections(mask.paths),
            ),
            calendar,
            contains=log_pb.Position(partition=partition, position=folded.position),
            parked_at=log_pb.Position(partition=partition, position=folded.parked.recorded.position)
            if folded.parked
            else None,
        )
        if mask.paths:
            wire.CopyFrom(masked(wire, mask))


def _known(folded: Folded[Portrait]) -> bool:
    """Whether there is anything to tell; whoever was retracted altogether was never there."""
    return folded.state.interactions > 0 or folded.parked is not None


def _sections(paths: Sequence[str]) -> Collection[Section]:
    """The sections of the portrait that a mask's paths lead into."""
    if not paths:
        return SECTIONS
    wanted = {path.split(".")[0] for path in paths}
    return [section for section in SECTIONS if section in wanted]


def _moment(at: pb.ReadAt) -> Moment:
    return Moment(
        as_of=micros_of(at.as_of) if at.HasField("as_of") else None,
        known_at=micros_of(at.known_at) if at.HasField("known_at") else None,
        at_least=(at.at_least.partition, at.at_least.position) if at.HasField("at_least") else None,
        identified=at.identified,
    )
