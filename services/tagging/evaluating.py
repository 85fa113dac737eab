"""Stage two: whoever is due is answered, and what is news is told, in one transaction."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

import asyncpg
import structlog

from libs.conditions.features import Features
from libs.eventlog.database import TROUBLE, Connection
from libs.eventlog.event import NewEvent
from libs.eventlog.postgres import PostgresLog
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import PortraitError
from libs.runtime.tenants import Tenant, Tenants
from libs.telemetry.metrics import Metrics
from services.tagging.answering import Answering, Known
from services.tagging.codec.changes import told
from services.tagging.courses import Course, Courses
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.by_hand import standing as standing_of
from services.tagging.domain.holding import Holding
from services.tagging.folding import Folded
from services.tagging.marking import hold_places, mark_places
from services.tagging.store import refolds
from services.tagging.store.by_hand import ByHandRows
from services.tagging.store.due import Due, DueRows, Marks, look, people_due
from services.tagging.store.features import FeatureRows
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.marks import MarkRows, with_marks
from services.tagging.store.places import Persons, persons

PORTION: Final = 500
IDLE_SECONDS: Final = 0.05
PAUSE_SECONDS: Final = 0.5
COUNT_SECONDS: Final = 5.0
TRY_AGAIN: Final[Micros] = 60 * SECOND

_logger = structlog.get_logger(__name__)


class _Seen(NamedTuple):
    """All that a portion of people is answered from."""

    course: Course
    persons: Persons
    features: Mapping[bytes, Sequence[Features]]
    said: Mapping[bytes, Mapping[str, ByHand]]
    held: Mapping[bytes, Holding]


@dataclass(frozen=True, slots=True)
class Evaluating:
    """Answers people portion by portion; replicas take different ones. `now` says what time it is for a tenant.

    That is None until everything up to some moment has been read: nothing may come of time alone before.
    """

    pool: asyncpg.Pool
    log: PostgresLog
    courses: Courses
    tenants: Tenants
    now: Callable[[str], Micros | None]
    metrics: Metrics
    size: int = PORTION
    anew: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an anchor is to be folded anew: what looks for who is due looks for that, too."""

    async def run(self) -> None:
        """Answer whoever is due, until cancelled."""
        counted = -COUNT_SECONDS
        while True:
            try:
                if monotonic() > counted + COUNT_SECONDS:
                    self.metrics.due_people.set(await self.waiting())
                    counted = monotonic()
                busy = [await self.portion(tenant) for tenant in await self._with_anybody_due()]
            except asyncpg.CheckViolationError:  # no range of the log takes a row of this moment yet
                await self.log.cover()
            except asyncpg.TransactionRollbackError:
                continue  # two waited for each other
            except (*TROUBLE, PortraitError) as error:
                _logger.warning("evaluation_waits", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.metrics.heartbeat("evaluation")
                if not any(busy):
                    await asyncio.sleep(IDLE_SECONDS)

    async def _with_anybody_due(self) -> list[Tenant]:
        """The tenants of whom anybody is due; asked for so often that it must be one look at all of them."""
        async with self.pool.acquire() as connection:
            waiting = await look(connection, self._times())
        if waiting.anew:
            self.anew.set()
        return [tenant for tenant in self.tenants if tenant.id in waiting.tenants]

    async def waiting(self) -> int:
        """How many people are due by now."""
        async with self.pool.acquire() as connection:
            return await people_due(connection, self._times())

    def _times(self) -> dict[str, Micros]:
        """What time it is for each tenant of whom that is known."""
        return {tenant.id: now for tenant in self.tenants if (now := self.now(tenant.id)) is not None}

    async def portion(self, tenant: Tenant) -> bool:
        """Answer some of those who are due; whether there were any."""
        now = self.now(tenant.id)
        if now is None:
            return False
        async with self.pool.acquire() as connection, connection.transaction():
            # Whatever is read is read under the locks of these rows: what changes later makes them due again. They are
            # taken as they come, so nobody else's may be waited for behind them, or two would wait in a circle.
            due = await DueRows(connection, tenant.id).take(now, self.size)
            if due:
                await self.log.append_derived(connection, await self._answered(connection, tenant, now, due, {}))
            return bool(due)

    async def at_once(self, connection: Connection, folded: Sequence[Folded]) -> None:
        """Answer whoever becomes due in a transaction, in the same one: see `AtOnce`.

        They are marked and left for later where they are many, for the map and the log would be held for all of them,
        and where answering fails, which is not the fault of what was folded.
        """
        if sum(len(one.places.affected) for one in folded) <= 2 * self.size:  # a fold of a portion, and a batch more
            try:
                async with connection.transaction():  # a savepoint
                    await self._answer_at_once(connection, folded)
            except Exception as error:  # noqa: BLE001  if the database is in trouble, so is what comes next
                _logger.warning("not_answered_at_once", error=repr(error))
            else:
                return
        for one in folded:
            await mark_places(connection, one.tenant, one.places)

    async def _answer_at_once(self, connection: Connection, folded: Sequence[Folded]) -> None:
        # Of all tenants, before the log is: whoever answers one of these people waits for it behind their row.
        held = [await hold_places(connection, one.tenant, one.places) for one in folded]
        events: list[NewEvent] = []
        for one, due in zip(folded, held, strict=True):
            now = self.now(one.tenant)  # behind the locks, so that it goes on from what was answered before
            if now is None:
                await mark_places(connection, one.tenant, one.places)
            else:
                tenant = self.tenants.get(one.tenant)
                events += await self._answered(connection, tenant, now, due, one.features)
        await self.log.append_derived(connection, events)

    async def _answered(
        self,
        connection: Connection,
        tenant: Tenant,
        now: Micros,
        due: Sequence[Due],
        folded: Mapping[bytes, Features],
    ) -> list[NewEvent]:
        """Answer people whose rows are held, and what is to be told of it.

        `folded` are features of places as this transaction wrote them.
        """
        seen = await self._see(connection, tenant, due, folded)
        asked = due
        # Read after the catalogue: whoever is answered by what went live must see that they were not yet due for it.
        due = with_marks(due, await MarkRows(connection, tenant.id).pending())
        unready = await self._unready(connection, tenant, seen)
        answering = Answering(tenant.id, seen.course.compiled, now)
        events: list[NewEvent] = []
        held: dict[bytes, Holding] = {}
        failed: list[bytes] = []
        for one in due:
            before = seen.held.get(one.person, Holding())
            became = seen.persons.became.get(one.person)
            if one.person in unready:
                continue
            try:
                if became is not None:
                    after, changes = answering.released(one, before, became)
                else:
                    after, changes = answering.answered(one, self._known(tenant, seen, one.person), before)
            except Exception:  # one person must not keep all others from being answered
                _logger.exception("person_not_answered", tenant=tenant.id, person=one.person.hex())
                failed.append(one.person)
                continue
            events += told(tenant.id, one.person, after.revision, changes, now)
            if changes or after != before:
                held[one.person] = after
        await HoldingRows(connection, tenant.id).write(held)
        left = unready | {*failed}
        rows = DueRows(connection, tenant.id)
        await self._settle(rows, [one for one in due if one.person not in left], seen, held)
        await rows.mark(*_again([one for one in asked if one.person in left]))
        await rows.postpone(sorted(unready), now + 1)  # once more when time has gone on
        await rows.postpone(failed, now + TRY_AGAIN)
        return events

    async def _see(
        self, connection: Connection, tenant: Tenant, due: Sequence[Due], folded: Mapping[bytes, Features]
    ) -> _Seen:
        people = [one.person for one in due]
        course = await self.courses.live(connection, tenant.id)
        who = await persons(connection, tenant.id, people)
        places = [place for those in who.members.values() for place in those]
        rows = await FeatureRows(connection, tenant.id).load(
            [place for place in places if place not in folded], course.read
        )
        features = {place: course.layers.parts(those) for place, those in rows.items()}
        features |= {place: [one] for place, one in folded.items()}
        known = await ByHandRows(connection, tenant.id).of(places)
        said: dict[bytes, dict[str, ByHand]] = {}
        if known:
            by_place: dict[bytes, list[int]] = {}
            for index, one in enumerate(known):
                by_place.setdefault(one.identifier, []).append(index)
            for person, those in who.members.items():
                mine = [known[index] for place in those for index in by_place.get(place, ())]
                said[person] = {tag: one.said for tag, one in standing_of(mine).items()}
        held = await HoldingRows(connection, tenant.id).load(people)
        return _Seen(course, who, features, said, held)

    async def _unready(self, connection: Connection, tenant: Tenant, seen: _Seen) -> set[bytes]:
        """People a part of whom is to be folded anew: until it is, they would be answered wrongly."""
        if not await refolds.are_there(connection, tenant.id):
            return set()
        places = [place for those in seen.persons.members.values() for place in those]
        anchors = await FeatureRows(connection, tenant.id).anchors(places, seen.course.read)
        anchors = {**{place: place for place in places}, **anchors, **seen.persons.anchors}
        waiting = await refolds.waiting(connection, tenant.id, set(anchors.values()))
        return {
            person
            for person, those in seen.persons.members.items()
            if any(anchors[place] in waiting for place in those)
        }

    def _known(self, tenant: Tenant, seen: _Seen, person: bytes) -> Known:
        parts = [part for place in seen.persons.members[person] for part in seen.features.get(place, ())]
        said = seen.said.get(person, {})
        if not parts:
            return Known(None, said, tenant.source_ranks)
        features = parts[0] if len(parts) == 1 else seen.course.plan.combine(parts)
        return Known(features, said, tenant.source_ranks)

    async def _settle(self, rows: DueRows, due: Sequence[Due], seen: _Seen, held: Mapping[bytes, Holding]) -> None:
        """Let those who were answered be due when time may change it, or no more."""
        later: dict[bytes, Micros] = {}
        done: list[bytes] = []
        for one in due:
            holding = held.get(one.person) or seen.held.get(one.person) or Holding()
            change = holding.next_change()
            if change is None:
                done.append(one.person)
            elif change != one.waits_until:
                later[one.person] = change
        await rows.later(later)
        await rows.done(done)


def _again(left: Sequence[Due]) -> Marks:
    """What lets people be due for what they could not be answered for."""
    return Marks(
        {one.person: one.affected for one in left},
        {one.person: one.cause for one in left if one.cause is not None},
        {one.person for one in left if one.historical},
    )
