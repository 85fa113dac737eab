"""The batch that compares a tenant's people: reads their traits from profile, and keeps what it suggests of them."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg
import grpc
from google.protobuf.json_format import MessageToDict
from portrait.profile.v1 import profiles_service_pb2 as profiles
from portrait.profile.v1 import profiles_service_pb2_grpc as profiles_rpc

from libs.eventlog.database import open_pool
from libs.people.identifiers import IdentifierRules
from libs.rpc.client import channel, details_of, metadata_for
from libs.runtime.clock import Clock, SystemClock
from libs.runtime.errors import PortraitError
from libs.runtime.tenants import Tenants, TenantsInvalid
from services.identity.domain.naming import PersonId
from services.identity.linking.candidate import Candidate, candidate
from services.identity.linking.linker import Linker
from services.identity.linking.plain import PlainLinker
from services.identity.linking.splink_linker import SplinkLinker
from services.identity.linking.suggesting import ACCEPTABLE_FROM, Suggestion, suggest
from services.identity.rulebook import Rulebook
from services.identity.settings import IdentitySettings
from services.identity.store.suggestions import Someone, SuggestionRows
from services.identity.store.tenant import IdentityStore

ASKED_AT_ONCE: Final = 500
SECONDS: Final = 60.0

Traits = Mapping[str, Any]


class Portraits(Protocol):
    """Where traits of people are read."""

    def traits(self, tenant: str, people: Sequence[PersonId]) -> AsyncIterator[tuple[PersonId, Traits]]:
        """What is known of each person of whom anything is."""
        ...


@dataclass(frozen=True, slots=True)
class ProfilePortraits:
    """The profile service, asked for some hundred people at a time."""

    connection: grpc.aio.Channel

    async def traits(self, tenant: str, people: Sequence[PersonId]) -> AsyncIterator[tuple[PersonId, Traits]]:
        stub = profiles_rpc.ProfilesStub(self.connection)
        for start in range(0, len(people), ASKED_AT_ONCE):
            asked = people[start : start + ASKED_AT_ONCE]
            request = profiles.BatchGetProfilesRequest(
                people=[profiles.PersonReference(person_id=person.hex()) for person in asked]
            )
            request.field_mask.paths.append("traits")
            answer = await stub.BatchGetProfiles(request, metadata=metadata_for(tenant), timeout=SECONDS)
            for person, profile in zip(asked, answer.profiles, strict=True):
                if profile.traits:
                    yield person, {name: MessageToDict(trait.value) for name, trait in profile.traits.items()}


@dataclass(frozen=True, slots=True)
class Suggesting:
    """Suggests which people of a tenant may be one. It merges nobody."""

    pool: asyncpg.Pool
    rulebook: Rulebook
    portraits: Portraits
    linker: Linker
    clock: Clock

    async def suggest(self, tenant: str) -> list[Suggestion]:
        """Put what is suggested now in place of what was and is still undecided."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            rows, rules = SuggestionRows(connection, tenant), IdentityStore(connection, tenant).rules
            everybody = {one.person: one for one in await rows.people()}
            apart = await rows.told_apart()
            reading = await self.rulebook.reading(rules, await rules.in_force())

        def decided(one: PersonId, other: PersonId) -> bool:
            two = (min(one, other), max(one, other))
            return two in apart or _too_many(reading.rules, everybody[one], everybody[other])

        candidates = [
            read
            async for person, traits in self.portraits.traits(tenant, sorted(everybody))
            if (read := _candidate(everybody[person], traits)).is_comparable
        ]
        # Comparing takes minutes of CPU, in which the loop has to keep connections alive.
        found = await asyncio.to_thread(suggest, self.linker, candidates, decided)
        keys = {one.person: tuple(key for key, _, _ in one.identifiers) for one in everybody.values()}
        async with self.pool.acquire() as connection, connection.transaction():
            await SuggestionRows(connection, tenant).replace(found, keys, self.clock.now())
        return found


def _candidate(someone: Someone, traits: Traits) -> Candidate:
    return candidate(someone.person, traits, ((type_, value) for _, type_, value in someone.identifiers))


def _too_many(rules: IdentifierRules, one: Someone, other: Someone) -> bool:
    """Whether two can't be one, as one person may not have so many identifiers of some type: a link would fail."""
    counts = Counter(type_ for _, type_, _ in (*one.identifiers, *other.identifiers))
    limits = {name: type_.per_person for name, type_ in rules.types.items() if type_.per_person is not None}
    return any(counts[name] > limit.at_most for name, limit in limits.items() if limit.within is None)


async def suggest_everywhere(settings: IdentitySettings, names: Sequence[str], *, plain: bool) -> None:
    """Suggest for the tenants named, or for each, in turn; tells how many as a JSON object a line."""
    tenants = Tenants.load(settings.tenants_file)
    chosen = [tenants.get(name) for name in names] or list(tenants)
    linker: Linker = PlainLinker() if plain else SplinkLinker()
    async with AsyncExitStack() as open_:
        pool = await open_.enter_async_context(open_pool(settings.database_url, size=2))
        profile = await open_.enter_async_context(channel(settings.source))
        suggesting = Suggesting(pool, Rulebook(tenants), ProfilePortraits(profile), linker, SystemClock())
        for tenant in chosen:
            found = await suggesting.suggest(tenant.id)
            told = {
                "tenant": tenant.id,
                "suggestions": len(found),
                "acceptable": sum(one.score >= ACCEPTABLE_FROM and not one.warnings for one in found),
                "warned": sum(bool(one.warnings) for one in found),
            }
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()  # each as it is done, also to a pipe: the next one may take long


def finish(working: Coroutine[Any, Any, None]) -> int:
    """Run to the end; the exit status, with one line of what went wrong."""
    try:
        asyncio.run(working)
    except (PortraitError, TenantsInvalid) as error:
        sys.stderr.write(f"{error}\n")
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"the database did not answer: {error}\n")
    except grpc.aio.AioRpcError as error:
        sys.stderr.write(f"the profile service did not answer: {details_of(error).message}\n")
    else:
        return 0
    return 1
