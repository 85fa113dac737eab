"""How many they are, while one still thinks about whom to mean: segments, what they share, what they are like."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final

from portrait.tagging.v1 import membership_pb2 as pb
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tags_service_pb2 as tags
from portrait.tagging.v1.group_portrait_pb2 import GetGroupPortraitRequest
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub
from portrait.tagging.v1.tag_pb2 import DEFINITION_STATE_LIVE

from examples.grocery.expectation import expect, expect_soon
from examples.grocery.tagged import Tagging, member
from libs.cli import group_looks
from libs.cli.definitions import documents_in
from libs.cli.identity import reference
from libs.cli.tables import table
from libs.cli.texts import many

FOLDER: Final = Path(__file__).with_name("segments")
FANS, LEAVING = "own_brand_fans", "worth_winning_back"
LOOKS: Final = ("tag:favourite_department", "tag:drives", "tag:household_kind", "tag:spent_in_90_days")

Sets = Mapping[str, set[int]]

EDITING: Final[tuple[tuple[str, str, Callable[[Sets], set[int]]], ...]] = (
    ("about to leave", "tag: about_to_leave", lambda who: who["about_to_leave"]),
    (
        "… of whom we know what to offer",
        "all: [{tag: about_to_leave}, {any: [{tag: household_kind}, {tag: drives}]}]",
        lambda who: who["about_to_leave"] & (who["household_kind"] | who["drives"]),
    ),
    (
        "… and who need no coupon for it",
        "all: [{tag: about_to_leave}, {any: [{tag: household_kind}, {tag: drives}]}, {not: {tag: price_sensitive}}]",
        lambda who: (who["about_to_leave"] & (who["household_kind"] | who["drives"])) - who["price_sensitive"],
    ),
)
"""What somebody writes who looks for a segment, and whom the till means by it."""


async def segment_everybody(tagging: Tagging) -> None:
    """All chapters about segments, on the tags that households have by now. Errors: Unexpected."""
    segmenting = _Segmenting(tagging)
    await segmenting.edit()
    await segmenting.publish()
    await segmenting.overlap()
    await segmenting.portray()


class _Segmenting:
    def __init__(self, tagging: Tagging) -> None:
        self._tagging = tagging
        self._scene = tagging.scene
        self._calling = tagging.calling
        self._stub = SegmentsStub(tagging.calling.channel)
        who = tagging.truth
        self._truth: Sets = {
            FANS: who["prefers_own_brand"] - who["price_sensitive"],
            LEAVING: EDITING[1][2](who),
        }

    async def edit(self) -> None:
        """Count while the rule is written."""
        self._scene.chapter(
            "How many are they?",
            "Somebody looks for people worth winning back, and sees the size with every word of the rule.",
        )
        await self._count(EDITING[0][1])  # the first look is at bitmaps that nobody asked for before
        shown = table("rule", ">households", ">ms")
        for title, document, means in EDITING:
            began = monotonic()
            size = await self._count(document)
            took = 1000 * (monotonic() - began)
            expect("whether everybody was counted", size.exactness, pb.EXACTNESS_EXACT)
            expect(f"households {title}", size.people, len(means(self._tagging.truth)))
            shown.add_row(title, f"{size.people:,}", f"{took:.1f}")
        self._scene.console.print(shown)
        self._scene.done("each size is exact, of this very moment, and what the till's rows say")

    async def publish(self) -> None:
        """Let two segments live."""
        self._scene.chapter("Segments", "Two rules are published. Whoever comes to meet one enters it, there and then.")
        for _, document in documents_in([FOLDER]):
            request = segments.PublishSegmentRequest(document=document, look_at=1)
            await self._calling.ask(self._stub.PublishSegment, request)
        await expect_soon("segments that are not live yet", self._filling, 0)
        for key, those in self._truth.items():
            await expect_soon(f"members of {key}", partial(self._members, key), await self._people(those))
        sizes = {key: len(those) for key, those in self._truth.items()}
        told = " and ".join(f"{size:,} {key}" for key, size in sizes.items())
        self._scene.done(f"{told}: member for member whom the till's rows name")

    async def overlap(self) -> None:
        """Compare the two, and a tag."""
        self._scene.chapter("What they share", "The two segments beside those who come by car.")
        who = {**self._truth, "drives": self._tagging.truth["drives"]}
        crowds = [pb.CrowdReference(segment=FANS), pb.CrowdReference(segment=LEAVING)]
        crowds.append(pb.CrowdReference(document="tag: drives"))
        told = await self._calling.ask(self._stub.CompareSegments, pb.CompareSegmentsRequest(crowds=crowds))
        names = list(who)
        expect("sizes", [one.people for one in told.sizes], [len(those) for those in who.values()])
        shown = table("one", "other", ">both", ">times what chance would bring")
        for one in told.overlaps:
            first, second = names[one.first], names[one.second]
            expect(f"in {first} and {second}", one.both, len(who[first] & who[second]))
            shown.add_row(first, second, f"{one.both:,}", f"{one.lift:.2f}" if one.HasField("lift") else "")
        self._scene.console.print(shown)
        self._scene.done("counted on bitmaps, and the same on the till's rows")

    async def portray(self) -> None:
        """Show what one of them is like."""
        self._scene.chapter(
            "What they are like",
            f"{FANS} beside everyone: 100 is as common as among all, with what chance leaves open.",
        )
        request = GetGroupPortraitRequest(crowd=pb.CrowdReference(segment=FANS), characteristics=LOOKS)
        portrait = await self._calling.ask(self._stub.GetGroupPortrait, request)
        expect("size of the group", portrait.group, len(self._truth[FANS]))
        drives = next(one for one in portrait.distributions if one.reference == "tag:drives")
        driving = self._truth[FANS] & self._tagging.truth["drives"]
        expect("who of them drives", drives.rows[0].comparison.group, len(driving))
        self._scene.console.print(group_looks.portrait(portrait, "en"))
        self._scene.done(f"{many(portrait.group, 'household')} beside {portrait.everyone:,} people")

    async def _count(self, document: str) -> pb.CrowdSize:
        request = pb.CountSegmentRequest(crowd=pb.CrowdReference(document=document))
        return (await self._calling.ask(self._stub.CountSegment, request)).size

    async def _filling(self) -> int:
        found = (await self._calling.ask(self._stub.ListSegments, segments.ListSegmentsRequest())).definitions
        return sum(one.state != DEFINITION_STATE_LIVE for one in found)

    async def _members(self, key: str) -> set[str]:
        request = pb.ListMembersRequest(crowd=pb.CrowdReference(segment=key), page_size=1_000)
        return set((await self._calling.ask(self._stub.ListMembers, request)).person_ids)

    async def _people(self, households: set[int]) -> set[str]:
        """The OneIDs of households."""
        stub = self._tagging.stub
        requests = [tags.GetPersonTagsRequest(person=reference(member(one))) for one in households]
        found = await asyncio.gather(*(self._calling.ask(stub.GetPersonTags, one) for one in requests))
        return {one.person_id for one in found}
