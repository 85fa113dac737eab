"""What must follow from the interactions log: folded here by the pure functions alone, from the first event on."""

from functools import cache
from typing import Any, Final, cast

from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.eventlog.event import Recorded, partition_of
from libs.eventlog.projection import LazyProjection, refold
from libs.eventlog.versions import Version
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.keys import Keyring
from libs.people.normalise import region_of
from libs.runtime.clock import SystemClock
from libs.runtime.tenants import SHIPPED, Tenants
from services.profile.codec.portraits import show
from services.profile.domain.calendar import Calendar
from services.profile.domain.portrait import Portrait
from services.profile.domain.schema_history import SchemaHistory
from services.profile.domain.view import view
from services.profile.projections import PORTRAITS, portraits
from services.profile.queries.names import People
from services.profile.schemas import Schemas
from tests.chaos.load import TENANT

PARTITIONS: Final = 8


class _AsShipped:
    """Nobody publishes schemas here."""

    def of(self, _: str) -> SchemaHistory:
        return SchemaHistory()


@cache
def _tenant() -> tuple[Any, Calendar, People]:
    tenant = Tenants.load(SHIPPED).get(TENANT)
    anchoring = Anchoring(DEFAULT_RULES, Keyring(tenant.secret), region_of(tenant.locale))
    return tenant, Calendar(tenant.zone, tenant.currency), People(lambda _: anchoring)


@cache
def _projection() -> LazyProjection[Portrait]:
    declared = portraits(Tenants.load(SHIPPED), cast("Schemas", _AsShipped()))
    return declared.of(Version(PORTRAITS, 1, PORTRAITS, dict(declared.first()), "active", 0))


def key_of(person: str) -> bytes:
    """The key that a person's interactions are filed under."""
    return _tenant()[2].key(TENANT, Claimed("user_id", person), "person")


def profile_of(key: bytes, events: list[Recorded]) -> pb.Profile:
    """What `GetProfile` must answer of a key with this log."""
    tenant, calendar, people = _tenant()
    folded = refold(_projection(), events)
    wire = pb.Profile(person_id=key.hex())
    if folded.state.interactions:
        seen = view(
            folded.state,
            SystemClock().now(),
            calendar,
            tenant.source_ranks,
            lambda type_, value: people.normal(TENANT, type_, value),
        )
        contains = {partition_of(key, PARTITIONS): folded.position}
        show(wire, seen, calendar, contains=contains, parked_at=None, anchors=[key])
    return wire


def outputs_of(events: list[Recorded]) -> list[tuple[bytes, bytes]]:
    """What the reference consumer must have recorded of a key with this log: cause and payload, in this order."""
    return [(recorded.event.id, str(count).encode()) for count, recorded in enumerate(events, 1)]
