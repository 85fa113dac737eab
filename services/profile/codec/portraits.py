"""Portraits and timelines on the wire."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from google.protobuf.struct_pb2 import ListValue, Struct, Value
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.eventlog.event import Recorded
from services.profile.codec.times import timestamp
from services.profile.codec.words import number
from services.profile.domain.calendar import Calendar
from services.profile.domain.consent import ConsentStanding
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.spending import SpendingNow
from services.profile.domain.traits import Trait
from services.profile.domain.view import PortraitView

_LARGEST_EXACT: Final = 2**53


def profile(
    person_id: str,
    view: PortraitView,
    calendar: Calendar,
    *,
    contains: log_pb.Position,
    parked_at: log_pb.Position | None,
) -> pb.Profile:
    """A portrait as shown."""
    days = {one.last_day for one in view.affinities}
    starts = {day: timestamp(calendar.start_of(day)) for day in days}
    wire = pb.Profile(
        person_id=person_id,
        traits={name: _trait(trait) for name, trait in view.traits.items()},
        identifiers=[
            pb.SeenIdentifier(
                type=one.type, value=one.value, verified=one.verified, last_seen_at=timestamp(one.last_seen_at)
            )
            for one in view.identifiers
        ],
        activity={
            name: pb.Activity(
                count=one.count,
                first_at=timestamp(one.first_at),
                last_at=timestamp(one.last_at),
                last_7_days=one.last_7_days,
                last_30_days=one.last_30_days,
                last_90_days=one.last_90_days,
            )
            for name, one in view.activity.items()
        },
        spending={currency: _spending(currency, one) for currency, one in view.spending.items()},
        affinities=[
            pb.Affinity(
                dimension=one.dimension, key=one.key, score=one.score, weight=one.weight, last_at=starts[one.last_day]
            )
            for one in view.affinities
        ],
        active_hours=[pb.ActiveHour(weekday=one.weekday, hour=one.hour, count=one.count) for one in view.active_hours],
        recent=[
            pb.TimelineEntry(event_id=event_id.hex(), event=event, occurred_at=timestamp(occurred_at), source=source)
            for occurred_at, event_id, event, source in view.recent
        ],
        consents=[_consent(one) for one in view.consents],
        interactions=view.interactions,
        first_seen_at=timestamp(view.first_seen_at),
        last_seen_at=timestamp(view.last_seen_at),
        contains=[contains],
        parked_at=parked_at,
    )
    return wire


def entry(recorded: Recorded, partition: int) -> pb.TimelineEntry:
    """An interaction as a timeline shows it."""
    event = recorded.event
    said = read_interaction(event.payload)
    return pb.TimelineEntry(
        event_id=event.id.hex(),
        message_id=said.message_id or str(UUID(bytes=event.id)),  # the one that it was given, which names it too
        event=event_name(said),
        occurred_at=timestamp(event.occurred_at_micros),
        recorded_at=timestamp(recorded.recorded_at),
        source=said.source,
        properties=_struct((said.properties or {}).items()),
        position=log_pb.Position(partition=partition, position=recorded.position),
    )


def _trait(trait: Trait) -> pb.Trait:
    return pb.Trait(
        value=_value(trait.value),
        source=trait.source,
        verified=trait.verified,
        occurred_at=timestamp(trait.occurred_at),
        event_id=trait.event_id.hex(),
        others=[_trait(one) for one in trait.others],
    )


def _spending(currency: str, one: SpendingNow) -> pb.Spending:
    def money(minor: int | None) -> pb.Money | None:
        return None if minor is None else pb.Money(currency=currency, minor=minor)

    return pb.Spending(
        orders=one.orders,
        total=money(one.total),
        refunded=money(one.refunded),
        average=money(one.average),
        largest=money(one.largest),
        first_at=timestamp(one.first_at),
        last_at=timestamp(one.last_at),
        orders_last_30_days=one.orders_last_30_days,
        total_last_30_days=money(one.total_last_30_days),
        orders_last_365_days=one.orders_last_365_days,
        total_last_365_days=money(one.total_last_365_days),
    )


def _consent(one: ConsentStanding) -> pb.ConsentStanding:
    return pb.ConsentStanding(
        purpose=one.purpose,
        channel=one.channel,
        address=one.address,
        state=number(interaction_pb.ConsentState, "CONSENT_STATE_", one.state),
        basis=one.basis,
        occurred_at=timestamp(one.occurred_at),
        expires_at=timestamp(one.expires_at),
        event_id=one.event_id.hex(),
    )


def _value(value: Any) -> Value:
    """A JSON value; whole numbers that a double can't hold go over as text."""
    match value:
        case None:
            return Value(null_value=0)
        case bool():
            return Value(bool_value=value)
        case int() if abs(value) > _LARGEST_EXACT:
            return Value(string_value=str(value))
        case int() | float():
            return Value(number_value=value)
        case str():
            return Value(string_value=value)
        case dict():
            return Value(struct_value=_struct(value.items()))
        case list():
            return Value(list_value=ListValue(values=[_value(one) for one in value]))
        case _:
            return Value(string_value=str(value))


def _struct(items: Iterable[tuple[str, Any]]) -> Struct:
    return Struct(fields={name: _value(value) for name, value in items})
