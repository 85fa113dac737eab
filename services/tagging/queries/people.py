"""What people have: now from what they hold, in the past from what was told of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from libs.eventlog.log import KeyReader
from libs.people.person import Name, Person
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import own_id
from libs.runtime.clock import Micros
from services.tagging.codec.told import told_by
from services.tagging.domain.by_hand import Known, standing
from services.tagging.domain.holding import Held
from services.tagging.store.by_hand import ByHandRows
from services.tagging.store.due import AT_ONCE
from services.tagging.store.holdings import HoldingRows
from services.tagging.store.marks import MarkRows

REACH_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01

_WAITS: Final = "SELECT EXISTS (SELECT FROM due WHERE tenant = $1 AND person = $2 AND at <= $3)"

Reach = Callable[[int, int], Awaitable[None]]
"""Waits until a position of the interactions has been folded here, and who is who behind it."""


@dataclass(frozen=True, slots=True)
class People:
    """Reads what people of one tenant have; `log` is the log of tags."""

    pool: asyncpg.Pool
    map: PostgresIdentityMap
    log: KeyReader
    reach: Reach

    async def person(self, tenant: str, name: Name) -> Person:
        """Who is meant."""
        (person,) = await self.map.people(tenant, [name])
        return person

    async def held(self, tenant: str, people: Sequence[bytes]) -> dict[bytes, Mapping[str, Held]]:
        """What each of some people holds, as last told; nothing for whoever is not known."""
        async with self.pool.acquire() as connection:
            found = await HoldingRows(connection, tenant).load(people)
        return {person: found[person].tags if person in found else {} for person in people}

    async def held_then(
        self, tenant: str, person: bytes, *, as_of: Micros | None, known_at: Micros | None
    ) -> dict[str, Held]:
        """What a person had been told to have, by name: by a time, as was recorded by another."""
        held: dict[str, Held] = {}
        for recorded in await self.log.read_key(tenant, person):
            if known_at is not None and recorded.recorded_at > known_at:
                continue
            if as_of is None or recorded.event.occurred_at_micros <= as_of:
                told = told_by(recorded.event)
                if told is not None and told.now is not None:
                    held[told.name] = told.now
                elif told is not None:
                    held.pop(told.name, None)
        return held

    async def said(self, tenant: str, person: Person) -> dict[str, Known]:
        """What stands of a person by hand or by a file, by tag; what has expired is among it."""
        places = [own_id(member.identifier, member.span) for member in person.members]
        async with self.pool.acquire() as connection:
            return standing(await ByHandRows(connection, tenant).of(places))

    async def being_answered(self, tenant: str) -> bool:
        """Whether people are yet to be answered for what went live."""
        async with self.pool.acquire() as connection:
            return await MarkRows(connection, tenant).being_answered()

    async def answered(self, tenant: str, name: Name, partition: int, position: int) -> None:
        """Wait until whoever a name means has been answered by all events up to a position of the interactions.

        Raises `TimeoutError`, and `Unavailable` where another service is.
        """
        async with asyncio.timeout(REACH_SECONDS):
            await self.reach(partition, position)
            person = await self.person(tenant, name)
            while await self.pool.fetchval(_WAITS, tenant, person.id, AT_ONCE):  # noqa: ASYNC110  any replica answers
                await asyncio.sleep(POLL_SECONDS)
