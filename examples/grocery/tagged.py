"""The tagging service as the demo asks it, beside what the till says of everybody."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub

from examples.grocery.expectation import expect
from examples.grocery.holders import Households, PriceSensitive
from examples.grocery.scene import Scene
from libs.cli.calling import Calling
from libs.cli.identity import reference

SENSITIVE: Final = "price_sensitive"
SPENT: Final = "spent_in_90_days"
EVERYBODY: Final = 10_000
COUPONS_COUNT_FOR: Final = 90
"""Days, as the definition of `SENSITIVE` says."""


@dataclass(slots=True)
class Tagging:
    """The tagging service, what the till says of everybody, and the time in the shop."""

    scene: Scene
    calling: Calling
    till: Households
    today: datetime
    edited: PriceSensitive | None = None
    sent: int = 0

    @property
    def stub(self) -> TagsStub:
        return TagsStub(self.calling.channel)

    @property
    def truth(self) -> Mapping[str, set[int]]:
        """Who has which tag, as the till says."""
        return self.till.holders(self.today.date(), self.edited)

    def without_coupons(self) -> list[int]:
        """Who is not price-sensitive, and redeemed nothing that would count; the till knows no coupon of the demo."""
        sensitive, today = self.truth[SENSITIVE], self.today.date()
        households = self.till.by_number.items()
        return [
            number
            for number, one in households
            if number not in sensitive and not one.redeemed(COUPONS_COUNT_FOR, today)
        ]

    async def publish(self, document: str, look_at: int = EVERYBODY) -> pb.TagPlan:
        """Publish a definition; what it changes, of so many people."""
        request = pb.PublishTagRequest(document=document, look_at=look_at)
        return (await self.calling.ask(self.stub.PublishTag, request)).plan

    async def filling(self) -> int:
        """How many definitions are published and not in force yet."""
        found = (await self.calling.ask(self.stub.ListTags, pb.ListTagsRequest())).definitions
        return sum(one.state != tags.DEFINITION_STATE_LIVE for one in found)

    async def of(self, person: str, at_least: Position | None = None) -> dict[str, tags.HeldTag]:
        """What somebody has."""
        request = pb.GetPersonTagsRequest(person=reference(person), at_least=at_least)
        return {one.tag: one for one in (await self.calling.ask(self.stub.GetPersonTags, request)).tags}

    async def everybody(self) -> dict[int, dict[str, tags.HeldTag]]:
        """What each household has."""
        numbers = list(self.till.by_number)
        found = await asyncio.gather(*(self.of(member(number)) for number in numbers))
        return dict(zip(numbers, found, strict=True))

    async def holders(self) -> Mapping[str, set[int]]:
        """Who has which tag, as the service says."""
        holding: dict[str, set[int]] = defaultdict(set, {key: set() for key in self.truth})
        for number, held in (await self.everybody()).items():
            for key in held:
                holding[key].add(number)
        return holding

    async def spent(self) -> Mapping[int, int]:
        """Cents by household, as the tag for it says."""
        everybody = (await self.everybody()).items()
        return {number: round(100 * held[SPENT].value.number) for number, held in everybody if SPENT in held}

    async def see(self, event: str, identifier: str, at: datetime, **properties: str) -> collector_pb.CollectResult:
        """Collect an interaction."""
        self.sent += 1
        self.scene.books.events += 1
        type_, _, value = identifier.partition(":")
        interaction: dict[str, Any] = {
            "message_id": f"tagging:{self.sent}",
            "type": "track",
            "event": event,
            "occurred_at": at.isoformat(),
            "source": "till",
            "identifiers": {type_: value},
            "properties": properties,
        }
        result = await self.scene.shop.collect(interaction)
        expect("a rejection", result.rejection.reason, "")
        return result

    async def redeem(self, identifier: str, at: datetime) -> Position:
        """Let somebody redeem a coupon; where that stands in the log."""
        result = await self.see("coupon_redeemed", identifier, at, coupon_upc=f"demo-{self.sent}", campaign_id="demo")
        return result.position


def member(household: int) -> str:
    """A household, as it is named in calls."""
    return f"member_no:{household}"
