"""Decisions and rules: what somebody wants, and what follows from it, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec.structs import replace
from portrait.identity.v1 import events_pb2 as pb

from libs.eventlog.database import Connection
from libs.eventlog.event import Appended, Envelope, NewEvent
from libs.eventlog.requests import TAKEN, recorded
from libs.eventlog.transactions import Transactions
from libs.people.identifiers import IdentifierRules
from libs.people.keys import Keyring
from libs.people.rules_document import read_rules
from libs.runtime.clock import Clock, Micros
from libs.runtime.errors import EtagMismatch, InvalidArgument
from libs.runtime.tenants import Tenants
from libs.telemetry.traces import traceparent_bytes
from services.identity.codec.events import RULES_PUBLISHED, Causing, following, key_of, payload_of, type_of
from services.identity.domain.changes import IdentityChange
from services.identity.domain.decisions import IdentityDecision, decide, subjects
from services.identity.domain.evidence import Key
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD
from services.identity.domain.rules import decide as decide_rules
from services.identity.resolver import PORTION, Resolver
from services.identity.rulebook import Reading, Rulebook, screening
from services.identity.store.rules import PublishedRules
from services.identity.store.tenant import IdentityStore

Look = Callable[[IdentityStore], Awaitable[Any]]
"""What is to be read at the end of a decision's transaction, before it is undone if it only was tried."""


class Outcome(msgspec.Struct, frozen=True):
    """What a decision led to.

    Without a position nothing was recorded: it stood already, or was only tried. Of a decision that is asked for a
    second time `changes` are empty, for all of them happened at the first. `seen` is what was looked at.
    """

    event_id: bytes
    position: Appended | None = None
    changes: Sequence[IdentityChange] = ()
    seen: Any = None


class Publication(msgspec.Struct, frozen=True):
    """Rules as they stand, or would; `changes` are those that were found at once, the rest is in the slow lane."""

    rules: IdentifierRules
    published: PublishedRules | None
    changes: Sequence[IdentityChange] = ()


