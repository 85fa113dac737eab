"""A portrait as somebody reads it at a moment: windows counted, decay applied, sources chosen between."""

from collections.abc import Collection, Mapping
from typing import Final, Literal, get_args

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain.activity import ActivityNow, activity_now
from services.profile.domain.affinity import Affinity, affinities_now
from services.profile.domain.calendar import Calendar
from services.profile.domain.consent import ConsentStanding, standing_consents
from services.profile.domain.portrait import Portrait
from services.profile.domain.recent import RecentEvent
from services.profile.domain.sightings import Normalise, SeenIdentifier, seen_identifiers
from services.profile.domain.spending import SpendingNow, spending_now
from services.profile.domain.traits import Trait, survivors

Section = Literal["traits", "identifiers", "activity", "spending", "affinities", "active_hours", "recent", "consents"]
SECTIONS: Final[frozenset[Section]] = frozenset(get_args(Section))


class ActiveHour(msgspec.Struct, frozen=True, gc=False):
    """Interactions ever in one hour of the week, 1 Monday … 7 Sunday."""

    weekday: int
    hour: int
    count: int


class PortraitView(msgspec.Struct, frozen=True, gc=False):
    """What a portrait shows; sections not asked for are empty. Amounts are minor units of the currency of their key.

    `recent` is newest first. The times are None where nothing ever happened. `ignored` says how often something could
    not be counted, by reason; `trimmed` names the sections that once held more than is kept.
    """

    interactions: int
    first_seen_at: Micros | None
    last_seen_at: Micros | None
    traits: Mapping[str, Trait] = {}
    identifiers: tuple[SeenIdentifier, ...] = ()
    activity: Mapping[str, ActivityNow] = {}
    spending: Mapping[str, SpendingNow] = {}
    affinities: tuple[Affinity, ...] = ()
    active_hours: tuple[ActiveHour, ...] = ()
    recent: tuple[RecentEvent, ...] = ()
    consents: tuple[ConsentStanding, ...] = ()
    ignored: Mapping[str, int] = {}
    trimmed: tuple[str, ...] = ()


def as_sent(type_: str, value: str) -> str:
    """An identifier's value, not normalised."""
    return value


def view(
    portrait: Portrait,
    now: Micros,
    calendar: Calendar,
    source_ranks: Mapping[str, int],
    normalise: Normalise = as_sent,
    sections: Collection[Section] = SECTIONS,
) -> PortraitView:
    """Read a portrait at a moment. Windows end with the calendar day of `now`; later days are not counted in them."""
    today = calendar.day(now)
    ever = portrait.interactions > 0
    return PortraitView(
        interactions=portrait.interactions,
        first_seen_at=portrait.first_seen if ever else None,
        last_seen_at=portrait.last_seen if ever else None,
        traits=survivors(portrait.traits, source_ranks) if "traits" in sections else {},
        identifiers=seen_identifiers(portrait.seen, portrait.proven, normalise) if "identifiers" in sections else (),
        activity=activity_now(portrait.activity, today) if "activity" in sections else {},
        spending=spending_now(portrait.spending, today) if "spending" in sections else {},
        affinities=affinities_now(portrait.affinities, today) if "affinities" in sections else (),
        active_hours=_active_hours(portrait.hours) if "active_hours" in sections else (),
        recent=tuple(reversed(portrait.recent)) if "recent" in sections else (),
        consents=standing_consents(portrait.consents) if "consents" in sections else (),
        ignored=dict(sorted(portrait.ignored.items())),
        trimmed=tuple(sorted(portrait.trimmed)),
    )


def _active_hours(hours: Mapping[int, int]) -> tuple[ActiveHour, ...]:
    return tuple(ActiveHour(hour // 24 + 1, hour % 24, count) for hour, count in sorted(hours.items()))
