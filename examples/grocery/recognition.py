"""Who is who: the shop's visitors come in many channels, and are one person in each of them; or are not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc
import grpc.aio
import yaml
from portrait.identity.v1 import identities_service_pb2 as identity_pb
from portrait.identity.v1.identities_service_pb2_grpc import IdentitiesStub
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb

from examples.grocery.expectation import expect, expect_soon
from examples.grocery.scene import Scene
from examples.grocery.shop import Shop
from libs.cli import identity
from libs.cli.calling import Calling
from libs.cli.said import identifier_said
from libs.rpc.client import channel

TENANT: Final = "demo"
"""Another shop on the same stack, which runs on the clock of the wall."""

VISITOR: Final = ("anonymous_id:visitor-7f3a", "openid:o6_mei_wang", "phone:13800138001", "external_userid:wm_mei_wang")
FAMILY: Final = ("member_no:A2001", "member_no:A2002", "member_no:A2003", "member_no:A2004")
TABLET: Final = "device_id:tablet-of-the-family"
BEFORE, SINCE, NUMBER = "member_no:A3001", "member_no:A3002", "phone:13900139000"
CLERKS: Final = ("openid:o6_li_na", "phone:13700137001", "openid:o6_zhao_min", "phone:13600136002")


async def recognise(scene: Scene) -> None:
    """All chapters about who is who. Errors: Unexpected, AioRpcError."""
    async with channel(scene.stack.services["identity"].target) as line:
        told = replace(scene.shop.calling, tenant=TENANT)
        calling = replace(told, channel=line, address=scene.stack.services["identity"].target)
        people = _People(scene, Shop(told), calling)
        await _one_visitor(scene, people)
        await _family_tablet(scene, people)
        await _recycled_phone(scene, people)
        await _accident(scene, people)
        await _rules(scene, people)


class _People:
    """What the other shop sends, and what it asks about its people."""

    def __init__(self, scene: Scene, shop: Shop, calling: Calling) -> None:
        self._scene = scene
        self._shop = shop
        self._sent = 0
        self.calling = calling
        self.identities = IdentitiesStub(calling.channel)

    async def see(self, *identifiers: str, day: int = 1, verified: str = "", login: bool = False) -> None:
        """Collect an interaction that carries these."""
        self._sent += 1
        self._scene.books.events += 1
        named = [one.partition(":") for one in identifiers]
        said: dict[str, Any] = {
            "message_id": f"recognition:{self._sent}",
            "occurred_at": f"2026-03-{day:02}T10:00:00+08:00",
            "source": "mini_program",
            "identifiers": [
                {"type": type_, "value": value, "verified": f"{type_}:{value}" == verified} for type_, _, value in named
            ],
        }
        said |= {"type": "identify"} if login else {"type": "track", "event": "page_viewed"}
        result = await self._shop.collect(said)
        expect("a rejection", result.rejection.reason, "")

    async def count(self, identifiers: Sequence[str]) -> int:
        """How many people identifiers name; 0 until each of them was heard of."""
        request = identity_pb.BatchResolveRequest(identifiers=[identifier_said(one) for one in identifiers])
        found = (await self.calling.ask(self.identities.BatchResolve, request)).resolutions
        return len({one.person_id for one in found}) if all(one.known for one in found) else 0

    async def interactions(self, identifiers: Sequence[str]) -> list[int]:
        """How much the portraits hold that are found by identifiers."""
        return [(await self._portrait(one)).interactions for one in identifiers]

    async def portraits(self, identifiers: Sequence[str]) -> list[profiles_pb.Profile]:
        """Portraits without their positions in the log, which only grows."""
        found = [await self._portrait(one) for one in identifiers]
        for one in found:
            one.ClearField("contains")
        return found

    async def _portrait(self, identifier: str) -> profiles_pb.Profile:
        """A portrait; an empty one of an identifier under which nothing is filed and that is nobody's yet."""
        try:
            return await self._shop.portrait_of(identifier)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return profiles_pb.Profile()


