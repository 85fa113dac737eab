"""What groups are like."""

from portrait.log.v1.event_pb2 import Position
from portrait.tagging.v1 import group_portrait_pb2 as pb
from portrait.tagging.v1.membership_pb2 import CrowdReference

from libs.conditions.tree import Condition
from libs.rpc.caller import calling_tenant
from services.tagging.api.parts import Context, Methods
from services.tagging.codec.crowds import EVERYONE_KEY, condition_of
from services.tagging.codec.group_portraits import portrayed_on_wire
from services.tagging.domain.registry import unknown_segment


class GroupPortraitMethods(Methods):
    """`GetGroupPortrait`."""

    async def GetGroupPortrait(
        self, request: pb.GetGroupPortraitRequest, context: Context
    ) -> pb.GetGroupPortraitResponse:
        tenant = calling_tenant()
        condition, titles = self._group(tenant, request.crowd)
        found, positions = await self._parts.portraying.portray(
            tenant, condition, request.characteristics, request.most_values
        )
        return pb.GetGroupPortraitResponse(
            group=found.sizes.group,
            everyone=found.sizes.everyone,
            distributions=[portrayed_on_wire(one) for one in found.portrayed],
            positions=[Position(partition=number, position=position) for number, position in positions.items()],
            titles=titles,
        )

    def _group(self, tenant: str, crowd: CrowdReference) -> tuple[Condition, dict[str, str]]:
        """Who is meant, and what their segment is called; raises `NotFound` for one that is not live."""
        if crowd.WhichOneof("crowd") != "segment":
            return condition_of(crowd, "crowd"), {}
        live = self._parts.catalogues.live(tenant).definitions
        segment = live.get(f"segment:{crowd.segment}")
        if segment is None and crowd.segment != EVERYONE_KEY:
            raise unknown_segment(crowd.segment, live)
        return condition_of(crowd, "crowd"), {} if segment is None else dict(segment.titles)
