"""Decisions about who is who, each with what it leads to."""

from collections.abc import Mapping
from typing import Protocol

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.profile.v1 import interaction_pb2

from libs.people.identifiers import Identified
from libs.rpc.caller import calling_tenant, current_caller
from libs.runtime.errors import InvalidArgument
from services.identity.api.parts import Context, Methods, identified
from services.identity.codec.decisions import decided_on_wire
from services.identity.domain.decisions import (
    Allowed,
    Blocked,
    Forbidden,
    IdentityDecision,
    Linked,
    Of,
    Unblocked,
    Unlinked,
)
from services.identity.queries.explaining import Outlook
from services.identity.rulebook import Reading
from services.identity.store.tenant import IdentityStore

STANDS = "nothing was decided: it stood so already"
"""What is told of a decision that is no news."""


class Asked(Protocol):
    """What the requests for decisions have in common."""

    reason: str
    request_id: str
    validate_only: bool


class AboutPair(Asked, Protocol):
    """Those about two."""

    @property
    def one(self) -> interaction_pb2.Identifier: ...
    @property
    def other(self) -> interaction_pb2.Identifier: ...


class AboutIdentifier(Asked, Protocol):
    """Those about one identifier."""

    @property
    def identifier(self) -> interaction_pb2.Identifier: ...


class DecidingMethods(Methods):
    """`Link`, `Unlink`, `ForbidPair`, `AllowPair`, `BlockIdentifier`, `UnblockIdentifier`."""

    async def Link(self, request: pb.LinkRequest, context: Context) -> pb.LinkResponse:
        return pb.LinkResponse(decided=await self._of_pair(Linked, request))

    async def Unlink(self, request: pb.UnlinkRequest, context: Context) -> pb.UnlinkResponse:
        return pb.UnlinkResponse(decided=await self._of_pair(Unlinked, request))

    async def ForbidPair(self, request: pb.ForbidPairRequest, context: Context) -> pb.ForbidPairResponse:
        return pb.ForbidPairResponse(decided=await self._of_pair(Forbidden, request))

    async def AllowPair(self, request: pb.AllowPairRequest, context: Context) -> pb.AllowPairResponse:
        return pb.AllowPairResponse(decided=await self._of_pair(Allowed, request))

    async def BlockIdentifier(self, request: pb.BlockIdentifierRequest, context: Context) -> pb.BlockIdentifierResponse:
        return pb.BlockIdentifierResponse(decided=await self._of_identifier(Blocked, request))

    async def UnblockIdentifier(
        self, request: pb.UnblockIdentifierRequest, context: Context
    ) -> pb.UnblockIdentifierResponse:
        return pb.UnblockIdentifierResponse(decided=await self._of_identifier(Unblocked, request))

    async def _of_pair(self, kind: type[Linked | Unlinked | Forbidden | Allowed], request: AboutPair) -> pb.Decided:
        reading = await self._reading(calling_tenant())
        one, other = identified(reading, request.one, "one"), identified(reading, request.other, "other")
        if one.key == other.key:
            raise InvalidArgument("other", "is the same identifier as one: this decision is about two")
        by = current_caller().name
        wanted = kind(b"", 0, by, request.reason, a=_of(one), b=_of(other))
        return await self._decide(wanted, reading, _values(one, other), request)

    async def _of_identifier(self, kind: type[Blocked | Unblocked], request: AboutIdentifier) -> pb.Decided:
        reading = await self._reading(calling_tenant())
        one = identified(reading, request.identifier, "identifier")
        wanted = kind(b"", 0, current_caller().name, request.reason, identifier=_of(one))
        return await self._decide(wanted, reading, _values(one), request)

    async def _decide(
        self,
        wanted: IdentityDecision,
        reading: Reading,
        values: Mapping[bytes, str],
        request: Asked,
    ) -> pb.Decided:
        tenant, explaining = calling_tenant(), self._parts.explaining

        async def look(store: IdentityStore) -> Outlook | None:
            return await explaining.look(store, wanted, reading.rules, values)

        outcome = await self._parts.deciding.decide(
            tenant, wanted, values, request_id=request.request_id, validate_only=request.validate_only, look=look
        )
        people, note = await explaining.outcome(tenant, wanted, outcome.seen)
        if outcome.position is None and not request.validate_only:
            note = f"{STANDS}; {note}" if note else STANDS
        return decided_on_wire(outcome.position, outcome.event_id, people, note)


def _of(one: Identified) -> Of:
    return Of(one.key, one.type.name)


def _values(*those: Identified) -> dict[bytes, str]:
    return {one.key: one.value for one in those}
