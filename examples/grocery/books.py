"""The shop's books: whose interactions were sent, and whether Portrait says of them what the till says."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from portrait.log.v1.log_service_pb2 import GetHeadsRequest
from portrait.log.v1.log_service_pb2_grpc import LogStub
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb

from examples.grocery.conversion import CURRENCY, TENANT, ZONE, count, interactions
from examples.grocery.expectation import expect
from examples.grocery.figures import Spent, spent, total
from examples.grocery.shop import Shop
from libs.cli.progress import watching
from libs.cli.rows import Documents
from libs.cli.sending import Manner, Watcher, send
from libs.cli.standing import Standing, standing
from libs.cli.tally import Tally
from libs.cli.texts import many, money
from libs.devstack.stack import Stack


@dataclass(slots=True)
class Books:
    """Of these households; `sent` counts those whose interactions were sent, `events` what the log has to hold."""

    shop: Shop
    stack: Stack
    households: Sequence[int]
    sent: int = 0
    events: int = 0

    @property
    def told(self) -> Sequence[int]:
        """The households that Portrait was told of."""
        return self.households[: self.sent]

    async def send(self, households: int, manner: Manner | None = None, halfway: asyncio.Event | None = None) -> Tally:
        """Collect everything of the next so many households, as `portrait collect` does; `halfway` is set on the way.

        Errors: Unexpected unless all of it is recorded.
        """
        first, self.sent = self.sent, self.sent + households
        name = f"{TENANT}-{first + 1}-{self.sent}"
        size = count(self.sent, after=first)
        source, tally = Documents(interactions(self.sent, after=first), name, name, TENANT, size), Tally()
        with watching(TENANT, size) as watcher:
            noticing = _Noticing(watcher, halfway, size // 2) if halfway else watcher
            await send(self.shop.calling, source, manner or Manner(), None, noticing, tally)
        # A repeat is a row whose first answer was lost with the service; it was on disk.
        expect("interactions recorded", tally.recorded + tally.duplicates, size)
        expect("interactions recorded otherwise before", tally.differing, 0)
        self.events += size
        return tally

    async def balance(self) -> tuple[str, datetime]:
        """Hold the log's length, and the spending of everybody told of, against the till; what it says, and when it
        is in the shop.
        """
        expect("events in the log", sum((await self.heads()).values()), self.events)
        portraits = await self.shop.portraits(self.told, "person_id", "spending", "last_seen_at")
        till = spent(list(self.told))
        for household, portrait in zip(self.told, portraits, strict=True):
            expect(f"spending of household {household}", spending(portrait), till[household])
        whole = total(till)
        said = (
            f"{many(len(portraits), 'portrait')} hold what the till's {whole.baskets:,} baskets say, to the cent: "
            f"{money(CURRENCY, whole.cents)}"
        )
        return said, max(one.last_seen_at.ToDatetime(tzinfo=UTC) for one in portraits).astimezone(ZONE)

    async def stand(self) -> Standing:
        """How everything stands, as `portrait status` finds it."""
        return await standing(self.shop.calling, self.stack.state)

    async def heads(self) -> Mapping[int, int]:
        """The log's length by partition."""
        log = LogStub(self.shop.calling.channel)
        return {
            one.partition: one.position for one in (await self.shop.calling.ask(log.GetHeads, GetHeadsRequest())).heads
        }

    async def waiting(self) -> int:
        """How many events wait to be relayed, as far as the service knows."""
        return sum(one.relay_lag or 0 for one in (await self.stand()).services)


class _Noticing:
    """A watcher that sets an event once so many rows are answered."""

    def __init__(self, watcher: Watcher, reached: asyncio.Event, rows: int) -> None:
        self._watcher = watcher
        self._reached = reached
        self._left = rows

    def advance(self, rows: int, read: int) -> None:
        self._watcher.advance(rows, read)
        self._left -= rows
        if self._left <= 0:
            self._reached.set()

    def waiting(self, why: str, seconds: float) -> None:
        self._watcher.waiting(why, seconds)


def spending(portrait: profiles_pb.Profile) -> Spent:
    """What a portrait says was spent."""
    if CURRENCY not in portrait.spending:
        return Spent(0, 0)
    return Spent(portrait.spending[CURRENCY].orders, portrait.spending[CURRENCY].total.minor)
