"""Whom identifiers name, and everything that names a person, as last resolved."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from portrait.identity.v1 import events_pb2 as events

from libs.eventlog.log import KeyReader
from libs.people.identifiers import IdentifierRules
from libs.people.spans import WHOLE, own_id
from libs.runtime.errors import NotFound
from services.identity.codec.events import MERGED
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.naming import PersonId
from services.identity.domain.person import Identifier, Person, Place, Whose, person_in, places_of
from services.identity.domain.resolution import Resolution
from services.identity.store.resolved import Known
from services.identity.store.tenant import IdentityStore

# One statement for a thousand identifiers, and no look at those that nobody was ever told of but whether they are.
# OFFSET 0: see `store/evidence.py`.
_WHOSE: Final = """
    WITH told AS MATERIALIZED (
        SELECT key, person, mark, cut IS NOT NULL FROM people WHERE tenant = $1 AND key = ANY($2::uuid[]))
    SELECT *, true FROM told
    UNION ALL
    SELECT wanted.key, NULL, NULL, false,
           EXISTS (SELECT FROM identifiers WHERE tenant = $1 AND key = wanted.key OFFSET 0)
           OR EXISTS (SELECT FROM subjects WHERE tenant = $1 AND key = wanted.key OFFSET 0)
    FROM unnest($2::uuid[]) AS wanted(key)
    WHERE wanted.key NOT IN (SELECT key FROM told)"""


@dataclass(frozen=True, slots=True)
class People:
    """Reads people of one tenant at a time; `log` is the identity log."""

    pool: asyncpg.Pool
    log: KeyReader

    @asynccontextmanager
    async def reading(self, tenant: str) -> AsyncIterator[IdentityStore]:
        """The tenant's tables as they are at one moment, however many statements look at them."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield IdentityStore(connection, tenant)

    async def whose(self, tenant: str, keys: Sequence[Key]) -> dict[Key, Whose]:
        """Whom identifiers name; who was never seen is a person of their own."""
        rows = await self.pool.fetch(_WHOSE, tenant, keys)
        return {key: Whose(person or key, known, mark, cut) for key, person, mark, cut, known in rows}

    async def person(self, tenant: str, place: Place, rules: IdentifierRules) -> Person:
        """Whoever a place belongs to; raises `NotFound` for one that was never seen or decided about."""
        async with self.reading(tenant) as store:
            person = await self._person_of(store, place)
            found, evidence, known = await _gathered(store, person)
        if not known:
            raise NotFound("person", place[0].hex())
        former = await self.former_ids(tenant, found, person)
        return person_in(found, person, evidence, identifiers(known), rules, former)

    async def place_of(self, store: IdentityStore, person: PersonId) -> Place:
        """The identifier or span whose own id a OneID is, whoever it belongs to now."""
        return await store.resolved.place_of(person) or (person, WHOLE)

    async def former_ids(self, tenant: str, found: Resolution, person: PersonId) -> set[PersonId]:
        """The ids that a person had before a merge and that still find them, as the log tells of merges."""
        own = {own_id(*place) for place in places_of(found, person)} - {person}
        former: set[PersonId] = set()
        front = {person} if own else set()
        while front:
            logs = await asyncio.gather(*(self.log.read_key(tenant, one) for one in front))
            merged = {
                one
                for log in logs
                for recorded in log
                if recorded.event.type == MERGED
                for one in events.Merged.FromString(recorded.event.payload).merged
            }
            front = (merged & own) - former
            former |= front
        return former

    async def _person_of(self, store: IdentityStore, place: Place) -> PersonId:
        key, span = place
        if span != WHOLE:
            tied = (await store.resolved.spans_at([place])).get(place)
            return tied.person if tied else own_id(key, span)
        one = (await store.resolved.known([key]))[key]
        return one.person or key


def identifiers(known: Mapping[Key, Known]) -> dict[Key, Identifier]:
    """Identifiers in plain, those that nobody knows left out."""
    return {
        key: Identifier(key, one.type, one.value, one.seen.recorded_at if one.seen else None)
        for key, one in known.items()
        if one.type
    }


async def _gathered(store: IdentityStore, person: PersonId) -> tuple[Resolution, Evidence, dict[Key, Known]]:
    """What stands about a person, the pairs that tell what was proven, and what is known of the identifiers."""
    keys, spans = await store.resolved.members([person])
    founder = await store.resolved.place_of(person)
    whole = keys | ({person} if founder is None else set())
    known = await store.resolved.known(whole | {key for key, _ in spans} | ({founder[0]} if founder else set()))
    known = {key: one for key, one in known.items() if one.type}
    found = Resolution(
        people=dict.fromkeys(keys, person),
        spans=spans,
        cuts={key: one.cut for key, one in known.items() if one.cut is not None},
        marks={key: one.mark for key, one in known.items() if one.mark is not None},
    )
    return found, Evidence(pairs=await store.evidence.pairs_around(whole)), known