def etag_of(published: PublishedRules | None) -> str:
    """The etag of a version; None is what Portrait ships."""
    if published is None:
        return "shipped"
    text = f"{published.version}\0{published.document}".encode()
    return blake2b(text, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Deciding:
    """Takes decisions under the lock of the tenant's resolver, one after the other. `settle` wakes the slow lane."""

    transactions: Transactions
    rulebook: Rulebook
    tenants: Tenants
    clock: Clock
    settle: asyncio.Event
    largest: int = LARGEST_NEIGHBOURHOOD

    async def decide(
        self,
        tenant: str,
        wanted: IdentityDecision,
        values: Mapping[Key, str],
        *,
        request_id: str = "",
        validate_only: bool = False,
        look: Look | None = None,
    ) -> Outcome:
        """Let a decision stand, with all that follows from it; a repeat of a request changes nothing.

        `wanted` gets its event id and time here; `values` are the normal forms of the identifiers that it is about.
        Raises `InvalidArgument`, `Unavailable`.
        """

        async def work(connection: Connection) -> Outcome:
            store = IdentityStore(connection, tenant)
            outcome = await self._decide(store, wanted, values, request_id)
            return replace(outcome, seen=await look(store)) if look else outcome

        if validate_only:
            return replace(await self.transactions.tried(work), position=None)
        outcome = await self.transactions.run(work)
        self.settle.set()
        return outcome

    async def _decide(
        self, store: IdentityStore, wanted: IdentityDecision, values: Mapping[Key, str], request_id: str
    ) -> Outcome:
        version = await store.rules.hold()
        reading = await self.rulebook.reading(store.rules, version)
        followed = await store.waiting.lock()
        about = subjects(wanted)
        now = await store.waiting.moment(self.clock.now())
        event_id = _event_id(store.tenant, type_of(wanted), request_id, key_of(wanted), now)
        digest = _digest(one.key for one in about)
        repeated = await recorded(store.connection, store.tenant, event_id, digest) if request_id else None
        if repeated is not None:
            return Outcome(event_id, repeated)
        decision = replace(wanted, event_id=event_id, recorded_at=now)
        if not decide(await store.decisions.about([one.key for one in about]), decision):
            return Outcome(event_id)
        refused = reading.refused((one.key, one.type, values[one.key]) for one in about)
        await store.rules.screen(refused)
        resolver = Resolver(store, reading.rules, self.clock.now(), self.largest, followed=followed)
        changes = await resolver.decide(decision, values)
        envelope = Envelope(store.tenant, type_of(decision), traceparent=traceparent_bytes())
        event = envelope.seal().event(event_id, key_of(decision), now, payload_of(decision, values), digest=digest)
        place = await self._append(store, event, changes, now)
        return Outcome(event_id, place, changes)

    async def published_by(self, tenant: str, request_id: str, document: str) -> PublishedRules | None:
        """The version that a request published; None where it published none yet.

        Raises `InvalidArgument` where it published another document.
        """
        event_id = self._rules_event_id(tenant, request_id, self.clock.now())

        async def work(connection: Connection) -> PublishedRules | None:
            return _published_before(await IdentityStore(connection, tenant).rules.published(), event_id, document)

        return await self.transactions.run(work) if request_id else None

    async def publish(
        self, tenant: str, document: str, *, etag: str = "", request_id: str = "", validate_only: bool = False
    ) -> Publication:
        """Put rules in force, also for what was collected before. A few people are resolved anew at once, many in the
        slow lane. Raises `InvalidArgument` with the path in the document, `EtagMismatch`, `Unavailable`.
        """

        async def work(connection: Connection) -> Publication:
            return await self._publish(IdentityStore(connection, tenant), document, etag, request_id)

        if validate_only:
            return await self.transactions.tried(work)
        publication = await self.transactions.run(work)
        self.settle.set()
        return publication

    async def _publish(self, store: IdentityStore, document: str, etag: str, request_id: str) -> Publication:
        version = await store.rules.hold(alone=True)
        before = await self.rulebook.reading(store.rules, version)
        versions = await store.rules.published()
        current = versions[-1] if versions else None
        now = self.clock.now()
        event_id = self._rules_event_id(store.tenant, request_id, now)
        repeated = _published_before(versions, event_id, document) if request_id else None
        if repeated is not None:
            return Publication((await self.rulebook.reading(store.rules, repeated.version)).rules, repeated)
        if etag and etag != etag_of(current):
            raise EtagMismatch(etag, etag_of(current))
        rules = read_rules(document, version + 1)
        if (rules.types, rules.shared) == (before.rules.types, before.rules.shared):
            return Publication(before.rules, current)
        decide_rules(self.rulebook.history(store.tenant), rules)
        published = PublishedRules(rules.version, document, event_id, now)
        followed = await store.waiting.lock()
        await store.rules.publish(published)
        after = Reading(rules, self.tenants.get(store.tenant))
        await self._screen(store, before.rules, after)
        await store.waiting.put_everybody(event_id, now)
        changes: list[IdentityChange] = []
        if await store.waiting.count() <= PORTION:
            changes = await Resolver(store, rules, now, self.largest, followed=followed).settle()
        payload = pb.RulesPublished(version=rules.version, document=document).SerializeToString()
        envelope = Envelope(store.tenant, RULES_PUBLISHED, traceparent=traceparent_bytes())
        event = envelope.seal().event(event_id, self._rules_key(store.tenant), now, payload)
        await self._append(store, event, changes, now)
        return Publication(rules, published, changes)

    async def _screen(self, store: IdentityStore, before: IdentifierRules, after: Reading) -> None:
        """Judge the values of all types anew whose rules refuse other values than before."""
        types = (*before.types.values(), *after.rules.types.values())
        values = await store.rules.values({type_.name for type_ in types if screening(type_)})
        refused = after.refused(values)
        await store.rules.screen(refused, {key for key, _, _ in values}.difference(refused))

    async def _append(
        self, store: IdentityStore, event: NewEvent, changes: Sequence[IdentityChange], now: Micros
    ) -> Appended:
        causing = Causing(event.id, now, traceparent=traceparent_bytes())
        causes = {one.cause: causing._replace(id=one.cause) for one in changes}
        events = [event, *following(store.tenant, changes, causes)]
        return (await self.transactions.log.append_in(store.connection, events))[0]

    def _rules_key(self, tenant: str) -> Key:
        return Keyring(self.tenants.get(tenant).secret).key("definition", "rules", tenant)

    def _rules_event_id(self, tenant: str, request_id: str, now: Micros) -> bytes:
        return _event_id(tenant, RULES_PUBLISHED, request_id, self._rules_key(tenant), now)


def _published_before(versions: Iterable[PublishedRules], event_id: bytes, document: str) -> PublishedRules | None:
    repeated = next((one for one in versions if one.event_id == event_id), None)
    if repeated is not None and repeated.document != document:
        raise InvalidArgument("request_id", TAKEN)
    return repeated


def _digest(keys: Iterable[Key]) -> int:
    """Tells whom a decision is about, whoever of two is named first."""
    return int.from_bytes(blake2b(b"".join(sorted(keys)), digest_size=4).digest())


def _event_id(tenant: str, type_: str, request_id: str, key: Key, now: Micros) -> bytes:
    cause = request_id or f"{key.hex()}\0{now}"
    return blake2b(f"{tenant}\0{type_}\0{bool(request_id)}\0{cause}".encode(), digest_size=16).digest()
