"""The newest interactions of a person, few enough to travel with the portrait."""

from bisect import insort
from typing import Final

from libs.runtime.clock import Micros

RecentEvent = tuple[Micros, bytes, str, str]
"""When, event id, event name, source."""

RECENT_KEPT: Final = 50


def note(recent: list[RecentEvent], event: RecentEvent) -> None:
    """Keep an event if it is one of the newest; the list stays sorted, newest last."""
    if not recent or event > recent[-1]:
        recent.append(event)
    elif len(recent) < RECENT_KEPT or event > recent[0]:
        insort(recent, event)
    if len(recent) > RECENT_KEPT:
        del recent[0]


def union(a: list[RecentEvent], b: list[RecentEvent]) -> list[RecentEvent]:
    """The newest of both, as a new list."""
    return sorted(a + b)[-RECENT_KEPT:]
