"""Timelines of whole people: what is filed under all that is theirs, newest first."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from libs.eventlog.event import Recorded, partition_of
from libs.eventlog.projection import standing
from libs.people.person import Member, Name
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE
from libs.rpc.pages import BigInt, SmallInt
from libs.runtime.errors import NotFound
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.queries.moments import NOW, Moment
from services.profile.queries.portraits import Portraits


class TimelineCursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of a timeline ended."""

    occurred_at: BigInt
    position: BigInt
    partition: SmallInt = 0


class Entry(NamedTuple):
    """An interaction, and the partition that it is in."""

    partition: int
    recorded: Recorded

    @property
    def when(self) -> tuple[int, int, int]:
        """Newer is greater, and no two interactions are equal."""
        return self.recorded.event.occurred_at_micros, self.recorded.position, self.partition


@dataclass(frozen=True, slots=True)
class Timelines:
    """Reads timelines of one tenant at a time."""

    portraits: Portraits

    async def page(
        self,
        tenant: str,
        name: Name,
        moment: Moment = NOW,
        *,
        events: frozenset[str] = frozenset(),
        behind: TimelineCursor | None = None,
        limit: int,
    ) -> list[Entry]:
        """A person's standing interactions, newest first; raises `NotFound` for one whom the log has nothing of.

        `events` names those wanted, empty means all; `behind` continues a former page.
        """
        await self.portraits.reaching.reach(moment)
        (person,) = await self.portraits.people(tenant, [name])
        logs = await asyncio.gather(*(self._log(tenant, member) for member in person.members))
        if not any(logs):
            raise NotFound("person", name.key.hex())
        last = None if behind is None else (behind.occurred_at, behind.position, behind.partition)
        entries = [
            entry
            for member, log in zip(person.members, logs, strict=True)
            for entry in _entries(member, log, moment, self.portraits.log.partitions)
            if (last is None or entry.when < last)
            and (not events or event_name(read_interaction(entry.recorded.event.payload)) in events)
        ]
        return sorted(entries, key=lambda entry: entry.when, reverse=True)[:limit]

    async def _log(self, tenant: str, member: Member) -> Sequence[Recorded]:
        if member.cut is not None:
            return (await self.portraits.spans.events(tenant, member)).get(member.span, [])
        return await self.portraits.log.read_key(tenant, member.identifier) if member.span == WHOLE else []


def _entries(member: Member, log: Sequence[Recorded], moment: Moment, partitions: int) -> list[Entry]:
    """What of a log was neither taken back nor erased, as far as a moment goes."""
    partition = partition_of(member.identifier, partitions)
    return [
        Entry(partition, one)
        for one in standing(log, as_of=moment.as_of, known_at=moment.known_at)
        if one.event.type == INTERACTION_RECORDED and one.event.payload
    ]
