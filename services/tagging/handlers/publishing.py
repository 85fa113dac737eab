"""Publishing and retiring definitions; both wait for a flip, which lets people be answered accordingly."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.conditions.check import Finding
from libs.conditions.vocabulary import Properties
from libs.eventlog.database import Connection
from libs.eventlog.event import Envelope
from libs.eventlog.requests import recorded
from libs.eventlog.transactions import Transactions
from libs.people.keys import Keyring
from libs.runtime.clock import Clock
from libs.runtime.errors import EtagMismatch, NotFound
from libs.runtime.tenants import Tenants
from libs.telemetry.traces import traceparent_bytes
from services.tagging.codec.definitions import TAG_PUBLISHED, TAG_RETIRED, published_payload, retired_payload
from services.tagging.domain.definition import TagDefinition, read_definition
from services.tagging.domain.published import PublishedTag
from services.tagging.domain.registry import KnownNames, check_retirable, checked, differences, tag_types
from services.tagging.domain.trial import run_examples
from services.tagging.handlers.event_ids import digest_of, event_id
from services.tagging.store.definitions import DefinitionRows


@dataclass(frozen=True, slots=True)
class Publication:
    """A version as it stands, or would; `changes` are none where the one before says the same."""

    tag: PublishedTag
    definition: TagDefinition
    among: Mapping[str, TagDefinition]
    findings: Sequence[Finding] = ()
    changes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Publishing:
    """Changes the catalogue of one tenant at a time. `changed` wakes whoever fills and flips."""

    transactions: Transactions
    tenants: Tenants
    clock: Clock
    changed: asyncio.Event

    async def publish(
        self,
        tenant: str,
        document: str,
        by: str,
        *,
        events: Mapping[str, Properties],
        traits: Properties,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> Publication:
        """Let a document be the next version of its tag. `events` and `traits` are those that the tenant has names for.

        Raises `InvalidArgument` with the path in the document, also where one of its tests fails, and for a
        `request_id` of another request; `EtagMismatch`, `Unavailable`.
        """

        async def work(connection: Connection) -> Publication:
            rows = DefinitionRows(connection, tenant)
            await rows.hold()
            return await self._publish(rows, document, by, events, traits, etag, request_id)

        if validate_only:
            return await self.transactions.tried(work)
        publication = await self.transactions.run(work)
        self.changed.set()
        return publication

    async def retire(
        self, tenant: str, key: str, by: str, reason: str, *, etag: str, request_id: str, validate_only: bool
    ) -> PublishedTag:
        """Let nobody have a tag any more.

        Raises `NotFound` for one that is not in force, `FailedPrecondition` for one that others read, `EtagMismatch`,
        `Unavailable`.
        """

        async def work(connection: Connection) -> PublishedTag:
            rows = DefinitionRows(connection, tenant)
            await rows.hold()
            return await self._retire(rows, key, by, reason, etag, request_id)

        if validate_only:
            return await self.transactions.tried(work)
        retired = await self.transactions.run(work)
        self.changed.set()
        return retired

    async def _publish(
        self,
        rows: DefinitionRows,
        document: str,
        by: str,
        events: Mapping[str, Properties],
        traits: Properties,
        etag: str,
        request_id: str,
    ) -> Publication:
        tenant, now = rows.tenant, self.clock.now()
        draft = read_definition(document, 1)
        id_, digest = event_id(tenant, TAG_PUBLISHED, request_id), digest_of(document)
        await recorded(rows.connection, tenant, id_, digest)
        versions = await rows.versions(draft.key)
        newest = versions[-1] if versions else None
        among = await in_force(rows)
        repeated = next((one for one in versions if one.event_id == id_), None)
        if repeated is not None:
            return Publication(repeated, read_definition(repeated.document, repeated.version), among)
        _check_etag(etag, newest)
        definition = read_definition(document, newest.version + 1 if newest else 1)
        others = {key: one for key, one in among.items() if key != definition.key}
        names = KnownNames(events, traits, tag_types({**others, definition.key: definition}))
        findings = checked(definition, others, names)
        run_examples(definition, self.tenants.get(tenant).zone)
        standing = newest if newest is not None and newest.state in {"live", "filling"} else None
        former = read_definition(standing.document, standing.version) if standing else None
        changes = list(differences(former, definition))
        if standing is not None and former is not None and not changes:
            return Publication(standing, former, among, findings)
        tag = PublishedTag(definition.key, definition.version, "filling", document, now, by, id_)
        await rows.publish(tag)
        await self._append(rows, TAG_PUBLISHED, tag.tag, published_payload(tag), id_, digest)
        return Publication(tag, definition, among, findings, changes)

    async def _retire(
        self, rows: DefinitionRows, key: str, by: str, reason: str, etag: str, request_id: str
    ) -> PublishedTag:
        id_, digest = event_id(rows.tenant, TAG_RETIRED, request_id), digest_of(key)
        repeated = await recorded(rows.connection, rows.tenant, id_, digest)
        versions = await rows.versions(key)
        newest = versions[-1] if versions else None
        if newest is not None and repeated:
            return newest
        if newest is None or newest.state not in {"live", "filling"}:
            raise NotFound("tag", key)
        _check_etag(etag, newest)
        check_retirable(key, await in_force(rows))
        await rows.retire(key, id_)
        await self._append(rows, TAG_RETIRED, key, retired_payload(newest, by, reason), id_, digest)
        return (await rows.versions(key))[-1]

    async def _append(
        self, rows: DefinitionRows, type_: str, tag: str, payload: bytes, id_: bytes, digest: int
    ) -> None:
        key = Keyring(self.tenants.get(rows.tenant).secret).key("definition", "tag", tag)
        envelope = Envelope(rows.tenant, type_, traceparent=traceparent_bytes())
        event = envelope.seal().event(id_, key, self.clock.now(), payload, digest=digest)
        await self.transactions.log.append_in(rows.connection, [event])


async def in_force(rows: DefinitionRows) -> dict[str, TagDefinition]:
    """The definitions by key that people are answered by, or will be after the next flip."""
    tags = await rows.in_states("live", "filling")
    newest = {one.tag: one for one in sorted(tags, key=lambda one: one.version)}
    return {key: read_definition(one.document, one.version) for key, one in newest.items()}


def _check_etag(etag: str, newest: PublishedTag | None) -> None:
    actual = newest.etag if newest else ""
    if etag and etag != actual:
        raise EtagMismatch(etag, actual)
