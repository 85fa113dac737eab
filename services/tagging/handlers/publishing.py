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
from services.tagging.codec.publications import PUBLISHED, RETIRED, published_payload, retired_payload
from services.tagging.domain.definition import Definition
from services.tagging.domain.kinds import definitions_in, read_definitions
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.lifecycle import LifecycleDefinition
from services.tagging.domain.names import Kind, document_name, key_of, kind_of
from services.tagging.domain.published import Published
from services.tagging.domain.registry import check_retirable, checked, differences, known_names
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.domain.stage_trial import run_stage_examples
from services.tagging.domain.trial import run_examples, run_levels
from services.tagging.handlers.event_ids import digest_of, event_id
from services.tagging.store.definitions import DefinitionRows


@dataclass(frozen=True, slots=True)
class Publication:
    """A version as it stands, or would, and what its document defines, first what it is named for.

    `changes` are none where the one before says the same.
    """

    published: Published
    definitions: Sequence[Definition]
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
        kind: Kind,
        document: str,
        by: str,
        *,
        events: Mapping[str, Properties],
        traits: Properties,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> Publication:
        """Let a document of a kind be the next version of what it defines.

        `events` and `traits` are those that the tenant has names for.

        Raises `InvalidArgument` with the path in the document, also where one of its tests fails, and for a
        `request_id` of another request; `EtagMismatch`, `Unavailable`.
        """

        async def work(connection: Connection) -> Publication:
            rows = DefinitionRows(connection, tenant)
            await rows.hold()
            return await self._publish(rows, kind, document, by, events, traits, etag, request_id)

        if validate_only:
            return await self.transactions.tried(work)
        publication = await self.transactions.run(work)
        self.changed.set()
        return publication

    async def retire(
        self, tenant: str, name: str, by: str, reason: str, *, etag: str, request_id: str, validate_only: bool
    ) -> Published:
        """Let nobody have anything by a definition any more.

        Raises `NotFound` for one that is not in force, `FailedPrecondition` for one that others read, `EtagMismatch`,
        `Unavailable`.
        """

        async def work(connection: Connection) -> Published:
            rows = DefinitionRows(connection, tenant)
            await rows.hold()
            return await self._retire(rows, name, by, reason, etag, request_id)

        if validate_only:
            return await self.transactions.tried(work)
        retired = await self.transactions.run(work)
        self.changed.set()
        return retired

    async def _publish(
        self,
        rows: DefinitionRows,
        kind: Kind,
        document: str,
        by: str,
        events: Mapping[str, Properties],
        traits: Properties,
        etag: str,
        request_id: str,
    ) -> Publication:
        tenant, now, type_ = rows.tenant, self.clock.now(), PUBLISHED[kind]
        name = read_definitions(document, 1, kind)[0].name
        id_, digest = event_id(tenant, type_, request_id), digest_of(document)
        await recorded(rows.connection, tenant, id_, digest)
        versions = await rows.versions(name)
        newest = versions[-1] if versions else None
        repeated = next((one for one in versions if one.event_id == id_), None)
        if repeated is not None:
            return Publication(repeated, definitions_in(repeated))
        _check_etag(etag, newest)
        definitions = read_definitions(document, newest.version + 1 if newest else 1, kind)
        findings = self._checked(tenant, definitions, await in_force(rows), events, traits)
        standing = newest if newest is not None and newest.state in {"live", "filling"} else None
        former = definitions_in(standing) if standing else ()
        changes = list(differences(former, definitions))
        if standing is not None and not changes:
            return Publication(standing, former, findings)
        published = Published(name, definitions[0].version, "filling", document, now, by, id_)
        await rows.publish(published)
        await self._append(rows, type_, name, published_payload(published), id_, digest)
        return Publication(published, definitions, findings, changes)

    def _checked(
        self,
        tenant: str,
        definitions: Sequence[Definition],
        among: Mapping[str, Definition],
        events: Mapping[str, Properties],
        traits: Properties,
    ) -> list[Finding]:
        name = definitions[0].name
        others = {other: one for other, one in among.items() if document_name(other) != name}
        others |= {one.name: one for one in definitions}
        names = known_names(others, events, traits)
        findings: list[Finding] = []
        for one in definitions:
            findings += checked(one, others, names)
            if isinstance(one, Laddered):
                run_examples(one, self.tenants.get(tenant).zone)
            elif isinstance(one, LifecycleDefinition):
                findings += one.doubtful()
                run_stage_examples(one, self.tenants.get(tenant).zone)
            elif isinstance(one, ScoreDefinition) and isinstance(definitions[0], Laddered):
                run_levels(one, definitions[0].examples, self.tenants.get(tenant).zone)
        return findings

    async def _retire(
        self, rows: DefinitionRows, name: str, by: str, reason: str, etag: str, request_id: str
    ) -> Published:
        type_ = RETIRED[kind_of(name)]
        id_, digest = event_id(rows.tenant, type_, request_id), digest_of(key_of(name))
        repeated = await recorded(rows.connection, rows.tenant, id_, digest)
        versions = await rows.versions(name)
        newest = versions[-1] if versions else None
        if repeated is not None:
            return next(one for one in reversed(versions) if one.retired_by == id_)
        if newest is None or newest.state not in {"live", "filling"}:
            raise NotFound(kind_of(name), key_of(name))
        _check_etag(etag, newest)
        check_retirable(name, await in_force(rows))
        await rows.retire(name, id_)
        await self._append(rows, type_, name, retired_payload(newest, by, reason), id_, digest)
        return (await rows.versions(name))[-1]

    async def _append(
        self, rows: DefinitionRows, type_: str, name: str, payload: bytes, id_: bytes, digest: int
    ) -> None:
        key = Keyring(self.tenants.get(rows.tenant).secret).key("definition", kind_of(name), key_of(name))
        envelope = Envelope(rows.tenant, type_, traceparent=traceparent_bytes())
        event = envelope.seal().event(id_, key, self.clock.now(), payload, digest=digest)
        await self.transactions.log.append_in(rows.connection, [event])


async def in_force(rows: DefinitionRows) -> dict[str, Definition]:
    """The definitions by name that people are answered by, or will be after the next flip."""
    published = await rows.in_states("live", "filling")
    newest = {one.name: one for one in sorted(published, key=lambda one: one.version)}
    return {each.name: each for one in newest.values() for each in definitions_in(one)}


def _check_etag(etag: str, newest: Published | None) -> None:
    actual = newest.etag if newest else ""
    if etag and etag != actual:
        raise EtagMismatch(etag, actual)
