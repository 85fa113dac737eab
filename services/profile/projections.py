"""The one projection of the profile service: portraits, folded lazily over the interactions log, in versions."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec

from libs.eventlog.event import Recorded
from libs.eventlog.projection import Handled, LazyProjection
from libs.eventlog.versions import Meaning, UnknownFold, Version, VersionedProjection
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.tenants import Tenants
from services.profile.domain import portrait, snapshot
from services.profile.domain.calendar import Calendar
from services.profile.domain.description import describe
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait
from services.profile.domain.schema_set import SchemaSet
from services.profile.schemas import Schemas

PORTRAITS: Final = "portraits"
FOLD: Final = 1
"""The newest way of folding that this release has; a change of `record` that gives other portraits is the next one."""


class PortraitMeaning(msgspec.Struct, frozen=True):
    """What portraits depend on besides interactions.

    `fold` names the code; zones cut days, and currencies are meant where none is named, by tenant. An interaction is
    read by the schemas that it was stamped with, but not by a revision before that in `schemas`.
    """

    fold: int
    zones: dict[str, str]
    currencies: dict[str, str]
    schemas: dict[str, int]


def portraits(tenants: Tenants, schemas: Schemas) -> VersionedProjection[Portrait]:
    """The declaration. A new version means what the tenants document and the schemas say on that day."""

    def first() -> Meaning:
        return msgspec.to_builtins(_of_tenants(tenants, FOLD))  # type: ignore[no-any-return]  # a struct's is a dict

    async def today(before: Meaning) -> Meaning:
        for tenant in tenants:
            await schemas.refresh(tenant.id)
        now, known = _of_tenants(tenants, FOLD), msgspec.convert(before, PortraitMeaning)
        revisions = {tenant.id: schemas.of(tenant.id).current.revision for tenant in tenants}
        meaning = PortraitMeaning(
            now.fold,
            {**known.zones, **now.zones},  # of tenants that are no longer declared, the log still tells
            {**known.currencies, **now.currencies},
            {**known.schemas, **{tenant: revision for tenant, revision in revisions.items() if revision}},
        )
        return msgspec.to_builtins(meaning)  # type: ignore[no-any-return]

    def of(version: Version) -> LazyProjection[Portrait]:
        meaning = msgspec.convert(version.meaning, PortraitMeaning)
        if meaning.fold not in _FOLDS:
            raise UnknownFold(version.name, meaning.fold)
        return _FOLDS[meaning.fold](version, meaning, schemas)

    return VersionedProjection(PORTRAITS, PORTRAITS, of, first, today)


def calendar_of(version: Version, tenant: str) -> Calendar:
    """The calendar that a version's days are counted by, which is the one to read them by."""
    meaning = version.meaning
    return _calendar(meaning["zones"][tenant], meaning["currencies"][tenant])


def _first_fold(version: Version, meaning: PortraitMeaning, schemas: Schemas) -> LazyProjection[Portrait]:
    calendars = {tenant: _calendar(zone, meaning.currencies[tenant]) for tenant, zone in meaning.zones.items()}
    floors: Mapping[str, int] = meaning.schemas

    @cache  # a revision that is known never changes, and one that is not raises
    def meaning_of(tenant: str, revision: int) -> tuple[SchemaSet, Calendar]:
        return schemas.of(tenant).at(max(revision, floors.get(tenant, 0))), calendars[tenant]

    def record(state: Portrait, recorded: Recorded) -> Portrait:
        event = recorded.event
        payload = event.payload
        if payload:  # what was erased is empty
            said = read_interaction(payload)
            meant, calendar = meaning_of(event.tenant, event.schema_revision)
            fact = Fact(event.id, event.occurred_at_micros, said)
            portrait.record(state, fact, meant.reading(event_name(said)), calendar)
        return state

    async def know_schemas(events: Sequence[Recorded]) -> None:
        if events:
            tenant = events[0].event.tenant
            newest = max([recorded.event.schema_revision for recorded in events])
            await schemas.know(tenant, max(newest, floors.get(tenant, 0)))

    return LazyProjection(
        name=version.name,
        version=version.number,
        snapshots=version.snapshots,
        handles={INTERACTION_RECORDED: Handled(1, record)},
        initial=Portrait,
        combine=portrait.combine,
        encode=snapshot.encode,
        decode=snapshot.decode,
        overfull=portrait.overfull,
        trim=portrait.trim,
        trimmed=lambda state: bool(state.trimmed),
        prepare=know_schemas,
        fingerprint=snapshot.fingerprint,
        describe=describe,
    )


_FOLDS: Final[Mapping[int, Callable[[Version, PortraitMeaning, Schemas], LazyProjection[Portrait]]]] = {1: _first_fold}
"""Ways of folding by number. One may go when no version of it is left anywhere."""

_calendar: Final = cache(Calendar)


def _of_tenants(tenants: Tenants, fold: int) -> PortraitMeaning:
    return PortraitMeaning(
        fold,
        {tenant.id: tenant.zone for tenant in tenants},
        {tenant.id: tenant.currency for tenant in tenants},
        {},
    )
