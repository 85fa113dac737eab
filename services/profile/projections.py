"""The one projection of the profile service: portraits, folded lazily over the interactions log."""

from collections.abc import Mapping, Sequence
from typing import Final

from libs.eventlog.event import Recorded
from libs.eventlog.projection import Handled, LazyProjection
from services.profile.domain import portrait, snapshot
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait
from services.profile.schemas import Schemas

INTERACTION_RECORDED: Final = "interaction_recorded"


def portraits(schemas: Schemas, calendars: Mapping[str, Calendar]) -> LazyProjection[Portrait]:
    """The declaration; days are those of each tenant's zone, and properties mean what they meant at collection."""

    def record(state: Portrait, recorded: Recorded) -> Portrait:
        event = recorded.event
        payload = event.payload
        if payload:  # what was erased is empty
            said = read_interaction(payload)
            tenant = event.tenant
            reading = schemas.of(tenant).at(event.schema_revision).reading(event_name(said))
            portrait.record(state, Fact(event.id, event.occurred_at_micros, said), reading, calendars[tenant])
        return state

    async def know_schemas(events: Sequence[Recorded]) -> None:
        if events:
            await schemas.know(events[0].event.tenant, max([recorded.event.schema_revision for recorded in events]))

    return LazyProjection(
        name="portraits",
        version=1,
        snapshots="portraits",
        handles={INTERACTION_RECORDED: Handled(1, record)},
        initial=Portrait,
        combine=portrait.combine,
        encode=snapshot.encode,
        decode=snapshot.decode,
        overfull=portrait.overfull,
        trim=portrait.trim,
        prepare=know_schemas,
    )
