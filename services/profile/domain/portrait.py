"""The portrait of one anchor: a fold over its interactions in which their order can't be seen.

`record` and `combine` form a commutative monoid whose identity is `Portrait()`: any order, any partition into states
that are combined later, and any storing in between give the same portrait. So the portrait of a person is the combine
of their anchors', and undoing a merge is not combining them. It holds whole numbers, text and bytes only, because sums
of floats would hang on the order.

Counters can't be evicted while folding without breaking that, so `record` evicts none. `trim` bounds a portrait before
it is stored and is called by compaction alone. It cuts a section once that holds twice what is kept, to the largest
totals (of equals the first by name), and notes when in `trimmed`. What it cuts is forgotten until the anchor is folded
anew from the log, so portraits are compared after that.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain import activity, affinity, recent, registers, spending
from services.profile.domain.activity import NO_FIRST, NO_LAST, Activity
from services.profile.domain.affinity import Affinities
from services.profile.domain.calendar import Calendar
from services.profile.domain.consent import ConsentKey, ConsentRegister, dispensability, permit
from services.profile.domain.day_counts import total
from services.profile.domain.event_names import OWN_DOING
from services.profile.domain.interaction import Interaction
from services.profile.domain.money import MoneyUnreadable
from services.profile.domain.recent import RecentEvent
from services.profile.domain.schema import EventReading
from services.profile.domain.sightings import SIGHTINGS_KEPT, Sightings, see
from services.profile.domain.spending import Spending
from services.profile.domain.traits import TRAITS_KEPT, TraitKey, TraitSaid, say

EVENTS_KEPT: Final = 500
AFFINITIES_KEPT: Final = 500
CURRENCIES_KEPT: Final = 50
CONSENTS_KEPT: Final = 1000
_SLACK: Final = 2  # so that an anchor at a limit is not cut again by each compaction

_NOTHING: Final[Mapping[str, Any]] = {}

Name = TypeVar("Name")
Section = TypeVar("Section")


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An interaction as the fold sees it: `event_id` of 16 bytes, `occurred_at` clamped to its arrival."""

    event_id: bytes
    occurred_at: Micros
    interaction: Interaction


class Portrait(msgspec.Struct, array_like=True, gc=False):
    """Everything known through one anchor. New fields go to the end, with a default, or old snapshots can't be read."""

    interactions: int = 0
    first_seen: Micros = NO_FIRST
    last_seen: Micros = NO_LAST
    traits: dict[TraitKey, TraitSaid] = {}
    seen: Sightings = {}
    proven: Sightings = {}
    activity: dict[str, Activity] = {}
    spending: dict[str, Spending] = {}
    affinities: Affinities = {}
    hours: dict[int, int] = {}  # hour of the week → interactions
    recent: list[RecentEvent] = []
    consents: dict[ConsentKey, ConsentRegister] = {}
    ignored: dict[str, int] = {}  # why something could not be counted → how often
    trimmed: dict[str, int] = {}  # section → interactions folded when it was last cut


def record(portrait: Portrait, fact: Fact, reading: EventReading, calendar: Calendar) -> None:
    """Fold one interaction into the portrait, which changes; `reading` is that of the interaction's event name."""
    said, at, event_id, name = fact.interaction, fact.occurred_at, fact.event_id, reading.name
    day, hour = calendar.place(at)
    portrait.interactions += 1
    portrait.first_seen = min(portrait.first_seen, at)
    portrait.last_seen = max(portrait.last_seen, at)
    activity.happened(portrait.activity, name, at, day)
    recent.note(portrait.recent, (at, event_id, name, said.source))
    see(portrait.seen, portrait.proven, said, at)
    source = ""
    if name not in OWN_DOING:
        portrait.hours[hour] = portrait.hours.get(hour, 0) + 1
        if reading.weight > 0:  # what somebody put back says nothing against the channel in which they did
            source = said.source
    properties = said.properties or _NOTHING
    if properties or source:
        affinity.draw(portrait.affinities, reading, properties, source, day)
    if reading.money_flow:
        try:
            spending.spend(portrait.spending, reading, properties, calendar.currency, at, day, event_id)
        except MoneyUnreadable as unreadable:
            _ignore(portrait, unreadable.fault, 1)
    if said.traits:
        _ignore(portrait, "TRAIT_TOO_LONG", say(portrait.traits, said.traits, said.source, at, event_id))
    if said.consents:
        permit(portrait.consents, said, at, event_id, calendar)


def combine(a: Portrait, b: Portrait) -> Portrait:
    """The portrait of everything that either was folded from; neither changes."""
    return Portrait(
        a.interactions + b.interactions,
        min(a.first_seen, b.first_seen),
        max(a.last_seen, b.last_seen),
        registers.union(a.traits, b.traits, TRAITS_KEPT),
        registers.union(a.seen, b.seen, SIGHTINGS_KEPT),
        registers.union(a.proven, b.proven, SIGHTINGS_KEPT),
        activity.union(a.activity, b.activity),
        spending.union(a.spending, b.spending),
        affinity.union(a.affinities, b.affinities),
        _sum(a.hours, b.hours),
        recent.union(a.recent, b.recent),
        registers.union(a.consents, b.consents, registers.EVERYTHING),
        _sum(a.ignored, b.ignored),
        registers.union(a.trimmed, b.trimmed, registers.EVERYTHING),
    )


def overfull(portrait: Portrait) -> bool:
    """Whether `trim` would cut; then fold the anchor anew from the log first, so that the largest totals are true."""
    return (
        len(portrait.activity) > EVENTS_KEPT * _SLACK
        or any(len(known) > AFFINITIES_KEPT * _SLACK for known in portrait.affinities.values())
        or len(portrait.spending) > CURRENCIES_KEPT * _SLACK
        or len(portrait.consents) > CONSENTS_KEPT * _SLACK
    )


def trim(portrait: Portrait) -> None:
    """Cut the sections that are overfull; the portrait changes."""
    if not overfull(portrait):
        return
    _cut(portrait, "activity", portrait.activity, EVENTS_KEPT, lambda name, known: (-total(known.days), name))
    for dimension, known in portrait.affinities.items():
        _cut(portrait, f"affinities.{dimension}", known, AFFINITIES_KEPT, lambda key, days: (-total(days), key))
    _cut(portrait, "spending", portrait.spending, CURRENCIES_KEPT, lambda code, known: (-total(known.orders), code))
    _cut(portrait, "consents", portrait.consents, CONSENTS_KEPT, dispensability)


def _cut(
    portrait: Portrait, name: str, section: dict[Name, Section], keep: int, order: Callable[[Name, Section], Any]
) -> None:
    if len(section) > keep * _SLACK:
        for last in sorted(section, key=lambda key: order(key, section[key]))[keep:]:
            del section[last]
        portrait.trimmed[name] = portrait.interactions


def _ignore(portrait: Portrait, reason: str, times: int) -> None:
    if times:
        portrait.ignored[reason] = portrait.ignored.get(reason, 0) + times


def _sum(a: Mapping[Name, int], b: Mapping[Name, int]) -> dict[Name, int]:
    return {key: a.get(key, 0) + b.get(key, 0) for key in a.keys() | b.keys()}
