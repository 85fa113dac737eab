"""Following who is who: whoever an identifier moves from or to becomes due, and what is cut is folded anew.

Most identifiers that move never did anything by themselves, such as a phone said at a login: nobody is due for those.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.database import Connection
from libs.eventlog.event import Batch
from libs.eventlog.verdict import Verdict
from libs.people.following import Following
from libs.people.identity_events import news_in, places_begun
from libs.people.spans import own_id
from services.tagging.domain.layers import BASE
from services.tagging.store import refolds
from services.tagging.store.due import DueRows
from services.tagging.store.features import hold_filling
from services.tagging.store.places import hold_map, persons_of, speaking


@dataclass(frozen=True, slots=True)
class Moving:
    """The fold of the identity log into the map, and what follows from it here."""

    following: Following

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """See `Handler`."""
        news = news_in([recorded.event for batch in batches for recorded in batch.recorded()])
        if news:
            await hold_map(connection)
        live = {
            one.event.tenant
            for batch in batches
            for one in batch.recorded()
            if one.event.mode != log_pb.MODE_HISTORICAL
        }
        moved: dict[str, set[bytes]] = {}
        people: dict[str, set[bytes]] = {}
        for tenant, (moves, cuts) in sorted(news.items()):
            begun = {own_id(one.identifier, one.span) for made in cuts for one in places_begun(made)}
            known = await speaking(connection, tenant, {own_id(one.identifier, one.span) for one in moves})
            moved[tenant] = known | begun
            people[tenant] = set((await persons_of(connection, tenant, moved[tenant])).values())
        verdict = await self.following.fold(connection, batches)
        # Held, for what is asked for of a layer that goes live meanwhile would be asked for without end.
        filling = await hold_filling(connection) if any(cuts for _, cuts in news.values()) else []
        for tenant, (_, cuts) in sorted(news.items()):
            people[tenant] |= set((await persons_of(connection, tenant, moved[tenant])).values())
            layers = [BASE, *(number for owner, number in filling if owner == tenant)]
            await refolds.request(connection, tenant, {made.identifier for made in cuts}, layers)
            historical = () if tenant in live else people[tenant]
            await DueRows(connection, tenant).mark(dict.fromkeys(sorted(people[tenant])), historical=historical)
        return verdict
