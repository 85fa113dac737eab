"""What people are: the shop's tags on the year that has passed, on the next click, and in the days after it."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from examples.grocery.conversion import CURRENCY, ZONE
from examples.grocery.expectation import expect, expect_soon
from examples.grocery.holders import Households, PriceSensitive
from examples.grocery.scene import Scene
from examples.grocery.segmenting import segment_everybody
from examples.grocery.staging import stage_everybody
from examples.grocery.tagged import COUPONS_COUNT_FOR, EVERYBODY, SENSITIVE, Tagging, member
from libs.cli import identity, labels, tag
from libs.cli.calling import Calling
from libs.cli.definitions import documents_in
from libs.cli.identity import reference
from libs.cli.tables import table
from libs.cli.texts import lasting, many, money
from libs.rpc.client import channel

FOLDER: Final = Path(__file__).with_name("tags")
OLD_COUPON: Final = timedelta(days=80)
EDITED: Final = PriceSensitive(lines=25, days=30)
STRANGER: Final = "openid:o6_somebody_without_a_card"
SHOWN: Final = 4  # of a plan's examples


async def tag_everybody(scene: Scene) -> None:
    """All chapters about tags; the log holds some coupons and a campaign more behind them. Errors: Unexpected."""
    _, today = await scene.books.balance()
    service = scene.stack.services["tagging"].target
    async with channel(service) as line, channel(scene.stack.services["identity"].target) as other:
        told = scene.shop.calling
        calling = replace(told, channel=line, address=service)
        tagging = Tagging(scene, calling, Households.read(scene.books.told), today)
        await _publish(scene, tagging)
        household = await _between_two_clicks(scene, tagging)
        await _explain(scene, tagging, household)
        await _expire(scene, tagging, household)
        await _edit(scene, tagging)
        await _merge(scene, tagging, replace(told, channel=other), household)
        await segment_everybody(tagging)
        await stage_everybody(tagging)


async def _publish(scene: Scene, tagging: Tagging) -> None:
    scene.chapter(
        "Tags on history",
        "Thirteen tags are published when the year is over: who is price-sensitive, who is about to leave, what to "
        "remind of. A definition says first whom it would change; then history is read for what nobody kept so far.",
    )
    truth, people = tagging.truth, len(tagging.till.by_number)
    documents = [document for _, document in documents_in([FOLDER])]
    plan = await tagging.publish(next(one for one in documents if f"tag: {SENSITIVE}\n" in one))
    expect("people looked at, and who would get it", (plan.looked_at, plan.gained), (people, len(truth[SENSITIVE])))
    scene.done(f"{SENSITIVE} was foretold: {plan.gained:,} of {many(people, 'household')} would get it")
    began = monotonic()
    for document in documents:
        await tagging.publish(document, look_at=1)
    await expect_soon("tags that are not live yet", tagging.filling, 0)
    await expect_soon("holders of each tag", tagging.holders, truth)
    took, spent = lasting(monotonic() - began), tagging.till.spent(tagging.today.date())
    expect("dollars of 90 days", await tagging.spent(), spent)
    shown = table("tag", "title", ">households")
    found = await tagging.calling.ask(tagging.stub.ListTags, pb.ListTagsRequest())
    for one in found.definitions:
        shown.add_row(one.key, f"{one.titles['en']} · {one.titles['zh']}", f"{len(truth[one.key]):,}")
    scene.console.print(shown)
    scene.done(
        f"{took} later they have them: household for household those that the till's rows say, and "
        f"{money(CURRENCY, sum(spent.values()))} of 90 days to the cent"
    )


async def _between_two_clicks(scene: Scene, tagging: Tagging) -> int:
    household = tagging.without_coupons()[0]
    scene.chapter(
        "Between two clicks",
        f"A coupon that household {household} redeemed {OLD_COUPON.days} days ago turns up late: one is curiosity. "
        "Then it redeems another.",
    )
    person = member(household)
    first = await tagging.redeem(person, tagging.today - OLD_COUPON)
    expect("whether one coupon is enough", SENSITIVE in await tagging.of(person, first), False)
    began = monotonic()
    second = await tagging.redeem(person, tagging.today)
    recorded = monotonic()
    expect("whether two coupons are", SENSITIVE in await tagging.of(person, second), True)
    read = monotonic()
    await tag.person(tagging.calling, person)
    scene.done(
        f"{SENSITIVE}, and so said by the next call: recorded in {1000 * (recorded - began):.0f} ms, "
        f"read with the tag {1000 * (read - recorded):.0f} ms later"
    )
    return household


async def _explain(scene: Scene, tagging: Tagging, household: int) -> None:
    scene.chapter("Why", "Each part of the condition: what was measured, in which interactions, what would change it.")
    person = member(household)
    request = pb.ExplainTagRequest(person=reference(person), tag=SENSITIVE)
    told = await tagging.calling.ask(tagging.stub.ExplainTag, request)
    coupons, lines = told.reasons[0].leaves
    named = {entry.event_id: entry.message_id for entry in await scene.shop.timeline(household, 1000)}
    expect("what it rests on", {named[id_.hex()] for id_ in coupons.event_ids}, {"tagging:1", "tagging:2"})
    expect("which parts hold", (coupons.holds, lines.holds), (True, False))
    ends = _midnight(_day_of(tagging.today - OLD_COUPON) + timedelta(days=COUPONS_COUNT_FOR))
    expect("when time alone changes it", coupons.changes_at.ToDatetime(tzinfo=ZONE), ends)
    await tag.explain(tagging.calling, person, SENSITIVE)
    scene.done(f"it rests on the two coupons, and ends on {ends:%Y-%m-%d} at midnight unless there is a third")


async def _expire(scene: Scene, tagging: Tagging, household: int) -> None:
    later = _midnight(_day_of(tagging.today - OLD_COUPON) + timedelta(days=COUPONS_COUNT_FOR))
    scene.chapter(
        "By time alone",
        f"The shop runs on the time of its events. Somebody else is told of a campaign on {later:%Y-%m-%d}: so it is "
        "that day, for everybody. Nobody buys anything.",
    )
    before, somebody = tagging.truth, next(number for number in tagging.till.by_number if number != household)
    tagging.today = later
    truth = tagging.truth
    campaign = {"campaign_id": "demo", "campaign_type": "Type A", "ends_on": f"{later:%Y-%m-%d}"}
    began = monotonic()
    await tagging.see("campaign_received", member(somebody), later, **campaign)

    async def sensitive() -> bool:
        return SENSITIVE in await tagging.of(member(household))

    await expect_soon("whether the tag stands", sensitive, expected=False)
    took = lasting(monotonic() - began)
    await expect_soon("holders of each tag", tagging.holders, truth)
    gone = sum(len(people - truth[key]) for key, people in before.items())
    come = sum(len(people - before[key]) for key, people in truth.items())
    scene.done(f"household {household} is {SENSITIVE} no more, {took} later")
    scene.done(
        f"of the others {many(gone, 'tag')} ended and {many(come, 'tag')} began by time alone, as the till's rows say"
    )


async def _edit(scene: Scene, tagging: Tagging) -> None:
    usual = PriceSensitive()
    scene.chapter(
        "A definition is edited",
        f"Of the shop's own brand {EDITED.lines} lines in {EDITED.days} days shall be enough for {SENSITIVE}, "
        f"instead of {usual.lines} in {usual.days}.",
    )
    before, tagging.edited = tagging.truth[SENSITIVE], EDITED
    after = tagging.truth[SENSITIVE]
    document = (FOLDER / f"{SENSITIVE}.yaml").read_text(encoding="utf-8")
    for old, new in ((usual.lines, EDITED.lines), (usual.days, EDITED.days)):
        document = document.replace(f"{old} lines", f"{new} lines").replace(f"within {old} days", f"within {new} days")
        document = document.replace(f"times: {old}\n", f"times: {new}\n").replace(
            f"within: {old}d\n", f"within: {new}d\n"
        )
    request = pb.PublishTagRequest(document=document, look_at=EVERYBODY)
    published = await tagging.calling.ask(tagging.stub.PublishTag, request)
    plan = published.plan
    gained, lost = len(after - before), len(before - after)
    expect("people who gain and lose it", (plan.gained, plan.lost), (gained, lost))
    del plan.sample[SHOWN:]
    scene.console.print(labels.plan("edited", published.definition, plan))
    await expect_soon("tags that are not live yet", tagging.filling, 0)
    await expect_soon("holders of each tag", tagging.holders, tagging.truth)
    same = many(len(after), "household")
    scene.done(f"as foretold {gained:,} gained it and {lost:,} lost it; the till's rows name the same {same}")


async def _merge(scene: Scene, tagging: Tagging, identities: Calling, clicked: int) -> None:
    scene.chapter(
        "Tags follow people",
        "Somebody without a card redeemed a coupon, and so did a household: one each. They turn out to be one person.",
    )
    person = member(next(one for one in tagging.without_coupons() if one != clicked))
    at_least = [await tagging.redeem(one, tagging.today) for one in (person, STRANGER)]
    before = [await tagging.of(one, position) for one, position in zip((person, STRANGER), at_least, strict=True)]
    expect("who of them is price-sensitive", [SENSITIVE in one for one in before], [False, False])

    async def both() -> list[dict[str, tags.TagValue]]:
        return [{key: one.value for key, one in (await tagging.of(who)).items()} for who in (person, STRANGER)]

    apart = await both()
    together = {**apart[0], SENSITIVE: tags.TagValue(flag=True)}
    await identity.link(identities, person, STRANGER, because="said so at the till")
    await expect_soon("tags of one person", both, [together, together])
    scene.done(f"one person of two coupons, {SENSITIVE}, whichever way they are asked for")
    await identity.unlink(identities, person, STRANGER, because="somebody else after all")
    await expect_soon("tags of two people", both, apart)
    await expect_soon("holders of each tag", tagging.holders, tagging.truth)
    scene.done("and two people again, with the tags that they had")


def _day_of(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)
