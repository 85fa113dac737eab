"""Activity: how often and when each event happened."""

from collections.abc import Mapping
from typing import Final

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain import day_counts
from services.profile.domain.day_counts import DayCounts

NO_FIRST: Final[Micros] = 2**63 - 1
"""First time of what never happened: later than any other, so that the smaller stands."""
NO_LAST: Final[Micros] = -(2**63)
"""Last time of what never happened."""


class Activity(msgspec.Struct, array_like=True, gc=False):
    """Of one event name. How often it happened is the total of its days."""

    first: Micros
    last: Micros
    days: DayCounts


class ActivityNow(msgspec.Struct, frozen=True, gc=False):
    """How often an event happened: ever, and within the last calendar days, today included."""

    count: int
    first_at: Micros
    last_at: Micros
    last_7_days: int
    last_30_days: int
    last_90_days: int


def happened(activity: dict[str, Activity], name: str, at: Micros, day: int) -> None:
    """Record that an event happened."""
    known = activity.get(name)
    if known is None:
        activity[name] = Activity(at, at, {day: 1})
        return
    if at > known.last:
        known.last = at
    elif at < known.first:
        known.first = at
    day_counts.add(known.days, day, 1)


def union(a: Mapping[str, Activity], b: Mapping[str, Activity]) -> dict[str, Activity]:
    """Both together, as a new section."""
    nothing = Activity(NO_FIRST, NO_LAST, {})
    return {name: _sum(a.get(name, nothing), b.get(name, nothing)) for name in a.keys() | b.keys()}


def activity_now(activity: Mapping[str, Activity], today: int) -> dict[str, ActivityNow]:
    """Activity by event name, in the order of names."""
    return {name: _now(known, today) for name, known in sorted(activity.items())}


def _now(known: Activity, today: int) -> ActivityNow:
    week = month = quarter = 0
    for day, times in known.days.items():
        age = today - day
        if 0 <= age < 90:  # noqa: PLR2004  the windows that are shown, in one pass
            quarter += times
            if age < 30:  # noqa: PLR2004
                month += times
                if age < 7:  # noqa: PLR2004
                    week += times
    return ActivityNow(day_counts.total(known.days), known.first, known.last, week, month, quarter)


def _sum(a: Activity, b: Activity) -> Activity:
    return Activity(min(a.first, b.first), max(a.last, b.last), day_counts.union(a.days, b.days))