async def _one_visitor(scene: Scene, people: _People) -> None:
    scene.chapter(
        "One person in four channels",
        "Somebody browses without a name, scans a code in the shop, registers by phone, and adds an advisor in WeCom.",
    )
    browser, openid, phone, contact = VISITOR
    await people.see(browser, day=1)
    await people.see(browser, openid, day=2)
    await people.see(openid, phone, "member_no:A1001", day=3, verified=phone, login=True)
    await people.see(contact, openid, day=4)

    async def held() -> list[int]:
        return await people.interactions(VISITOR)

    await expect_soon("interactions in the portrait, by each identifier", held, [4] * len(VISITOR))
    expect("people", await people.count(VISITOR), 1)
    await identity.person(people.calling, browser)
    scene.done("one portrait of four interactions, by whichever identifier it is asked for")


async def _family_tablet(scene: Scene, people: _People) -> None:
    scene.chapter("A family tablet", "Four members log in on one tablet: that says nothing of who they are.")
    for day, member in enumerate(FAMILY, start=5):
        await people.see(member, TABLET, day=day, login=True)

    async def found() -> int:
        return await people.count([*FAMILY, TABLET])

    await expect_soon("people, the tablet among them", found, len(FAMILY) + 1)
    await identity.explain(people.calling, FAMILY[0], FAMILY[1])
    scene.done("four people, and a tablet that is nobody's")


async def _recycled_phone(scene: Scene, people: _People) -> None:
    scene.chapter("A phone that passed on", "A number is given out again, and its new owner proves that it is theirs.")
    await people.see(BEFORE, NUMBER, day=1, verified=NUMBER)
    await people.see(NUMBER, day=2)
    await people.see(SINCE, NUMBER, day=20, verified=NUMBER)
    await people.see(NUMBER, day=21)

    async def held() -> list[int]:
        return await people.interactions([BEFORE, SINCE])

    await expect_soon("interactions of the former owner and of the new one", held, [2, 2])
    await identity.explain(people.calling, BEFORE, SINCE)
    scene.done("what came under the number until that day is the former owner's, and the rest the new one's")


async def _accident(scene: Scene, people: _People) -> None:
    scene.chapter("An accident, and its undoing", "A clerk types another customer's number. Two people become one.")
    one, number, other, other_number = CLERKS
    await people.see(one, number, day=1)
    await people.see(other, other_number, day=2)

    async def found() -> int:
        return await people.count(CLERKS)

    async def held() -> list[int]:
        return await people.interactions([one, other])

    await expect_soon("people before", found, 2)
    await expect_soon("interactions before", held, [1, 1])
    before = await people.portraits([one, number])
    await people.see(other, number, day=3)
    await expect_soon("people after the accident", found, 1)
    await identity.explain(people.calling, one, other)
    await identity.unlink(people.calling, other, number, because="mistyped at the till")
    await expect_soon("people after all", found, 2)

    async def restored() -> bool:
        return await people.portraits([one, number]) == before

    await expect_soon("whether the portrait is what it was", restored, expected=True)
    scene.done("two people again, under the ids that they had, with the portraits that they had")


async def _rules(scene: Scene, people: _People) -> None:
    scene.chapter(
        "Other rules, tried first", "What if a device that two members use were shared already? Nothing changes yet."
    )
    members = ("member_no:A4001", "member_no:A4002")
    for day, member in enumerate(members, start=1):
        await people.see(member, "device_id:at-home", day=day)

    async def found() -> int:
        return await people.count([*members, "device_id:at-home"])

    await expect_soon("people of two members and a device", found, 2)
    rules = (await people.calling.ask(people.identities.GetRules, identity_pb.GetRulesRequest())).rules
    document = yaml.safe_load(rules.document)
    document["types"]["device_id"]["people"] = 1
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        await identity.preview(people.calling, file, sample=3)
    expect("people after the preview", await found(), 2)
    scene.done("foretold, and nothing has changed")
