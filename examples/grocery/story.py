"""What the demo shows, chapter by chapter; each is held against the till's own figures."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import monotonic
from typing import Any, Final

from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from rich.console import Console
from rich.markup import escape

from examples.grocery.conversion import CURRENCY, TENANT, ZONE
from examples.grocery.expectation import Unexpected, expect
from examples.grocery.figures import Spent, most_telling, spent, total
from examples.grocery.pictures import beside
from examples.grocery.shop import Shop
from examples.grocery.tables import households
from libs.cli import profile, quarantine
from libs.cli.progress import watching
from libs.cli.scenario import Scenario
from libs.cli.sending import Manner, send
from libs.cli.standing import Standing, standing
from libs.cli.status import as_table
from libs.cli.tally import Tally
from libs.cli.texts import lasting, many, money
from libs.devstack.folder import StackState

MIDYEAR: Final = datetime(2017, 7, 1, tzinfo=ZONE)
SHOWN_OF_TIMELINE: Final = 8
RELAYED_WITHIN: Final = 20.0  # seconds
POLL: Final = 0.2

FORGOTTEN: Final = "basket:forgotten"
FORGOTTEN_CENTS: Final = 1250


@dataclass(slots=True)
class Story:
    """Tells of the first so many households, or of all (`limit` None), on a stack that runs and is empty."""

    console: Console
    shop: Shop
    stack: StackState
    limit: int | None

    async def tell(self) -> None:
        """All of it. Errors: Unexpected where something is not as it should be, AioRpcError."""
        everybody = households(self.limit)
        events = await self.collect(everybody)
        today = await self.compare(everybody)
        one = most_telling(everybody)
        await self.portray(one)
        await self.recall(one)
        await self.look_back(one, today)
        before = await self.shop.portrait(one)
        await self.mend(one, before)
        await self.retract(one, before)
        await self.stand(events + 2)  # the basket that was mended, and its retraction

    async def collect(self, everybody: list[int]) -> int:
        """Send everything; how many events the log then holds."""
        self._chapter(
            "Collect",
            f"A supermarket's year: baskets, campaigns and coupons of {many(len(everybody), 'household')}. "
            "Every answer is given once the log has the interactions on disk.",
        )
        schemas = await self.shop.publish_schemas()
        self._done(f"{many(len(schemas), 'schema')} published; what contradicts them will wait in quarantine")
        source = Scenario.load(TENANT).source(self.limit)
        tally, began = Tally(), monotonic()
        with watching(source.name, source.size) as watcher:
            await send(self.shop.calling, source, Manner(), None, watcher, tally)
        seconds = monotonic() - began
        expect("interactions recorded", tally.recorded, source.size)
        expect("interactions quarantined", tally.quarantined.total(), 0)
        pace = f"{tally.recorded / seconds:,.0f} a second"
        self._done(f"{many(tally.recorded, 'interaction')} recorded in {lasting(seconds)}, {pace}")
        return len(schemas) + tally.recorded

    async def compare(self, everybody: list[int]) -> datetime:
        """Hold every portrait's spending against the till; the shop's time."""
        portraits = await self.shop.portraits(everybody, "person_id", "spending", "last_seen_at")
        till = spent(everybody)
        for household, portrait in zip(everybody, portraits, strict=True):
            expect(f"spending of household {household}", _spending(portrait), till[household])
        whole = total(till)
        self._done(
            f"{many(len(portraits), 'portrait')} hold what the till's {whole.baskets:,} baskets say, to the cent: "
            f"{money(CURRENCY, whole.cents)}"
        )
        return max(one.last_seen_at.ToDatetime(tzinfo=UTC) for one in portraits).astimezone(ZONE)

    async def portray(self, household: int) -> None:
        """Show one portrait."""
        self._chapter("A portrait", f"Everything known of household {household}, asked for by its member number.")
        await profile.show(self.shop.calling, f"member_no:{household}")

    async def recall(self, household: int) -> None:
        """Show the end of its timeline."""
        self._chapter("Its timeline", "What happened last, newest first, with its details.")
        entries = await self.shop.timeline(household, SHOWN_OF_TIMELINE)
        times = [entry.occurred_at.ToMicroseconds() for entry in entries]
        expect("order of the timeline", times, sorted(times, reverse=True))
        await profile.timeline(self.shop.calling, f"member_no:{household}", limit=SHOWN_OF_TIMELINE)

    async def look_back(self, household: int, today: datetime) -> None:
        """Show the portrait as of then beside today's."""
        self._chapter(
            "The same portrait, then and now",
            f"As of {MIDYEAR:%Y-%m-%d} it is folded from what had happened by then. The shop runs on the time of its "
            f"events: today is {today:%Y-%m-%d}, and windows end there.",
        )
        then, now = await self.shop.portrait(household, as_of=MIDYEAR), await self.shop.portrait(household)
        expect("spending then", _spending(then), spent([household], until=MIDYEAR).get(household, Spent(0, 0)))
        month = datetime.combine(today.date() - timedelta(days=29), time(), ZONE)
        lately = spent([household], since=month).get(household, Spent(0, 0))
        expect("orders of the last 30 days", now.spending[CURRENCY].orders_last_30_days, lately.baskets)
        expect("money of the last 30 days", now.spending[CURRENCY].total_last_30_days.minor, lately.cents)
        self.console.print(beside((f"{MIDYEAR:%Y-%m-%d}", then), (f"{today:%Y-%m-%d}", now)))
        self._done("both are what the till says of those days")

    async def mend(self, household: int, before: profiles_pb.Profile) -> None:
        """Send a basket that contradicts the schema, find it in quarantine, mend it."""
        self._chapter(
            "A basket with a broken amount",
            "It says 12,50 where the schema wants a number. It is kept as it came, mended, and tried again.",
        )
        result = await self.shop.collect(_basket(household, "12,50"))
        expect("outcome of the broken basket", result.outcome, collector_pb.OUTCOME_QUARANTINED)
        expect("portrait after the broken basket", await self.shop.portrait(household), before)
        quarantined = await self.shop.quarantined()
        expect("what waits in quarantine", [one.quarantine_id for one in quarantined], [result.rejection.quarantine_id])
        await quarantine.list_(self.shop.calling)
        result = await self.shop.mend(result.rejection.quarantine_id, _basket(household, FORGOTTEN_CENTS / 100))
        expect("outcome of the mended basket", result.outcome, collector_pb.OUTCOME_RECORDED)
        expect("what waits in quarantine", await self.shop.quarantined(), [])
        old, new = _spending(before), _spending(await self.shop.portrait(household))
        expect("spending after mending", new, Spent(old.baskets + 1, old.cents + FORGOTTEN_CENTS))
        self._done(f"mended and recorded: {_told(old)} became {_told(new)}")

    async def retract(self, household: int, before: profiles_pb.Profile) -> None:
        """Take the basket back."""
        self._chapter(
            "Taken back", "The shop retracts that basket. The log keeps both, and the portrait is folded without it."
        )
        expect("interactions retracted", await self.shop.retract(FORGOTTEN), 1)
        after = await self.shop.portrait(household)
        for portrait in (before, after):
            portrait.ClearField("contains")  # positions in the log, which only grows
        expect("portrait after the retraction", after, before)
        self._done(f"the portrait is as if it had never been sent: {_told(_spending(after))}")

    async def stand(self, events: int) -> None:
        """Show how everything stands."""
        self._chapter("How it all stands", "The log is relayed for other services, and snapshots follow behind it.")
        now = await self._relayed()
        for one in now.services:
            expect("events in the log", sum(head.position for head in one.heads.heads) if one.heads else 0, events)
        expect("everything serves", now.well, True)
        self.console.print(as_table(now))

    async def _relayed(self) -> Standing:
        patient_until = monotonic() + RELAYED_WITHIN
        while True:
            now = await standing(self.shop.calling, self.stack)
            left = sum(one.relay_lag or 0 for one in now.services)
            if not left:
                return now
            if monotonic() > patient_until:
                raise Unexpected("events not yet relayed", left, 0)
            await asyncio.sleep(POLL)

    def _chapter(self, title: str, sentence: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{title}[/]", align="left", style="cyan")
        self.console.print(sentence, style="dim")
        self.console.print()

    def _done(self, sentence: str) -> None:
        self.console.print(f"[green]✓[/] {escape(sentence)}")


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


def _spending(portrait: profiles_pb.Profile) -> Spent:
    if CURRENCY not in portrait.spending:
        return Spent(0, 0)
    return Spent(portrait.spending[CURRENCY].orders, portrait.spending[CURRENCY].total.minor)


def _told(one: Spent) -> str:
    return f"{many(one.baskets, 'order')} of {money(CURRENCY, one.cents)}"
