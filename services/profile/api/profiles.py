"""`profile.v1.Profiles`."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1 import profiles_service_pb2_grpc as rpc

from libs.people.identifiers import Claimed
from libs.people.person import Name
from libs.rpc.caller import calling_tenant
from libs.rpc.masks import check_mask, masked
from libs.rpc.pages import next_page, page_cursor
from libs.rpc.times import micros_in
from libs.runtime.clock import Micros
from libs.runtime.errors import NotFound
from libs.runtime.tenants import Tenants
from services.profile.clocks import TenantClocks
from services.profile.codec import portraits
from services.profile.domain.calendar import Calendar
from services.profile.domain.view import SECTIONS, Section, view
from services.profile.queries.moments import NOW, Moment
from services.profile.queries.names import People
from services.profile.queries.portraits import Portraits, Seen
from services.profile.queries.timelines import TimelineCursor, Timelines
from services.profile.queries.watching import Watching

PAGE: Final = 50
BREATH_PROFILES: Final = 8

Context = grpc.aio.ServicerContext[Any, Any]


class ProfilesService(rpc.ProfilesServicer):
    """Reads portraits for the calling tenant."""

    def __init__(
        self,
        portraits_: Portraits,
        watching: Watching,
        people: People,
        tenants: Tenants,
        clocks: TenantClocks,
    ) -> None:
        self._portraits = portraits_
        self._timelines = Timelines(portraits_)
        self._watching = watching
        self._people = people
        self._tenants = tenants
        self._clocks = clocks

    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> pb.GetProfileResponse:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        moment = _moment(request.at)
        name = self._name(tenant, request.person, "person", moment)
        _, calendar, (seen,) = await self._portraits.get(tenant, [name], moment)
        if not seen.known:
            raise NotFound("person", name.key.hex())
        now = await self._now(tenant, moment)
        response = pb.GetProfileResponse()
        self._show(response.profile, tenant, calendar, seen, now, request.field_mask)
        return response

    async def BatchGetProfiles(
        self, request: pb.BatchGetProfilesRequest, context: Context
    ) -> pb.BatchGetProfilesResponse:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        moment = _moment(request.at)
        names = [self._name(tenant, one, f"people[{index}]", moment) for index, one in enumerate(request.people)]
        now = await self._now(tenant, moment)
        response = pb.BatchGetProfilesResponse()
        _, calendar, people = await self._portraits.get(tenant, names, moment)
        for index, seen in enumerate(people):
            self._show(response.profiles.add(), tenant, calendar, seen, now, request.field_mask)
            if index % BREATH_PROFILES == BREATH_PROFILES - 1:
                await asyncio.sleep(0)  # let calls for one portrait pass
        return response

    async def ListTimeline(self, request: pb.ListTimelineRequest, context: Context) -> pb.ListTimelineResponse:
        tenant = calling_tenant()
        moment = _moment(request.at)
        name = self._name(tenant, request.person, "person", moment)
        limit = request.page_size or PAGE
        behind = page_cursor(request, TimelineCursor)
        found = await self._timelines.page(
            tenant, name, moment, events=frozenset(request.events), behind=behind, limit=limit + 1
        )
        response = pb.ListTimelineResponse(
            entries=[portraits.entry(one.recorded, one.partition) for one in found[:limit]]
        )
        if len(found) > limit:
            response.next_page_token = next_page(request, TimelineCursor(*found[limit - 1].when))
        return response

    async def WatchProfile(
        self, request: pb.WatchProfileRequest, context: Context
    ) -> AsyncIterator[pb.WatchProfileResponse]:
        tenant = calling_tenant()
        check_mask(request.field_mask, pb.Profile.DESCRIPTOR)
        name = self._name(tenant, request.person, "person", NOW)
        async for _, calendar, (seen,) in self._watching.changes(tenant, name):
            now = await self._now(tenant, NOW)
            response = pb.WatchProfileResponse()
            self._show(response.profile, tenant, calendar, seen, now, request.field_mask)
            yield response

    def _name(self, tenant: str, person: pb.PersonReference, field: str, moment: Moment) -> Name:
        if person.WhichOneof("reference") == "person_id":
            return Name(bytes.fromhex(person.person_id))
        one = person.identifier
        claimed = Claimed(one.type, one.value, one.verified)
        return self._people.name(tenant, claimed, f"{field}.identifier", moment.as_of)

    async def _now(self, tenant: str, moment: Moment) -> Micros:
        """The moment at which windows end."""
        return await self._clocks.now(tenant) if moment.as_of is None else moment.as_of

    def _show(
        self, wire: pb.Profile, tenant: str, calendar: Calendar, seen: Seen, now: Micros, mask: FieldMask
    ) -> None:
        """Fill an empty profile; only `person_id` for somebody never seen."""
        wire.person_id = seen.person.hex()
        if not seen.known:
            return
        portraits.show(
            wire,
            view(
                seen.state,
                now,
                calendar,
                self._tenants.get(tenant).source_ranks,
                lambda type_, value: self._people.normal(tenant, type_, value),
                _sections(mask.paths),
            ),
            calendar,
            contains=seen.contains,
            parked_at=seen.parked_at,
            anchors=seen.anchors,
        )
        if mask.paths:
            wire.CopyFrom(masked(wire, mask))


def _sections(paths: Sequence[str]) -> Collection[Section]:
    """The sections of the portrait that a mask's paths lead into."""
    if not paths:
        return SECTIONS
    wanted = {path.split(".")[0] for path in paths}
    return [section for section in SECTIONS if section in wanted]


def _moment(at: pb.ReadAt) -> Moment:
    return Moment(
        as_of=micros_in(at, "as_of", "at."),
        known_at=micros_in(at, "known_at", "at."),
        at_least=(at.at_least.partition, at.at_least.position) if at.HasField("at_least") else None,
        identified=at.identified,
    )
