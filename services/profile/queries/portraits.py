"""Portraits of whole people: the states of all that is theirs, combined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from libs.eventlog.event import partition_of
from libs.eventlog.living import LivingProjection
from libs.eventlog.log import Log
from libs.eventlog.projection import Folded
from libs.eventlog.versions import Version
from libs.people.person import Member, Name, Person, alone
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import WHOLE
from services.profile.domain.calendar import Calendar
from services.profile.domain.portrait import Portrait, combine
from services.profile.projections import calendar_of
from services.profile.queries.moments import NOW, Moment, Reaching
from services.profile.spans.reader import SpanReader


class Seen(NamedTuple):
    """One person's portrait; `contains` and `parked_at` are partitions and positions of the log.

    `anchors` are the keys of which it holds interactions, of those that are cut a part.
    """

    person: bytes
    state: Portrait
    contains: dict[int, int]
    parked_at: tuple[int, int] | None
    anchors: tuple[bytes, ...]

    @property
    def known(self) -> bool:
        """Whether there is anything to tell; whoever was retracted altogether was never there."""
        return self.state.interactions > 0 or self.parked_at is not None


class Read(NamedTuple):
    """Portraits of people, all of one version, and the calendar that their days are counted by."""

    version: Version
    calendar: Calendar
    people: list[Seen]


@dataclass(frozen=True, slots=True)
class Portraits:
    """Reads portraits of one tenant at a time. Without a map of who is who, every anchor is a person."""

    log: Log
    living: LivingProjection[Portrait]
    spans: SpanReader
    reaching: Reaching
    map: PostgresIdentityMap | None = None

    async def get(self, tenant: str, names: Sequence[Name], moment: Moment = NOW) -> Read:
        """Portraits in the order of the names."""
        await self.reaching.reach(moment)
        return await self.of(tenant, await self.people(tenant, names), moment)

    async def people(self, tenant: str, names: Sequence[Name]) -> list[Person]:
        """Who is meant."""
        if self.map is None:
            return [alone(name.key) for name in names]
        return await self.map.people(tenant, names)

    async def of(self, tenant: str, people: Sequence[Person], moment: Moment = NOW) -> Read:
        """Portraits of people as they are made up now."""
        members = dict.fromkeys(member for person in people for member in person.members)
        whole = [member for member in members if member.cut is None and member.span == WHOLE]
        keys = [(tenant, member.identifier) for member in whole]
        if moment.past:
            version, states = await self.living.read_at(keys, as_of=moment.as_of, known_at=moment.known_at)
        else:
            version, states = await self.living.read(keys)
        known = dict(zip(whole, states, strict=True))
        # A part of what is not cut any more has nothing: all of it lies in the whole.
        parts = [member for member in members if member.cut is not None]
        if parts:
            known |= dict(zip(parts, await self._parts(version, tenant, parts, moment), strict=True))
        seen = [_combined(person, known, self.log.partitions) for person in people]
        return Read(version, calendar_of(version, tenant), seen)

    async def _parts(
        self, version: Version, tenant: str, parts: Sequence[Member], moment: Moment
    ) -> list[Folded[Portrait]]:
        active = self.living.active
        same = active.version.number == version.number  # else another version was switched to within this read
        projection = active.reader.projection if same else self.living.declared.of(version)
        if not moment.past:
            return await self.spans.read(projection, tenant, parts)
        return [
            await self.spans.read_at(projection, tenant, part, as_of=moment.as_of, known_at=moment.known_at)
            for part in parts
        ]


def _combined(person: Person, known: dict[Member, Folded[Portrait]], partitions: int) -> Seen:
    contains: dict[int, int] = {}
    parked_at: tuple[int, int] | None = None
    those = list(_that_tell(person, known))
    for member, folded in those:
        partition = partition_of(member.identifier, partitions)
        contains[partition] = max(folded.position, contains.get(partition, 0))
        if folded.parked is not None and parked_at is None:
            parked_at = (partition, folded.parked.recorded.position)
    states = [folded.state for _, folded in those]
    state = states[0] if len(states) == 1 else reduce(combine, states, Portrait())
    return Seen(person.id, state, contains, parked_at, tuple(dict.fromkeys(member.identifier for member, _ in those)))


def _that_tell(person: Person, known: dict[Member, Folded[Portrait]]) -> Iterator[tuple[Member, Folded[Portrait]]]:
    """The members that anything is known of; most identifiers are nobody's anchor."""
    for member in person.members:
        folded = known.get(member)
        if folded is not None and (folded.state.interactions or folded.parked):
            yield member, folded
