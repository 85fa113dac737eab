"""What the demo shows, chapter by chapter; each is held against the till's own figures."""

from datetime import datetime, time, timedelta
from typing import Any, Final

from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb

from examples.grocery import faults, hindsight, recognition, tagging
from examples.grocery.books import spending
from examples.grocery.conversion import CURRENCY, ZONE
from examples.grocery.expectation import expect, expect_soon
from examples.grocery.figures import Spent, most_telling, spent
from examples.grocery.pictures import beside
from examples.grocery.scene import Scene
from libs.cli import profile, quarantine
from libs.cli.status import as_table
from libs.cli.texts import lasting, many, money

MIDYEAR: Final = datetime(2017, 7, 1, tzinfo=ZONE)
SHOWN_OF_TIMELINE: Final = 8
FEWEST: Final = 5  # households
LATER: Final = FEWEST  # one household in so many is collected while the service is killed, and one without a broker

FORGOTTEN: Final = "basket:forgotten"
FORGOTTEN_CENTS: Final = 1250


async def tell(scene: Scene) -> None:
    """All of it, on a stack that runs and is empty. Errors: Unexpected, AioRpcError."""
    households = scene.books.households
    later = len(households) // LATER
    today = await collect(scene, len(households) - 2 * later)
    one = most_telling(list(scene.books.told))
    await portray(scene, one)
    await recall(scene, one)
    await look_back(scene, one, today)
    before = await scene.shop.portrait(one)
    await mend(scene, one, before)
    await retract(scene, one, before)
    await faults.kill(scene, later)
    await faults.lose_the_broker(scene, later)
    await hindsight.change_its_mind(scene, one)
    await recognition.recognise(scene)
    await tagging.tag_everybody(scene)
    await stand(scene)


async def collect(scene: Scene, households: int) -> datetime:
    """Send everything of the first so many households, and hold their portraits against the till; the shop's time."""
    scene.chapter(
        "Collect",
        f"A supermarket's year: baskets, campaigns and coupons of {many(households, 'household')}. "
        "Every answer is given once the log has the interactions on disk.",
    )
    schemas = await scene.shop.publish_schemas()
    scene.books.events += len(schemas)
    scene.done(f"{many(len(schemas), 'schema')} published; what contradicts them will wait in quarantine")
    tally = await scene.books.send(households)
    pace = f"{tally.answered / tally.seconds:,.0f} a second"
    scene.done(f"{many(tally.answered, 'interaction')} recorded in {lasting(tally.seconds)}, {pace}")
    said, today = await scene.books.balance()
    scene.done(said)
    return today


async def portray(scene: Scene, household: int) -> None:
    """Show one portrait."""
    scene.chapter("A portrait", f"Everything known of household {household}, asked for by its member number.")
    await profile.show(scene.shop.calling, f"member_no:{household}")


async def recall(scene: Scene, household: int) -> None:
    """Show the end of its timeline."""
    scene.chapter("Its timeline", "What happened last, newest first, with its details.")
    entries = await scene.shop.timeline(household, SHOWN_OF_TIMELINE)
    times = [entry.occurred_at.ToMicroseconds() for entry in entries]
    expect("order of the timeline", times, sorted(times, reverse=True))
    await profile.timeline(scene.shop.calling, f"member_no:{household}", limit=SHOWN_OF_TIMELINE)


async def look_back(scene: Scene, household: int, today: datetime) -> None:
    """Show the portrait as of then beside today's."""
    scene.chapter(
        "The same portrait, then and now",
        f"As of {MIDYEAR:%Y-%m-%d} it is folded from what had happened by then. The shop runs on the time of its "
        f"events: today is {today:%Y-%m-%d}, and windows end there.",
    )
    then, now = await scene.shop.portrait(household, as_of=MIDYEAR), await scene.shop.portrait(household)
    expect("spending then", spending(then), spent([household], until=MIDYEAR).get(household, Spent(0, 0)))
    month = datetime.combine(today.date() - timedelta(days=29), time(), ZONE)
    lately = spent([household], since=month).get(household, Spent(0, 0))
    expect("orders of the last 30 days", now.spending[CURRENCY].orders_last_30_days, lately.baskets)
    expect("money of the last 30 days", now.spending[CURRENCY].total_last_30_days.minor, lately.cents)
    scene.console.print(beside((f"on {MIDYEAR:%Y-%m-%d}", then), (f"on {today:%Y-%m-%d}", now)))
    scene.done("both are what the till says of those days")


async def mend(scene: Scene, household: int, before: profiles_pb.Profile) -> None:
    """Send a basket that contradicts the schema, find it in quarantine, mend it."""
    scene.chapter(
        "A basket with a broken amount",
        "It says 12,50 where the schema wants a number. It is kept as it came, mended, and tried again.",
    )
    result = await scene.shop.collect(_basket(household, "12,50"))
    expect("outcome of the broken basket", result.outcome, collector_pb.OUTCOME_QUARANTINED)
    expect("portrait after the broken basket", await scene.shop.portrait(household), before)
    quarantined = await scene.shop.quarantined()
    expect("what waits in quarantine", [one.quarantine_id for one in quarantined], [result.rejection.quarantine_id])
    await quarantine.list_(scene.shop.calling)
    result = await scene.shop.mend(result.rejection.quarantine_id, _basket(household, FORGOTTEN_CENTS / 100))
    expect("outcome of the mended basket", result.outcome, collector_pb.OUTCOME_RECORDED)
    scene.books.events += 1
    expect("what waits in quarantine", await scene.shop.quarantined(), [])
    old, new = spending(before), spending(await scene.shop.portrait(household))
    expect("spending after mending", new, Spent(old.baskets + 1, old.cents + FORGOTTEN_CENTS))
    scene.done(f"mended and recorded: {_told(old)} became {_told(new)}")


async def retract(scene: Scene, household: int, before: profiles_pb.Profile) -> None:
    """Take the basket back."""
    scene.chapter(
        "Taken back", "The shop retracts that basket. The log keeps both, and the portrait is folded without it."
    )
    expect("interactions retracted", await scene.shop.retract(FORGOTTEN), 1)
    scene.books.events += 1
    after = await scene.shop.portrait(household)
    for portrait in (before, after):
        portrait.ClearField("contains")  # positions in the log, which only grows
    expect("portrait after the retraction", after, before)
    scene.done(f"the portrait is as if it had never been sent: {_told(spending(after))}")


async def stand(scene: Scene) -> None:
    """Show how everything stands."""
    scene.chapter("How it all stands", "What `portrait status` says after all that.")
    await expect_soon("events that wait to be relayed", scene.books.waiting, 0)
    now = await scene.books.stand()
    said, _ = await scene.books.balance()
    expect("everything serves", now.well, True)
    scene.console.print(as_table(now))
    scene.done(said)


def _basket(household: int, amount: object) -> dict[str, Any]:
    line = {"product_id": "1029743", "category": "GROCERY", "brand": "Private", "quantity": 1, "amount": amount}
    return {
        "message_id": FORGOTTEN,
        "type": "track",
        "event": "order_completed",
        "occurred_at": "2017-12-24T17:05:00-05:00",
        "source": "till",
        "identifiers": {"member_no": str(household)},
        "properties": {"store_id": "367", "currency": CURRENCY, "products": [line]},
    }


def _told(one: Spent) -> str:
    return f"{many(one.baskets, 'order')} of {money(CURRENCY, one.cents)}"
