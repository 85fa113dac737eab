"""Sizes, members and overlaps of whatever is held, exact at the heads of the log of tags when it was asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pyroaring import BitMap

from libs.conditions.calendar import Calendar
from libs.conditions.tree import All, Condition
from libs.runtime.tenants import Tenants
from services.tagging.domain.names import EVERYONE, reference_of
from services.tagging.gathering import Gathering
from services.tagging.membership.algebra import Part, members
from services.tagging.membership.crowd import Crowd, Pair, Place, Spread, pairs, spread
from services.tagging.membership.index import Index

EVERYBODY: Condition = All(())
"""Everyone of the population."""


class Member(NamedTuple):
    """Somebody, and the place behind which whoever asks for more goes on."""

    person: bytes
    place: Place


class Looked(NamedTuple):
    """What was found, of how many people there are, and how far the log of tags was read for it, by partition."""

    crowds: Sequence[Crowd]
    population: int
    positions: Mapping[int, int]


@dataclass(frozen=True)
class Crowds:
    """Answers conditions about what is held; whatever asks for more is answered with None."""

    gathering: Gathering
    tenants: Tenants

    async def look(self, tenant: str, conditions: Iterable[Condition]) -> Looked | None:
        """Who meets each of some conditions, all at the same moment."""
        await self.gathering.reach_heads()
        return self.at_once(tenant, conditions)

    async def members(
        self, tenant: str, condition: Condition, behind: Place | None, limit: int
    ) -> tuple[list[Member], Looked] | None:
        """Who meets a condition, in the order of places, behind one of them."""
        looked = await self.look(tenant, [condition])
        if looked is None:
            return None
        return await self._named(tenant, list(islice(looked.crowds[0].behind(behind), limit))), looked

    async def sample(
        self, tenant: str, condition: Condition, count: int, seed: int
    ) -> tuple[list[Member], Looked] | None:
        """Some of those who meet a condition, drawn by chance; the same for the same seed and the same people."""
        looked = await self.look(tenant, [condition])
        return None if looked is None else (await self._named(tenant, looked.crowds[0].drawn(count, seed)), looked)

    async def overlap(self, tenant: str, conditions: Sequence[Condition]) -> tuple[list[Pair], Looked] | None:
        """What those who meet each of some conditions share with one another."""
        looked = await self.look(tenant, conditions)
        return None if looked is None else (pairs(looked.crowds, looked.population), looked)

    async def spread(
        self, tenant: str, references: Iterable[str], conditions: Sequence[Condition]
    ) -> tuple[dict[str, list[Spread]], Looked] | None:
        """How those who meet each of some conditions spread over the values of "tag:city", "stage" and so on."""
        looked = await self.look(tenant, conditions)
        if looked is None:
            return None
        indexes = self.gathering.indexes(tenant)  # nothing was awaited since
        return {one: [spread(crowd, one, indexes) for crowd in looked.crowds] for one in references}, looked

    async def holding(self, tenant: str, name: str) -> int:
        """How many people have anything by a definition."""
        await self.gathering.reach_heads()
        indexes = self.gathering.indexes(tenant)
        return sum(len(index.holders(reference_of(name))) for index in indexes.values())

    def at_once(self, tenant: str, conditions: Iterable[Condition]) -> Looked | None:
        """Who meets each of some conditions, as far as the log is folded."""
        indexes = self.gathering.indexes(tenant)
        everyone = _everyone(indexes)
        calendar = Calendar(self.tenants.get(tenant).zone)
        parts = {number: Part(index, everyone[number], calendar) for number, index in indexes.items()}
        crowds = []
        for condition in conditions:
            found = {number: members(condition, part) for number, part in parts.items()}
            # A copy, because what is the index's own changes with it.
            bitmaps = {number: bitmap.copy() for number, bitmap in found.items() if bitmap is not None}
            if len(bitmaps) < len(parts):
                return None
            crowds.append(Crowd(bitmaps))
        return Looked(crowds, sum(map(len, everyone.values())), self.gathering.positions())

    async def _named(self, tenant: str, places: Sequence[Place]) -> list[Member]:
        people = await self.gathering.people(tenant, places)
        return [Member(people[place], place) for place in places]


def _everyone(indexes: Mapping[int, Index]) -> dict[int, BitMap]:
    """The population as it was told; where nobody was told of it, whoever holds anything."""
    told = {number: index.holders(EVERYONE) for number, index in indexes.items()}
    return told if any(told.values()) else {number: index.anybody() for number, index in indexes.items()}
