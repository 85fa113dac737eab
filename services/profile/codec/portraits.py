"""Portraits and timelines on the wire."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.eventlog.event import Recorded
from libs.rpc.times import tell_time, timestamp
from libs.runtime.clock import SECOND
from services.profile.codec.words import number
from services.profile.domain.activity import ActivityNow
from services.profile.domain.calendar import Calendar
from services.profile.domain.consent import ConsentStanding
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.spending import SpendingNow
from services.profile.domain.traits import Trait
from services.profile.domain.view import PortraitView

_LARGEST_EXACT: Final = 2**53


def show(
    wire: pb.Profile,
    view: PortraitView,
    calendar: Calendar,
    *,
    contains: Mapping[int, int],
    parked_at: tuple[int, int] | None,
    anchors: Iterable[bytes],
) -> None:
    """Fill an empty profile with a portrait; `contains` has a position of the log by partition.

    Parts are filled where they stand, field by field: making them first and copying them in takes three to four times
    as long, and handing their fields to `add` a fifth longer.
    """
    wire.interactions = view.interactions
    if view.first_seen_at is not None:
        tell_time(wire.first_seen_at, view.first_seen_at)
    if view.last_seen_at is not None:
        tell_time(wire.last_seen_at, view.last_seen_at)
    _tell_places(wire, contains, parked_at, anchors)
    for name, trait in view.traits.items():
        _tell_trait(wire.traits[name], trait)
    for identifier in view.identifiers:
        seen = wire.identifiers.add(type=identifier.type, value=identifier.value, verified=identifier.verified)
        tell_time(seen.last_seen_at, identifier.last_seen_at)
    for name, activity in view.activity.items():
        _tell_activity(wire.activity[name], activity)
    for currency, spending in view.spending.items():
        _tell_spending(wire.spending[currency], currency, spending)
    _tell_affinities(wire, view, calendar)
    for hour in view.active_hours:
        active = wire.active_hours.add()
        active.weekday, active.hour, active.count = hour.weekday, hour.hour, hour.count
    add = wire.recent.add
    for occurred_at, event_id, event, source in view.recent:
        entry = add()
        entry.event_id, entry.event, entry.source = event_id.hex(), event, source
        tell_time(entry.occurred_at, occurred_at)
    wire.consents.extend(_consent(one) for one in view.consents)


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


def _tell_places(
    wire: pb.Profile, contains: Mapping[int, int], parked_at: tuple[int, int] | None, anchors: Iterable[bytes]
) -> None:
    for partition, position in sorted(contains.items()):
        wire.contains.add(partition=partition, position=position)
    if parked_at is not None:
        wire.parked_at.partition, wire.parked_at.position = parked_at
    wire.anchors.extend([anchor.hex() for anchor in anchors])


def _tell_affinities(wire: pb.Profile, view: PortraitView, calendar: Calendar) -> None:
    add = wire.affinities.add
    for one in view.affinities:
        told = add()
        told.dimension, told.key, told.score, told.weight = one.dimension, one.key, one.score, one.weight
        told.last_at.seconds = calendar.start_of(one.last_day) // SECOND


def _tell_trait(wire: pb.Trait, trait: Trait) -> None:
    wire.value.CopyFrom(_value(trait.value))
    wire.source, wire.verified, wire.event_id = trait.source, trait.verified, trait.event_id.hex()
    tell_time(wire.occurred_at, trait.occurred_at)
    for other in trait.others:
        _tell_trait(wire.others.add(), other)


def _tell_activity(wire: pb.Activity, one: ActivityNow) -> None:
    wire.count, wire.last_7_days = one.count, one.last_7_days
    wire.last_30_days, wire.last_90_days = one.last_30_days, one.last_90_days
    tell_time(wire.first_at, one.first_at)
    tell_time(wire.last_at, one.last_at)


def _tell_spending(wire: pb.Spending, currency: str, one: SpendingNow) -> None:
    wire.orders, wire.orders_last_30_days = one.orders, one.orders_last_30_days
    wire.orders_last_365_days = one.orders_last_365_days
    for money, minor in (
        (wire.total, one.total),
        (wire.refunded, one.refunded),
        (wire.average, one.average),
        (wire.total_last_30_days, one.total_last_30_days),
        (wire.total_last_365_days, one.total_last_365_days),
    ):
        money.currency, money.minor = currency, minor
    if one.largest is not None:
        wire.largest.currency, wire.largest.minor = currency, one.largest
    if one.first_at is not None:
        tell_time(wire.first_at, one.first_at)
    if one.last_at is not None:
        tell_time(wire.last_at, one.last_at)


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


def _value(value: Any) -> Value:  # noqa: PLR0911  one for each kind of JSON value
    """A JSON value; whole numbers that a double can't hold go over as text."""
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
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
